"""`python -m services.planner.localise`: the engine on a local repository and an issue file."""

import sys

from services.planner.localise.offline import run

if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
