"""``python -m services.runner_aws``"""

from runtime.lifecycle import run
from services.runner_aws.service import serve
from services.runner_aws.settings import Settings

if __name__ == "__main__":
    raise SystemExit(run("runner_aws", Settings, serve))
