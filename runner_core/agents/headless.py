"""What Kilocode and opencode, which it descends from, have in common: one binary, one configuration file, one run
without a terminal. Their event streams are the same.

Only its event stream is read; whether it did anything is judged from the working tree.
"""

import asyncio
import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from runner_core.agents.kilocode_events import KilocodeEvents
from runner_core.protocols import Command, EventParser, Invocation, Layout, Tool
from schemas.errors import Failure

PROVIDER: Final = "soulcaster"
COMMAND_SECONDS: Final = 600  # the longest command that the agent may run in one tool call
PROBE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens that the model reads and writes at most; the agent shortens its conversation to fit."""

    context: int = 128_000
    output: int = 8_192


@dataclass(frozen=True, slots=True)
class Product:
    """What tells one of the family from another. ``denied`` are tools that are not even offered to the model."""

    id: str
    title: str  # for people
    mounted: str
    schema: str
    config_name: str
    config_variable: str
    hardening: Mapping[str, str]  # no telemetry, updates, plugins; nothing of the repository's own configuration
    denied: tuple[str, ...]
    missing: str  # what to do without it
    arguments: tuple[str, ...] = ("run", "--auto", "--format", "json")


class Headless:
    """See ``runner_core.protocols.Agent``. ``binary`` is the platform binary, not the Node script around it."""

    def __init__(self, product: Product, binary: Path, window: Window) -> None:
        self._product, self._binary, self._window = product, binary, window
        self.name = product.id
        self.version = ""
        self.tools: tuple[Tool, ...] = (Tool(binary.parent, product.mounted),)

    async def probe(self) -> Failure | None:
        """Starts it for its version until that worked once (seconds of processor time), then only looks for it."""
        if not os.access(self._binary, os.X_OK):
            return self._missing(f"{self._product.title} is not at {self._binary}.")
        return None if self.version else await self._start()

    async def _start(self) -> Failure | None:
        with tempfile.TemporaryDirectory(prefix="agent-") as home:  # it makes folders in its home, asked for or not
            process = await asyncio.create_subprocess_exec(
                self._binary,
                "--version",
                env={"PATH": os.defpath, "HOME": home, **self._product.hardening},
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
                return self._missing(f"{self._binary} --version did not answer in {PROBE_SECONDS:.0f} s.")
        version = re.search(rb"\d+\.\d+\.\d+", said)
        if process.returncode != 0 or version is None:
            return self._missing(f"{self._binary} does not start.", (wrong or said).decode("utf-8", "replace")[-1000:])
        self.version = version[0].decode()
        self.name = f"{self._product.id} {self.version}"
        return None

    def invocation(self, prompt: str, layout: Layout, *, key: str, model: str, seconds: float) -> Invocation:
        product = self._product
        config = f"{layout.inbox}/{product.config_name}"
        env = {
            **product.hardening,
            product.config_variable: config,
            "XDG_CONFIG_HOME": f"{layout.home}/.config",
            "XDG_DATA_HOME": f"{layout.home}/.local/share",
            "XDG_CACHE_HOME": f"{layout.home}/.cache",
            "XDG_STATE_HOME": f"{layout.home}/.local/state",
        }
        argv = [f"{product.mounted}/{self._binary.name}", *product.arguments, "-m", f"{PROVIDER}/{model}"]
        return Invocation(
            files={config: json.dumps(self._config(layout, key, model), indent=1).encode()},
            command=Command(argv=argv, env=env, stdin=prompt.encode(), timeout=seconds),
        )

    def parser(self, layout: Layout) -> EventParser:
        return KilocodeEvents(layout.workspace)

    def _config(self, layout: Layout, key: str, model: str) -> dict[str, Any]:
        """In ``permission`` the last matching rule wins, so the denials stand behind ``*``."""
        limit = {"context": self._window.context, "output": self._window.output}
        options = {"baseURL": layout.model_url, "apiKey": key, "timeout": 600_000}
        return {
            "$schema": self._product.schema,
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
                **dict.fromkeys(self._product.denied, "deny"),
                "bash": {"*": "allow", "git push*": "deny"},
                "edit": {"*": "allow", ".github/**": "deny"},
            },
        }

    def _missing(self, reason: str, detail: str = "") -> Failure:
        return Failure(kind="configuration", reason=reason, action=self._product.missing, detail=detail)
