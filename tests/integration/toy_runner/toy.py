"""A toy runner: commands as plain processes in a folder. It isolates nothing; it shows the shape."""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from runner_core.protocols import Command, Exit, Found, Layout, Output, Sandbox, SandboxError, SandboxSpec
from runtime.ids import new_id
from schemas.errors import Failure


class ToySandbox:
    def __init__(self, folder: Path, spec: SandboxSpec) -> None:
        self.id, self._folder, self.spec = folder.name, folder, spec
        self.layout = Layout(f"{folder}/home/work", f"{folder}/home", f"{folder}/inbox", spec.model_url or "")

    @property
    def gone(self) -> bool:
        return not self._folder.exists()

    async def put(self, path: str, data: bytes | Path, *, executable: bool = False) -> None:
        if self.gone:
            raise SandboxError(Failure(kind="infrastructure", reason="The sandbox is gone."))
        await asyncio.to_thread(_write, Path(path), data, 0o755 if executable else 0o644)

    async def run(self, command: Command) -> AsyncGenerator[Output | Exit, None]:
        started, why = time.monotonic(), "exited"
        env = {"PATH": os.defpath, "HOME": self.layout.home, **command.env}
        process = await asyncio.create_subprocess_exec(
            *command.argv, env=env, cwd=command.cwd or self.layout.workspace, start_new_session=True,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            async with asyncio.timeout(command.timeout):
                process.stdin.write(command.stdin)
                process.stdin.close()
                while data := await process.stdout.read(65536):
                    yield Output("stdout", data)
                await process.wait()
        except TimeoutError:
            why = "timeout"
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        seconds = time.monotonic() - started
        yield Exit(None, "timeout", seconds) if why == "timeout" else Exit(process.returncode, "exited", seconds)

    async def get(self, path: str, *, limit: int) -> bytes:
        if not os.path.isfile(path):  # a pipe would hold us for ever  # noqa: ASYNC240 - a stat of a local path, in a toy
            raise SandboxError(Failure(kind="infrastructure", reason=f"{path} is no file."))
        data = await asyncio.to_thread(Path(path).read_bytes)
        if len(data) > limit:
            raise SandboxError(Failure(kind="gate", reason=f"{path} is larger than {limit} bytes."))
        return data

    async def extend(self, lifetime: float) -> None:
        """A folder lives for ever."""

    async def destroy(self) -> None:
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


class ToyProvider:
    kind = "toy"
    capabilities: tuple[str, ...] = ("no-isolation",)

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._live: dict[str, ToySandbox] = {}

    async def probe(self) -> Failure | None:
        return None

    async def create(self, spec: SandboxSpec) -> Sandbox:
        sandbox = ToySandbox(self._folder / new_id(), spec)
        await asyncio.to_thread(os.makedirs, sandbox.layout.workspace)
        self._live[sandbox.id] = sandbox
        return sandbox

    async def find_by_tag(self, runner: str) -> list[Found]:
        live = [sandbox for sandbox in self._live.values() if not sandbox.gone]
        return [Found(sandbox.id, sandbox.spec.tag) for sandbox in live if sandbox.spec.tag.runner == runner]

    async def destroy(self, sandbox_id: str) -> None:
        if sandbox_id in self._live:
            await self._live.pop(sandbox_id).destroy()


def _write(file: Path, data: bytes | Path, mode: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data if isinstance(data, bytes) else data.read_bytes())
    file.chmod(mode)
