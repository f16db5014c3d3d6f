"""Floor 2: asyncio without HTTP."""
