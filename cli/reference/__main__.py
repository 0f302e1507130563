"""``python -m cli.reference [--check]``."""

import sys

from cli.reference import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
