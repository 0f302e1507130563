"""Files that are put into a sandbox and run there. Nothing here is imported by a service."""

from pathlib import Path

FOLDER = Path(__file__).parent
PREPARE = FOLDER / "prepare.sh"
COLLECT = FOLDER / "collect.sh"
EXCLUDES = FOLDER / "excludes"
RELAY = FOLDER / "relay.py"
