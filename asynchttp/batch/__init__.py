"""Floor 6: many at once."""
