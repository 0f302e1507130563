"""``python -m services.triage``."""

from runtime.lifecycle import run
from services.triage.service import serve
from services.triage.settings import Settings

if __name__ == "__main__":
    raise SystemExit(run("triage", Settings, serve))
