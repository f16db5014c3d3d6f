"""Floor 8: bridges to other tools, each imported only by who asks for it."""
