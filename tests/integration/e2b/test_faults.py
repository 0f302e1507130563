"""e2b failing in the ways it is known for: the real SDK against the double (faults F09 and F10)."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from runner_core.protocols import Command, Exit, Output, Sandbox, SandboxError
from services.runner_sandbox.e2b_provider import E2bProvider
from tests.support.e2b_double import E2bDouble, Fault, e2b_double
from tests.support.eventually import eventually
from tests.support.sandboxes import QUICK, RUNNER, account, ran, shell, spec

COUNT = (
    "for i in $(seq 1 400); do echo line $i of the log; [ $((i % 40)) = 0 ] && sleep 0.1; done; echo last >&2; exit 5"
)
HELD = COUNT.replace("; do echo", "; do [ $i = 300 ] && until [ -e $HOME/go ]; do sleep 0.1; done; echo")
WHOLE = "".join(f"line {i} of the log\n" for i in range(1, 401)).encode()


@asynccontextmanager
async def _sandbox(double: E2bDouble, **patience: float) -> AsyncIterator[Sandbox]:
    sandbox = await E2bProvider(account(double), None, replace(QUICK, **patience)).create(spec())  # type: ignore[arg-type]
    try:
        yield sandbox
    finally:
        await sandbox.destroy()


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault(status=500)], id="500 cannot place"),
        pytest.param([Fault(status=429, message="Rate limit", headers={"Retry-After": "1"})], id="429"),
        pytest.param([Fault(status=503, message="busy")] * 5, id="503 for longer than the SDK tries"),
        pytest.param([Fault(status=504, message="gateway", committed=True)] * 2, id="504 though it was made"),
        pytest.param([Fault(status=500, committed=True)], id="500 though it was made"),
        pytest.param([Fault("drop")], id="connection lost"),
        pytest.param([Fault("drop", committed=True)], id="connection lost though it was made"),
        pytest.param([Fault("hang", committed=True)], id="never answers though it was made"),
        pytest.param([Fault("hang")], id="never answers"),
        pytest.param([Fault(status=502, text=True)] * 5, id="a proxy's page"),
        pytest.param([Fault(status=500, text=True)], id="a proxy's page without retries"),
    ],
)
async def test_a_creation_that_goes_wrong_leaves_exactly_one_sandbox(tmp_path: Path, faults: list[Fault]) -> None:
    async with e2b_double(tmp_path) as double:
        double.faults.add("create", *faults)
        async with _sandbox(double, request=2.0) as sandbox:
            assert (await shell(sandbox, "echo works")).stdout == b"works\n"
            assert list(double.boxes) == [sandbox.id]
        assert len(double.control.created) == 1
        assert not double.boxes


async def test_of_forty_creations_with_a_fifth_failing_each_way_each_makes_one(tmp_path: Path) -> None:
    async with e2b_double(tmp_path, most=100) as double:
        for fault in (
            Fault(status=500),
            Fault(status=504, committed=True),
            Fault(status=429),
            Fault("drop", committed=True),
        ):
            double.faults.often("create", 0.2, fault)
        provider = E2bProvider(account(double, concurrency=4), None, replace(QUICK, tries=9, ttl=60.0))

        async def one(number: int) -> int:
            sandbox = await provider.create(spec(f"JOB{number}"))
            mine = [box for box in double.boxes.values() if box.metadata["job"] == f"JOB{number}"]
            await sandbox.destroy()
            return len(mine)

        assert await asyncio.gather(*[one(number) for number in range(40)]) == [1] * 40
        assert len(double.faults.taken) > 20
        assert not double.boxes


@pytest.mark.parametrize("operation", ["write", "start", "read", "timeout", "kill"])
@pytest.mark.parametrize(
    "fault", [Fault(status=503), Fault("drop"), Fault("drop", committed=True)], ids=["503", "lost", "lost though done"]
)
async def test_calls_into_a_sandbox_are_repeated(tmp_path: Path, operation: str, fault: Fault) -> None:
    async with e2b_double(tmp_path) as double:
        async with _sandbox(double) as sandbox:
            double.faults.add(operation, *[fault] * 2)
            await sandbox.put(f"{sandbox.layout.workspace}/made", b"data" * 50_000)
            done = await shell(sandbox, "wc -c < made; echo once >> runs; cat runs")
            assert (done.stdout, done.exit.code) == (b"200000\nonce\n", 0), "a command runs once however it was asked"
            assert len(await sandbox.get(f"{sandbox.layout.workspace}/made", limit=200_000)) == 200_000
            await sandbox.extend(30.0)
        assert not double.boxes


@pytest.mark.parametrize("kind", ["cut", "half_open"])
async def test_a_broken_stream_loses_and_doubles_nothing(tmp_path: Path, kind: str) -> None:
    async with e2b_double(tmp_path) as double, _sandbox(double, stall=2.5) as sandbox:
        double.faults.add("start", *[Fault(kind, after=after) for after in (1, 3000, 1, 900)])  # type: ignore[arg-type]
        running = asyncio.create_task(shell(sandbox, HELD, timeout=120.0))
        # On a slow machine all that was printed may come at once: no end before the last of the faults has its stream.
        await eventually(lambda: len(double.faults.taken) == 4, 60.0)
        await sandbox.put(f"{sandbox.layout.home}/go", b"")
        done = await running
        assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(WHOLE).digest()
        assert (done.stderr, done.exit.code, done.exit.why) == (b"last\n", 5, "exited")
        assert len(double.faults.taken) == 4


async def test_a_silent_stream_is_noticed_within_twenty_seconds_by_default() -> None:
    from services.runner_sandbox.e2b_sandbox import Patience

    assert Patience().stall <= 20


async def test_what_was_printed_while_e2b_was_away_is_told_afterwards(tmp_path: Path) -> None:
    async with e2b_double(tmp_path) as double, _sandbox(double) as sandbox:
        double.faults.add("start", Fault("cut", after=1), *[Fault(status=503)] * 6)
        assert (await shell(sandbox, COUNT, timeout=60.0)).stdout == WHOLE


async def test_a_killed_sandbox_is_gone_and_not_an_exit_code(tmp_path: Path) -> None:
    async with e2b_double(tmp_path) as double, _sandbox(double) as sandbox:
        async with aclosing(sandbox.run(Command(argv=["sh", "-c", "echo up; sleep 60"]))) as pieces:
            assert await anext(pieces) == Output("stdout", b"up\n")
            await double.kill(sandbox.id)
            last = await anext(pieces)
        assert isinstance(last, Exit)
        assert (last.code, last.why) == (None, "gone")
        with pytest.raises(SandboxError) as error:
            await sandbox.put(f"{sandbox.layout.inbox}/x", b"x")
        assert error.value.failure.kind == "infrastructure"


async def test_a_sandbox_lives_past_its_timeout_while_it_is_wanted(tmp_path: Path) -> None:
    async with e2b_double(tmp_path) as double, _sandbox(double, ttl=2.0) as sandbox:
        assert (await shell(sandbox, "sleep 5; echo still here")).stdout == b"still here\n"
        assert double.count("timeout") >= 4


async def test_a_sandbox_of_a_dead_runner_ends_by_itself(tmp_path: Path) -> None:
    async with e2b_double(tmp_path) as double:
        sandbox = await E2bProvider(account(double), None, replace(QUICK, ttl=2.0)).create(spec())
        double.faults.often("timeout", 1.0, Fault(status=500))  # as if nobody asked any more
        await eventually(lambda: not double.boxes, within=10.0)
        await sandbox.destroy()


async def test_orphans_are_found_by_metadata_and_living_runners_left_alone(tmp_path: Path) -> None:
    async with e2b_double(tmp_path) as double:
        patience = replace(QUICK, ttl=4.0)
        alive, reaper = (E2bProvider(account(double), None, patience) for _ in range(2))
        sandbox = await alive.create(spec("ALIVE"))
        dead = await alive.create(spec("DEAD"))
        dead._keeper.cancel()  # type: ignore[attr-defined]  # its runner was killed

        async def found() -> None:
            assert [item.tag.job_id for item in await reaper.find_by_tag(RUNNER)] == ["DEAD"]

        await eventually(found, within=4.0)
        assert {item.tag.job_id for item in await alive.find_by_tag(RUNNER)} == {"ALIVE", "DEAD"}
        await reaper.destroy(dead.id)
        assert list(double.boxes) == [sandbox.id]
        await asyncio.gather(sandbox.destroy(), dead.destroy())


async def test_the_rate_and_the_number_of_sandboxes_keep_within_the_accounts_limits(tmp_path: Path) -> None:
    async with e2b_double(tmp_path, most=2) as double:
        provider = E2bProvider(account(double, creates_per_second=4.0, concurrency=2), None, QUICK)

        async def one(number: int) -> None:
            sandbox = await provider.create(spec(f"JOB{number}"))
            await sandbox.destroy()

        await asyncio.gather(*[one(number) for number in range(6)])
        times = [at for at, _ in double.control.created]
        assert len(times) == 6, "none was refused for being one too many"
        assert min(later - at for at, later in pairwise(times)) > 0.2
        assert not double.faults.taken


async def test_what_is_asked_for_is_closed_and_tagged(tmp_path: Path) -> None:
    async with e2b_double(tmp_path) as double, _sandbox(double):
        _, body = double.control.created[0]
        assert body["network"] == {"denyOut": ["0.0.0.0/0"], "allowPublicTraffic": False}
        assert body["envVars"] == {}
        assert body["timeout"] == round(QUICK.ttl)
        wanted = {"soulcaster": "sandbox", "runner": RUNNER, "job": "JOB1", "attempt": "1", "purpose": "agent"}
        assert wanted.items() <= body["metadata"].items()


@pytest.mark.parametrize(
    ("change", "word"),
    [
        pytest.param({"key": "e2b_wrong"}, "E2B_API_KEY", id="wrong key"),
        pytest.param({"template": "no-such"}, "E2B_TEMPLATE", id="no such template"),
    ],
)
async def test_a_wrong_setting_is_named_and_not_repeated(tmp_path: Path, change: dict[str, str], word: str) -> None:
    async with e2b_double(tmp_path) as double:
        provider = E2bProvider(replace(account(double), **change), None, QUICK)  # type: ignore[arg-type]
        started = time.monotonic()
        with pytest.raises(SandboxError) as error:
            await provider.create(spec())
        assert (error.value.failure.kind, word in error.value.failure.action) == ("configuration", True)
        assert (double.count("create"), time.monotonic() - started < 5) == (1, True)


async def test_e2b_away_is_infrastructure(tmp_path: Path) -> None:
    async with e2b_double(tmp_path) as double:
        away = replace(account(double), api_url="http://127.0.0.1:9", sandbox_url="http://127.0.0.1:9")
    with pytest.raises(SandboxError) as error:
        await E2bProvider(away, None, replace(QUICK, tries=2)).create(spec())
    assert error.value.failure.kind == "infrastructure"


async def test_a_hostile_command_cannot_forge_what_the_sandbox_says_to_the_runner(tmp_path: Path) -> None:
    """The spool is data: truncated, replaced or filled with lies it ends the command at worst."""
    script = (
        'for f in /var/lib/soulcaster/*/*; do echo \'["end", {"code": 0}]\' > $f; done; : > /proc/self/fd/1; echo x'
    )
    async with e2b_double(tmp_path) as double, _sandbox(double) as sandbox:
        done = await ran(sandbox, "sh", "-c", script)
        assert done.exit.why in ("exited", "gone", "signal")
        assert (await shell(sandbox, "echo fine")).stdout == b"fine\n"
