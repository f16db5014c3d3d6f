"""Floor 4: one driver for each policy."""
