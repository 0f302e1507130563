"""The Kilocode CLI, run once without a terminal: https://kilo.ai/docs/cli.

Its own telemetry, updates, plugins and the repository's Kilo configuration (which may start programs) are switched off.
Releases before 1.0 have another command line and another configuration: ``kilocode_old``.
"""

from pathlib import Path
from typing import Final

from runner_core.agents import kilocode_old
from runner_core.agents.headless import COMMAND_SECONDS, Headless, Product, Window
from runner_core.protocols import EventParser, Invocation, Layout

__all__ = ["DENIED", "HARDENING", "MOUNTED", "Kilocode", "Window"]
MOUNTED: Final = "/opt/kilocode"
DENIED: Final = (
    "webfetch", "websearch", "external_directory", "question", "background_process", "schedule_wakeup",
    "cancel_wakeup", "board_post", "board_read", "kilo_local_recall", "skill", "task",
)  # fmt: skip
HARDENING: Final = {
    "KILO_TELEMETRY_LEVEL": "off",
    "KILO_DISABLE_AUTOUPDATE": "1",
    "KILO_DISABLE_MODELS_FETCH": "1",
    "KILO_DISABLE_SHARE": "1",
    "KILO_DISABLE_SESSION_INGEST": "1",
    "KILO_DISABLE_LSP_DOWNLOAD": "1",
    "KILO_DISABLE_DEFAULT_PLUGINS": "1",
    "KILO_DISABLE_PROJECT_CONFIG": "1",
    "KILO_DISABLE_PRESENCE": "1",
    "KILO_NO_DAEMON": "1",
    "KILO_DISABLE_CLAUDE_CODE": "1",
    "KILO_DISABLE_EXTERNAL_SKILLS": "1",
    "KILO_AUTH_CONTENT": "{}",
    "KILO_SESSION_RETRY_LIMIT": "1",  # the model proxy tries again where that helps
    "KILO_COMMAND_TIMEOUT_MAX_MS": str(COMMAND_SECONDS * 1000),
}
PRODUCT: Final = Product(
    id="kilocode",
    title="The Kilocode CLI",
    mounted=MOUNTED,
    schema="https://app.kilo.ai/config.json",
    config_name="kilo.json",
    config_variable="KILO_CONFIG",
    hardening=HARDENING,
    denied=DENIED,
    missing="Run `make setup`, or set KILO_BINARY to the platform binary of @kilocode/cli 7.7.7.",
)


class Kilocode(Headless):
    """The default agent. ``probe`` tells whether the binary is a current or an old one."""

    def __init__(self, binary: Path, window: Window = Window()) -> None:
        super().__init__(PRODUCT, binary, window)

    @property
    def old(self) -> bool:
        """Whether it is a release before 1.0; one that was never started counts as current."""
        return bool(self.version) and int(self.version.split(".")[0]) < 1

    def invocation(self, prompt: str, layout: Layout, *, key: str, model: str, seconds: float) -> Invocation:
        if not self.old:
            return super().invocation(prompt, layout, key=key, model=model, seconds=seconds)
        program = f"{MOUNTED}/{self._binary.name}"
        return kilocode_old.invocation(program, prompt, layout, key=key, model=model, seconds=seconds)

    def parser(self, layout: Layout) -> EventParser:
        return kilocode_old.Events() if self.old else super().parser(layout)
