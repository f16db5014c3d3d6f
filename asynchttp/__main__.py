"""``python -m asynchttp``: the command line."""

import sys

from asynchttp.faces.cli import main

if __name__ == "__main__":
    sys.exit(main())
