"""The Kilocode CLI, run once without a terminal: https://kilo.ai/docs/cli.

Only its event stream is read; whether it did anything is judged from the working tree. Its own telemetry, updates,
plugins and the repository's Kilo configuration (which may start programs) are switched off.
"""

import asyncio
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runner_core.agents.kilocode_events import KilocodeEvents
from runner_core.protocols import Command, EventParser, Invocation, Layout, Tool
from schemas.errors import Failure

MOUNTED: Final = "/opt/kilocode"
PROVIDER: Final = "soulcaster"
COMMAND_SECONDS: Final = 600  # the longest command that the agent may run in one tool call
PROBE_SECONDS: Final = 60.0
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


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens that the model reads and writes at most; Kilo shortens its conversation to fit."""

    context: int = 128_000
    output: int = 8_192


class Kilocode:
    """See ``runner_core.protocols.Agent``. ``binary`` is the platform binary, not the Node script around it."""

    def __init__(self, binary: Path, window: Window = Window()) -> None:
        self._binary, self._window = binary, window
        self.name = "kilocode"
        self._started = False
        self.tools: tuple[Tool, ...] = (Tool(binary.parent, MOUNTED),)

    async def probe(self) -> Failure | None:
        """Starts it for its version until that worked once (seconds of processor time), then only looks for it."""
        if not os.access(self._binary, os.X_OK):
            return _missing(f"The Kilocode CLI is not at {self._binary}.")
        return None if self._started else await self._start()

    async def _start(self) -> Failure | None:
        with tempfile.TemporaryDirectory(prefix="kilo-") as home:  # it makes folders in its home, asked for or not
            process = await asyncio.create_subprocess_exec(
                self._binary,
                "--version",
                env={"PATH": os.defpath, "HOME": home, **HARDENING},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    said, wrong = await process.communicate()
            except TimeoutError:
                process.kill()
                await process.wait()
                return _missing(f"{self._binary} --version did not answer in {PROBE_SECONDS:.0f} s.")
        version = re.search(rb"\d+\.\d+\.\d+", said)
        if process.returncode != 0 or version is None:
            return _missing(f"{self._binary} does not start.", (wrong or said).decode("utf-8", "replace")[-1000:])
        self.name, self._started = f"kilocode {version[0].decode()}", True
        return None

    def invocation(self, prompt: str, layout: Layout, *, key: str, model: str, seconds: float) -> Invocation:
        config = f"{layout.inbox}/kilo.json"
        env = HARDENING | {
            "KILO_CONFIG": config,
            "XDG_CONFIG_HOME": f"{layout.home}/.config",
            "XDG_DATA_HOME": f"{layout.home}/.local/share",
            "XDG_CACHE_HOME": f"{layout.home}/.cache",
            "XDG_STATE_HOME": f"{layout.home}/.local/state",
        }
        argv = [f"{MOUNTED}/{self._binary.name}", "run", "--auto", "--format", "json", "-m", f"{PROVIDER}/{model}"]
        return Invocation(
            files={config: json.dumps(self._config(layout, key, model), indent=1).encode()},
            command=Command(argv=argv, env=env, stdin=prompt.encode(), timeout=seconds),
        )

    def parser(self, layout: Layout) -> EventParser:
        return KilocodeEvents(layout.workspace)

    def _config(self, layout: Layout, key: str, model: str) -> dict[str, Any]:
        """``kilo.json``. In ``permission`` the last matching rule wins, so the denials stand behind ``*``."""
        limit = {"context": self._window.context, "output": self._window.output}
        options = {"baseURL": layout.model_url, "apiKey": key, "timeout": 600_000}
        return {
            "$schema": "https://app.kilo.ai/config.json",
            "model": f"{PROVIDER}/{model}",
            "small_model": f"{PROVIDER}/{model}",
            "enabled_providers": [PROVIDER],
            "provider": {
                PROVIDER: {
                    "npm": "@ai-sdk/openai-compatible",
                    "name": "Soulcaster",
                    "options": options,
                    "models": {model: {"name": model, "tool_call": True, "limit": limit}},
                }
            },
            "share": "disabled",
            "autoupdate": False,
            "snapshot": False,
            "experimental": {"openTelemetry": False},
            "instructions": [f"{layout.workspace}/AGENTS.md"],
            "permission": {
                "*": "allow",
                **dict.fromkeys(DENIED, "deny"),
                "bash": {"*": "allow", "git push*": "deny"},
                "edit": {"*": "allow", ".github/**": "deny"},
            },
        }


def _missing(reason: str, detail: str = "") -> Failure:
    action = "Run `make setup`, or set KILO_BINARY to the platform binary of @kilocode/cli 7.7.7."
    return Failure(kind="configuration", reason=reason, action=action, detail=detail)
