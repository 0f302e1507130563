"""Many start_fix at once, the same one twice, and a broker that comes back."""

import asyncio
import os
import signal
from datetime import UTC, datetime
from pathlib import Path

import pytest

from messaging.connection import connect
from messaging.ports import BusError
from schemas import subjects
from schemas.jobs import Job
from schemas.projects import SealedSecret
from tests.chaos.fixes import Fix
from tests.support.embedded import up
from tests.support.eventually import eventually
from tests.support.stack import PROJECT, stack


@pytest.mark.timeout(240)
async def test_sixteen_at_once_make_one_job_and_fifteen_are_told_its_id(tmp_path: Path) -> None:
    async with stack(tmp_path / "s") as at:
        cluster, origin = await at.cluster(), at.repository("shop")
        path, body = f"/clusters/{cluster}/start_fix", {"repo_url": str(origin)}
        answers = await asyncio.gather(*(at.ask("POST", path, json=body) for _ in range(16)))
        assert sorted(status for status, _ in answers) == [200] + [409] * 15
        assert len({answer["job_id"] for _, answer in answers}) == 1
        assert {answer["code"] for status, answer in answers if status == 409} == {"fix_already_running"}
        fix = Fix(at, "one", answers[0][1]["job_id"], origin, 60)
        job = await fix.judged()
        assert job.status == "success", (job.failure, at.tail())
        assert len(await at.bus.state(subjects.KV_JOBS, Job).keys(PROJECT)) == 1
        await fix.left_nothing(job)


@pytest.mark.timeout(240)
async def test_the_same_idempotency_key_gets_the_same_answer_before_and_after_the_job(tmp_path: Path) -> None:
    async with stack(tmp_path / "s") as at:
        cluster, origin = await at.cluster(), at.repository("shop")
        path, body, key = f"/clusters/{cluster}/start_fix", {"repo_url": str(origin)}, {"Idempotency-Key": "press-1"}
        answers = await asyncio.gather(*(at.ask("POST", path, json=body, headers=key) for _ in range(4)))
        assert [status for status, _ in answers] == [200] * 4
        await at.restart("gateway")
        await at.ready()
        answers.append(await at.ask("POST", path, json=body, headers=key))
        fix = Fix(at, "one", answers[0][1]["job_id"], origin, 60)
        job = await fix.judged()
        answers.append(await at.ask("POST", path, json=body, headers=key))
        assert all(answer == answers[0] for answer in answers), answers
        assert job.status == "success"
        assert len(await at.bus.state(subjects.KV_JOBS, Job).keys(PROJECT)) == 1


@pytest.mark.timeout(120)
async def test_a_broker_killed_under_soulcaster_up_comes_back_with_its_bucket_of_secrets(tmp_path: Path) -> None:
    """That bucket lives in the broker's memory only: without it every fix with a token would be refused."""
    async with up(tmp_path / "data") as instance:
        bus = await connect(instance.ready["nats"], service="gateway")
        secrets = bus.state(subjects.KV_SECRETS, SealedSecret)
        await secrets.put("J1", SealedSecret(sealed="x", created_at=datetime.now(UTC)))
        os.kill(_broker_of(tmp_path / "data"), signal.SIGKILL)

        async def usable() -> bool:
            try:
                await secrets.put("J2", SealedSecret(sealed="x", created_at=datetime.now(UTC)))
                return await secrets.get("J1") is None
            except BusError:
                return False

        await eventually(usable, within=20)
        await bus.close()


def _broker_of(data: Path) -> int:
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            name, environ = (folder / "comm").read_text().strip(), (folder / "environ").read_bytes()
        except OSError:
            continue
        if name == "nats-server" and f"NATS_STORE={data}".encode() in environ:
            return int(folder.name)
    raise AssertionError("no nats-server of this instance runs")
