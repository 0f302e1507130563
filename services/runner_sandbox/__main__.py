"""``python -m services.runner_sandbox``"""

from runtime.lifecycle import run
from services.runner_sandbox.service import serve
from services.runner_sandbox.settings import Settings

if __name__ == "__main__":
    raise SystemExit(run("runner_sandbox", Settings, serve))
