"""``python -m services.planner``"""

from runtime.lifecycle import run
from services.planner.service import serve
from services.planner.settings import Settings

if __name__ == "__main__":
    raise SystemExit(run("planner", Settings, serve))
