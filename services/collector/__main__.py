"""``python -m services.collector``."""

from runtime.lifecycle import run
from services.collector.service import serve
from services.collector.settings import Settings

if __name__ == "__main__":
    raise SystemExit(run("collector", Settings, serve))
