"""A whole embedded instance as a user starts it: the soulcaster command in a process of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "cli"]


def environ(**changes: str) -> dict[str, str]:
    """This environment without any model or context of the developer's."""
    dropped = ("OPENAI_", "SOULCASTER_", "GITHUB_", "E2B_", "XDG_")
    return {k: v for k, v in os.environ.items() if not k.startswith(dropped)} | changes


@dataclass(slots=True)
class Up:
    """A started ``soulcaster up`` and what its ready file says."""

    process: asyncio.subprocess.Process
    ready: dict[str, str]
    data: Path

    async def call(self, method: str, path: str, **options: Any) -> Any:
        """The decoded JSON answer of the gateway; raises for an error status."""
        headers = {"Authorization": f"Bearer {self.ready['api_key']}", **options.pop("headers", {})}
        url = self.ready["gateway"] + path
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, **options) as response,
        ):
            response.raise_for_status()
            return await response.json() if "json" in response.content_type else await response.text()

    async def run(self, *arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a soulcaster command against this instance."""
        target = {"SOULCASTER_GATEWAY": self.ready["gateway"], "SOULCASTER_API_KEY": self.ready["api_key"]}
        return await command(*arguments, stdin=stdin, env=environ(**target))

    async def interrupt(self) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self.process.wait(), 15)


async def command(*arguments: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a soulcaster command."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *arguments,
        cwd=ROOT,
        env=env or environ(),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await asyncio.wait_for(process.communicate(stdin), 540)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@asynccontextmanager
async def up(data: Path, *arguments: str, env: dict[str, str] | None = None) -> AsyncIterator[Up]:
    """A ready instance with its data in ``data``; stopped afterwards when the test has not done so."""
    ready_file, log = data.with_name(data.name + ".ready.json"), data.with_name(data.name + ".err")
    line = [*COMMAND, "up", "--data", str(data), "--port", "0", "--ready-file", str(ready_file), *arguments]
    with log.open("wb") as err:
        process = await asyncio.create_subprocess_exec(
            *line, cwd=ROOT, env=env or environ(), stdin=asyncio.subprocess.DEVNULL, stdout=err, stderr=err
        )
    try:
        async with asyncio.timeout(60):
            while not ready_file.exists():
                assert process.returncode is None, log.read_text()
                await asyncio.wait({asyncio.ensure_future(process.wait())}, timeout=0.05)
        yield Up(process, json.loads(ready_file.read_text()), data)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            await asyncio.wait_for(process.wait(), 15)


def processes_of(data: Path) -> list[str]:
    """Command lines of live processes that belong to an instance: its data folder is in their line or environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            held = (folder / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if line and (str(data) in line or f"DATA_DIR={data}\0" in held):
            found.append(line)
    return found
