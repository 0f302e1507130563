"""What agents do wrong: each has a named end with a reason for people, and leaves no process and no folder behind."""

from pathlib import Path

import pytest

from messaging.connection import NatsBus
from schemas.errors import Failure
from schemas.jobs import Job, Limits
from tests.integration.runner.rig import FIX, MODEL_KEY, Rig, rig
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent

SMALL = Limits(wall_seconds=6, log_bytes=1024 * 1024, memory_bytes=512 * 1024**2, processes=48)


async def _job(bus: NatsBus, nats: NatsServer, tmp_path: Path, script: str, limits: Limits) -> tuple[Job, str, Rig]:
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(script), "http://127.0.0.1:9/v1") as at:
        job = await at.fixed(limits=limits)
        await at.nothing_left()
        return job, await at.log("JOB1"), at


@pytest.mark.parametrize(
    ("script", "kind", "word"),
    [
        pytest.param("echo 'there is no bug'", "no_changes", "there is no bug", id="changes nothing"),
        pytest.param("sleep 600", "budget", "did not end within 6 s", id="never ends"),
        pytest.param("trap '' TERM INT HUP; while :; do :; done", "budget", "did not end", id="ignores signals"),
        pytest.param("(setsid nohup sleep 700 &) ; exit 3", "agent", "exit code 3", id="ends badly, leaves a child"),
        pytest.param("head -c 100000000 /dev/zero | tr '\\0' x", "budget", "printed more than 1 MiB", id="100 MB line"),
        pytest.param("yes", "budget", "printed more than", id="prints for ever"),
        pytest.param(
            "python3 -c 'x = bytearray(900 * 1024**2); print(len(x))'; exit 1", "agent", "", id="too much memory"
        ),
        pytest.param("f() { f | f & }; f; sleep 600", "", "", id="fork bomb"),
    ],
)
async def test_a_bad_agent_has_a_named_end_and_leaves_nothing(
    nats: NatsServer, bus: NatsBus, tmp_path: Path, script: str, kind: str, word: str
) -> None:
    job, log, at = await _job(bus, nats, tmp_path, script, SMALL)
    assert job.status == "failed", log
    assert job.failure is not None
    assert job.failure.kind == kind or not kind
    assert word in job.failure.reason
    assert job.failure.action or job.failure.kind == "agent"
    assert at.branches() == ["main"]
    assert "failed:" in log


@pytest.mark.parametrize(
    ("script", "rule", "kept"),
    [
        pytest.param(f"{FIX}; ln -s /etc/passwd passwd", "passwd", "patches/p/JOB1/1.diff", id="symlink out"),
        pytest.param(
            f"{FIX}; printf 'token = \"%s\"\\n' {MODEL_KEY} > shop/conf.py", "conf.py", None, id="secret in a file"
        ),
    ],
)
async def test_a_dangerous_patch_is_refused_and_kept_for_a_look_unless_it_holds_a_secret(
    nats: NatsServer, bus: NatsBus, tmp_path: Path, script: str, rule: str, kept: str | None
) -> None:
    job, log, at = await _job(bus, nats, tmp_path, script, SMALL)
    assert job.status == "failed", log
    assert job.failure is not None
    assert job.failure.kind == "gate"
    assert rule in job.failure.reason
    assert job.patch_key == kept
    assert (job.bundle_key is None) == (kept is None)
    assert at.branches() == ["main"]


async def test_a_change_of_ci_waits_for_a_person_and_is_published_once_released(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    script = f"{FIX}; mkdir -p .github/workflows; echo 'on: push' > .github/workflows/ci.yml; echo changed CI"
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(script), "http://127.0.0.1:9/v1") as at:
        held = await at.fixed()
        assert held.status == "needs_review", (held.failure, await at.log("JOB1"))
        assert held.failure is not None
        assert ".github/workflows/ci.yml" in held.failure.reason
        assert at.branches() == ["main"]
        released = await at.fixed("JOB2", approve_patch=held.patch_key, retry_of="JOB1")
        assert released.status == "success", (released.failure, await at.log("JOB2"))
        assert at.branches() == ["main", "soulcaster/job2"]
        await at.nothing_left()


async def test_a_printed_secret_is_masked_however_it_is_spelt(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    key = MODEL_KEY
    script = (
        f"{FIX}\nprintf '%s' {key[:9]}; printf '%s\\n' {key[9:]}\nprintf '%s' {key} | base64\nenv; cat /proc/*/environ"
    )
    job, log, _ = await _job(bus, nats, tmp_path, script, Limits(wall_seconds=30))
    assert job.status == "success", log
    assert key not in log
    assert "[redacted:model-key]" in log
    assert key not in (await bus.objects().get(f"reports/p/{job.id}/1.json") or b"").decode()


async def test_a_patch_that_does_not_fix_the_test_is_not_published(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    job, log, at = await _job(bus, nats, tmp_path, "echo '# better' >> shop/pricing.py", Limits(wall_seconds=30))
    assert job.status == "failed", log
    assert job.failure is not None
    assert job.failure.kind == "verification"
    assert job.report is not None
    assert job.report.verification.verdict == "still_failing"
    assert "AssertionError" in job.report.verification.checks[1].output_tail
    assert at.branches() == ["main"]


async def test_a_missing_agent_is_told_before_and_with_the_job(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    problem = Failure(kind="configuration", reason="The Kilocode CLI is not here.", action="Run make setup.")
    async with rig(bus, nats.url, tmp_path, ScriptedAgent("true", problem), "http://127.0.0.1:9/v1") as at:
        job = await at.fixed()
        assert job.failure is not None
        assert job.failure.kind == "configuration"
        assert (await at.info()).problem == "The Kilocode CLI is not here. Run make setup."


async def test_a_repository_that_does_not_clone_is_named(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    async with rig(bus, nats.url, tmp_path, ScriptedAgent(FIX), "http://127.0.0.1:9/v1") as at:
        gone = await at.fixed("JOB1", plan=at.plan(repo_url=str(tmp_path / "nowhere.git")))
        assert gone.failure is not None
        assert gone.failure.kind == "repository"
        assert "nowhere.git does not clone" in gone.failure.reason
        moved = await at.fixed("JOB2", plan=at.plan(base_branch="release"))
        assert moved.failure is not None
        assert "Branch 'release' is not in" in moved.failure.reason
        rewritten = await at.fixed("JOB3", plan=at.plan(base_commit="1" * 40))
        assert rewritten.failure is not None
        assert "no longer in branch" in rewritten.failure.reason
        await at.nothing_left()
