"""One measurement: ``python -m benchmarks.child MODULE SPEC`` prints the sample as the last line, in JSON."""

from __future__ import annotations

import importlib
import json
import sys


def main() -> None:
    name, spec = sys.argv[1:]
    module = importlib.import_module(name)
    print(json.dumps(module.child(json.loads(spec))))


if __name__ == "__main__":
    main()
