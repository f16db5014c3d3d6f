"""The main job on real input: 10 000 URLs against servers that misbehave, through the command line.

Run it with `make demo`, or `python -m examples.demo --help`.
"""

from examples.demo.run import main

__all__ = ["main"]
