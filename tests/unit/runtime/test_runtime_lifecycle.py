"""A service process ends in order, in time, with an exit code that tells why."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from runtime.processes import Child, free_port
from tests.support.eventually import eventually

SCRIPT = """
import asyncio, msgspec
from runtime import health, lifecycle
from runtime.lifecycle import run
lifecycle.GRACE_SECONDS = 1.0

class Settings(msgspec.Struct, frozen=True, kw_only=True):
    log_level: str = "info"
    health_port: int = 0
    health_host: str = "127.0.0.1"
    how: str = "orderly"

async def ping(): pass
async def broken(): raise ValueError("no broker")

async def serve(settings, stop):
    health.here().add("good", ping)
    if settings.how == "unready":
        health.here().add("nats", broken)
    if settings.how == "crash":
        raise RuntimeError("broken on purpose")
    if settings.how == "stubborn":
        await asyncio.Event().wait()
    if settings.how == "done":
        return
    await stop.wait()

if __name__ == "__main__":
    raise SystemExit(run("sample", Settings, serve))
"""


class Sample:
    """The script above as a process."""

    def __init__(self, child: Child, log: Path) -> None:
        self.child, self.log = child, log

    def said(self, word: str) -> bool:
        return word in self.log.read_text()


@asynccontextmanager
async def sample(folder: Path, **settings: str) -> AsyncIterator[Sample]:
    (folder / "sample.py").write_text(SCRIPT)
    environment = {**os.environ, **settings, "PYTHONPATH": str(Path(__file__).parents[3])}
    with (folder / "log").open("wb") as log:
        child = await Child.start("sample", [sys.executable, folder / "sample.py"], env=environment, stderr=log)
    found = Sample(child, folder / "log")
    try:
        yield found
    finally:
        await child.kill()


async def exit_code(found: Sample) -> int:
    return await asyncio.wait_for(found.child.wait(), 10)


async def test_sigterm_ends_a_service_in_order(tmp_path: Path) -> None:
    async with sample(tmp_path) as found:
        await eventually(lambda: found.said("service.starting"), within=10)
        assert await found.child.stop() == 0
        assert found.said("service.stopped")


async def test_sigint_does_the_same(tmp_path: Path) -> None:
    async with sample(tmp_path) as found:
        await eventually(lambda: found.said("service.starting"), within=10)
        found.child.signal(signal.SIGINT)
        assert await exit_code(found) == 0


async def test_a_service_that_returns_ends_the_process_with_success(tmp_path: Path) -> None:
    async with sample(tmp_path, HOW="done") as found:
        assert await exit_code(found) == 0


async def test_a_crash_is_logged_and_exits_with_1(tmp_path: Path) -> None:
    async with sample(tmp_path, HOW="crash") as found:
        assert await exit_code(found) == 1
        assert found.said("service.crashed")
        assert found.said("broken on purpose")


async def test_settings_that_do_not_fit_exit_with_78_and_name_the_variable(tmp_path: Path) -> None:
    async with sample(tmp_path, HEALTH_PORT="eighty") as found:
        assert await exit_code(found) == 78
        assert found.said("HEALTH_PORT")


async def test_a_service_that_does_not_stop_is_cancelled_after_its_grace(tmp_path: Path) -> None:
    async with sample(tmp_path, HOW="stubborn") as found:
        await eventually(lambda: found.said("service.starting"), within=10)
        found.child.signal(signal.SIGTERM)
        assert await exit_code(found) == 1
        assert found.said("service.aborted")


async def test_a_second_signal_ends_the_grace_at_once(tmp_path: Path) -> None:
    async with sample(tmp_path, HOW="stubborn") as found:
        await eventually(lambda: found.said("service.starting"), within=10)
        found.child.signal(signal.SIGTERM)
        await eventually(lambda: found.said("service.stopping"))
        begin = asyncio.get_running_loop().time()
        found.child.signal(signal.SIGTERM)
        assert await exit_code(found) == 1
        assert asyncio.get_running_loop().time() - begin < 0.9


async def http(port: int, path: str) -> tuple[int, str]:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError as error:
        raise AssertionError(str(error)) from error
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return int(answer.split()[1]), answer.partition("\r\n\r\n")[2]


async def test_health_is_served_on_its_port(tmp_path: Path) -> None:
    port = free_port()
    async with sample(tmp_path, HEALTH_PORT=str(port)):
        assert (await eventually(lambda: http(port, "/readyz"), within=10))[0] == 200
        assert await http(port, "/livez") == (200, '{"status":"ok"}')
        assert (await http(port, "/metrics"))[0] == 200
        assert (await http(port, "/other"))[0] == 404


async def test_a_failing_ping_makes_a_service_unready_but_alive(tmp_path: Path) -> None:
    port = free_port()
    async with sample(tmp_path, HEALTH_PORT=str(port), HOW="unready"):

        async def unready() -> None:
            status, body = await http(port, "/readyz")
            assert status == 503
            assert "no broker" in body

        await eventually(unready, within=10)
        assert (await http(port, "/livez"))[0] == 200
