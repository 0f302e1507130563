"""opencode, run once without a terminal: https://opencode.ai/docs/cli. The second agent behind the same protocol."""

from pathlib import Path
from typing import Final

from runner_core.agents.headless import COMMAND_SECONDS, Headless, Product, Window

MOUNTED: Final = "/opt/opencode"
DENIED: Final = ("webfetch", "websearch", "codesearch", "external_directory", "question", "skill", "task")
HARDENING: Final = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_SHARE": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
    "OPENCODE_DISABLE_PROJECT_CONFIG": "1",
    "OPENCODE_DISABLE_CLAUDE_CODE": "1",
    "OPENCODE_DISABLE_EXTERNAL_SKILLS": "1",
    "OPENCODE_DISABLE_EMBEDDED_WEB_UI": "1",
    "OPENCODE_PURE": "1",
    "OPENCODE_AUTH_CONTENT": "{}",
    "OPENCODE_EXPERIMENTAL_BASH_DEFAULT_TIMEOUT_MS": str(COMMAND_SECONDS * 1000),
}
PRODUCT: Final = Product(
    id="opencode",
    title="opencode",
    mounted=MOUNTED,
    schema="https://opencode.ai/config.json",
    config_name="opencode.json",
    config_variable="OPENCODE_CONFIG",
    hardening=HARDENING,
    denied=DENIED,
    missing="Run `make setup`, or set OPENCODE_BINARY to the platform binary of opencode-ai 1.18.33.",
)


class Opencode(Headless):
    """It tries a failing model again without end; the model proxy tells when no call can succeed any more."""

    def __init__(self, binary: Path, window: Window = Window()) -> None:
        super().__init__(PRODUCT, binary, window)
