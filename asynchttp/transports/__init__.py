"""Floor 3: how bytes move."""
