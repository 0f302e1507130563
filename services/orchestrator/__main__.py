"""``python -m services.orchestrator``"""

from runtime.lifecycle import run
from services.orchestrator.service import serve
from services.orchestrator.settings import Settings

if __name__ == "__main__":
    raise SystemExit(run("orchestrator", Settings, serve))
