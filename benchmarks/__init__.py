"""What the library claims of itself, measured: ``python -m benchmarks``."""
