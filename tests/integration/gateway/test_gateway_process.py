"""The gateway as a process: how it starts, refuses to start, and stops."""

import asyncio
import os
import sys
from pathlib import Path

import aiohttp
import pytest

from messaging.provision import provision
from runtime import seal
from runtime.processes import Child, free_port
from tests.integration.gateway.conftest import ADMIN_KEY
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "services.gateway"]


def environment(**values: str) -> dict[str, str]:
    """Nothing of ours but what is given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, **values}


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"HOST": "0.0.0.0"}, b"ADMIN_KEY"),
        ({"HOST": "0.0.0.0", "ADMIN_KEY": "a" * 24}, b"SOULCASTER_SECRET_KEY"),
        ({"ADMIN_KEY": "short"}, b"ADMIN_KEY"),
        ({"PORT": "http"}, b"PORT"),
    ],
)
async def test_settings_that_leave_the_door_open_end_with_78_and_say_what_to_do(
    values: dict[str, str], word: bytes
) -> None:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, env=environment(**values), cwd=ROOT, stderr=asyncio.subprocess.PIPE
    )
    _, said = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 78
    assert word in said


async def test_a_stop_signal_ends_streams_and_process_in_order_within_seconds(nats: NatsServer) -> None:
    await provision(nats.url)
    port = free_port()
    values = {"NATS_URL": nats.url, "PORT": str(port), "ADMIN_KEY": ADMIN_KEY, "SOULCASTER_SECRET_KEY": seal.new_key()}
    child = await Child.start("gateway", COMMAND, env=environment(**values), cwd=ROOT)
    base, headers = f"http://127.0.0.1:{port}", {"Authorization": f"Bearer {ADMIN_KEY}"}
    try:
        async with aiohttp.ClientSession(headers=headers) as session:
            await eventually(lambda: _alive(session, base), within=15)
            async with session.get(f"{base}/events") as events:
                assert b"retry" in await events.content.readline()
                child.signal(15)
                async with asyncio.timeout(6):
                    await events.content.read()
                    assert await child.wait() == 0
    finally:
        await child.kill()


async def _alive(session: aiohttp.ClientSession, base: str) -> bool:
    try:
        async with session.get(f"{base}/livez") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


async def test_what_is_not_http_is_refused_and_harms_nobody(nats: NatsServer) -> None:
    await provision(nats.url)
    port = free_port()
    values = {"NATS_URL": nats.url, "PORT": str(port), "ADMIN_KEY": ADMIN_KEY, "SOULCASTER_SECRET_KEY": seal.new_key()}
    child = await Child.start("gateway", COMMAND, env=environment(**values), cwd=ROOT)
    try:
        async with aiohttp.ClientSession() as session:
            await eventually(lambda: _alive(session, f"http://127.0.0.1:{port}"), within=15)
            for junk in (b"\x16\x03\x01\x02\x00", b"GET\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(junk + b"\r\n\r\n")
                answer = await asyncio.wait_for(reader.read(65536), 10)
                assert answer == b"" or answer.split()[1].startswith(b"4"), answer
                writer.close()
            assert await _alive(session, f"http://127.0.0.1:{port}")
    finally:
        await child.kill()
