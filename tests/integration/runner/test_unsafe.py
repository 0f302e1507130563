"""SANDBOX_LOCAL_UNSAFE: no isolation, but the same work, the same limits and nothing left behind."""

from pathlib import Path

import pytest

from messaging.connection import NatsBus
from runner_core.protocols import Command, SandboxError
from schemas.jobs import Limits
from services.runner_sandbox import toolchains
from services.runner_sandbox.service import provider
from services.runner_sandbox.settings import Settings
from services.runner_sandbox.unsafe import UnsafeProvider
from tests.integration.runner.rig import FIX, rig
from tests.support.nats_server import NatsServer
from tests.support.sandboxes import RUNNER, ran, shell, spec
from tests.support.scripted_agent import ScriptedAgent

NO_MODEL = "http://127.0.0.1:9/v1"


def test_it_is_used_only_when_asked_for_and_says_so(tmp_path: Path) -> None:
    assert provider(Settings(), tmp_path).kind == "local"
    asked = provider(Settings(sandbox_local_unsafe="1"), tmp_path)
    assert (asked.kind, asked.capabilities) == ("local-unsafe", ("not-isolated",))
    assert provider(Settings(sandbox_local_unsafe="yes"), tmp_path).kind == "local"


async def test_a_whole_fix_works_and_leaves_no_folder_and_no_process(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    unsafe = UnsafeProvider(tmp_path / "data" / "runs", toolchains.detect())
    agent = ScriptedAgent(f"{FIX}; echo mended; (setsid sleep 300 &)")
    async with rig(bus, nats.url, tmp_path, agent, NO_MODEL, provider=unsafe) as at:
        job = await at.fixed(limits=Limits(wall_seconds=60))
        assert job.status == "success", (job.failure, await at.log("JOB1"))
        assert job.report is not None
        assert job.report.verification.verdict == "reproduced"
        assert at.branches() == ["main", "soulcaster/job1"]
        await at.nothing_left()


async def test_commands_have_their_own_environment_time_and_folders(tmp_path: Path) -> None:
    unsafe = UnsafeProvider(tmp_path / "runs", toolchains.detect())
    sandbox = await unsafe.create(spec())
    seen = (await ran(sandbox, "env")).stdout.decode().split()
    assert {line.partition("=")[0] for line in seen} <= {"HOME", "PATH", "TMPDIR", "LANG", "USER", "PWD"}
    assert (await shell(sandbox, "sleep 60", timeout=0.5)).exit.why == "timeout"
    await sandbox.put(f"{sandbox.layout.workspace}/a/b", b"data")
    assert (await shell(sandbox, "cat a/b")).stdout == b"data"
    assert await sandbox.get(f"{sandbox.layout.workspace}/a/b", limit=10) == b"data"
    for path in ("/etc/hostname", f"{sandbox.layout.workspace}/../../x"):
        with pytest.raises(SandboxError):
            await sandbox.put(path, b"x")
    assert [found.tag for found in await unsafe.find_by_tag(RUNNER)] == [spec().tag]
    await sandbox.destroy()
    assert await unsafe.find_by_tag(RUNNER) == []
    with pytest.raises(SandboxError):
        async for _ in sandbox.run(Command(argv=["true"])):
            pass
