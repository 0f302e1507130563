"""What can be wrong about a fix, seen from the gateway: a named outcome, a reason, what to do, nothing left behind."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from schemas.jobs import Job
from tests.chaos.fixes import Fix, start
from tests.support.scripted_model import ScriptedModel, Turn, always, scripted_model
from tests.support.stack import FIX, MODEL_KEY, Stack, stack

ASK = 'python3 "$at/ask.py" || exit 1'
QUICK = {
    "MAX_ATTEMPTS": "1",
    "MODEL_RETRIES": "1",
    "MODEL_BACKOFF_SECONDS": "0.05",
    "MODEL_SILENCE_SECONDS": "1",
}


@dataclass(frozen=True)
class Row:
    """``act`` is the agent's script; the failure must be of this kind, with these words in its reason."""

    name: str
    act: str
    turn: Turn
    kind: str
    words: str


AGENT_ROWS = (
    Row("changes nothing", "say 'there is no defect'", Turn("x"), "no_changes", "changed nothing"),
    Row("model down", f"{ASK}\n{FIX}", Turn(fault="refuse"), "model_unavailable", ""),
    Row("model says 429", f"{ASK}\n{FIX}", Turn(status=429), "model_unavailable", "429"),
    Row("model speaks garbage", f"{ASK}\n{FIX}", Turn(fault="garbage"), "model_unavailable", ""),
    Row("model hangs", f"{ASK}\n{FIX}", Turn(fault="hang"), "model_unavailable", ""),
    Row("key refused", f"{ASK}\n{FIX}", Turn(status=401), "configuration", ""),
    Row("budget spent", f"{ASK}\n{ASK}\n{FIX}", Turn("x", tokens=(2_000_001, 1)), "budget", "2000000"),
)


@pytest.mark.timeout(300)
async def test_each_fault_of_agent_and_model_ends_the_job_with_a_reason_and_an_action(tmp_path: Path) -> None:
    async with scripted_model(always(Turn("x"))) as model, stack(tmp_path / "s", model_url=model.url, **QUICK) as at:
        cluster = await at.cluster()
        for row in AGENT_ROWS:
            job = await _failed(at, cluster, row, model)
            assert job.failure is not None
            assert (job.status, job.failure.kind) == ("failed", row.kind), (row, job.failure)
            assert row.words in job.failure.reason, (row, job.failure)
            assert job.failure.action, (row, job.failure)
            assert MODEL_KEY not in f"{job.failure}", row
        model.script = always(Turn("x"))
        at.act(f"{ASK}\n{FIX}")
        job = await (await start(at, cluster, "all is well again")).judged()
        assert job.status == "success", (job.failure, at.tail())


async def _failed(at: Stack, cluster: str, row: Row, model: ScriptedModel) -> Job:
    model.script = always(row.turn)
    at.act(row.act)
    fix = await start(at, cluster, row.name)
    job = await fix.judged()
    await fix.left_nothing(job)
    return job


async def _asked(at: Stack, cluster: str, **body: Any) -> tuple[int, Any]:
    return await at.ask("POST", f"/clusters/{cluster}/start_fix", json=body)


@pytest.mark.timeout(240)
async def test_what_is_wrong_with_cluster_or_repository_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    async with stack(tmp_path / "s", **QUICK) as at:
        status, answer = await _asked(at, "c0000000000000000", repo_url=str(at.repository("shop")))
        assert (status, answer["code"]) == (404, "not_found"), answer
        cluster = await at.cluster()
        status, answer = await _asked(at, cluster)
        assert (status, answer["code"]) == (422, "repository_unknown"), answer
        nowhere = tmp_path / "nowhere.git"
        assert "nowhere.git" in await _reason(at, cluster, tmp_path / "absent", repo_url=str(nowhere))
        origin = at.repository("branchless")
        assert "release-9" in await _reason(at, cluster, origin, repo_url=str(origin), base_branch="release-9")
        (plain := tmp_path / "plain").mkdir()
        assert "plain" in await _reason(at, cluster, tmp_path / "absent", repo_url=str(plain))


async def _reason(at: Stack, cluster: str, origin: Path, **body: Any) -> str:
    """Of the failed job that such a request makes."""
    status, answer = await _asked(at, cluster, **body)
    assert status == 200, answer
    job = await Fix(at, "wrong", answer["job_id"], origin, 60).judged()
    assert job.status == "failed"
    assert job.failure is not None
    assert job.failure.action, job.failure
    return job.failure.reason


@pytest.mark.timeout(240)
async def test_without_the_agent_a_fix_waits_a_moment_and_then_says_what_to_install(tmp_path: Path) -> None:
    async with stack(tmp_path / "s", KILO_BINARY=str(tmp_path / "missing" / "kilo"), **QUICK) as at:
        cluster = await at.cluster()
        fix = await start(at, cluster, "no agent")
        job = await fix.judged()
        assert job.failure is not None
        assert (job.status, job.failure.kind) == ("failed", "configuration")
        assert "Kilocode CLI is not at" in job.failure.reason + job.failure.action, job.failure
        await fix.left_nothing(job)
        status, answer = await at.ask("GET", "/runners")
        assert status == 200
        assert "make setup" in f"{answer}", answer


@pytest.mark.timeout(240)
async def test_a_planner_whose_model_is_down_fails_the_job_with_the_models_name_for_it(tmp_path: Path) -> None:
    endpoint = {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1", "OPENAI_API_KEY": MODEL_KEY, "OPENAI_MODEL": "scripted-1"}
    async with stack(tmp_path / "s", **QUICK, **endpoint) as at:
        cluster = await at.cluster()
        fix = await start(at, cluster, "no model")
        job = await fix.judged()
        assert job.failure is not None
        assert (job.status, job.failure.kind, job.attempt) == ("failed", "planning", 0), job.failure
        assert "127.0.0.1:9" in job.failure.reason, job.failure
        assert job.failure.action
        await fix.left_nothing(job)
