"""``python -m cli.site [--out FOLDER]``: 0 when the site was built, 1 with the list of what is wrong in it."""

import argparse
import sys
from pathlib import Path

from cli.embedded.layout import ROOT
from cli.site.build import load


def main(argv: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m cli.site", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist" / "docs")
    options = parser.parse_args(argv)
    site = load(ROOT)
    if site.problems:
        print("\n".join(site.problems), file=sys.stderr)
        return 1
    site.write(options.out)
    print(f"{len(site.pages)} pages: {options.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
