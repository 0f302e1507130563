"""``python -m services.gateway``."""

from runtime.lifecycle import run
from services.gateway.service import serve
from services.gateway.settings import Settings

if __name__ == "__main__":
    raise SystemExit(run("gateway", Settings, serve))
