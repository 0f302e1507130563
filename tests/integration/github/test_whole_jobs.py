"""Whole jobs with GitHub's double: orchestrator, runner, sandbox, pull request, and another round on it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from messaging.connection import NatsBus
from runner_core.forges.github import GithubForge
from runner_core.publisher import Publisher
from schemas import subjects
from schemas.base import decode
from schemas.jobs import FollowUp, Job, JobEvent, Remark
from tests.integration.runner.rig import FIX, PROJECT, Rig, git, repository, rig
from tests.support.eventually import eventually
from tests.support.github_double import Fault, GithubDouble, Repo, github_double
from tests.support.github_double.app import made_app
from tests.support.nats_server import NatsServer
from tests.support.scripted_agent import ScriptedAgent
from tests.support.scripted_model import Turn, always, scripted_model

KEYS = made_app()
NAME = "shop/api"
AGENT = f"""
cat > /tmp/prompt
if grep -q 'Name it better' /tmp/prompt; then sed -i 's/total(a, b)/total(a, b, *more)/' shop/pricing.py; else {FIX}; fi
echo done
"""


@dataclass
class Whole:
    rig: Rig
    double: GithubDouble
    repo: Repo

    async def opened(self) -> Job:
        """A first job that ended in a pull request."""
        plan = self.rig.plan(repo_url=self.double.clone_url(NAME), base_commit=git(self.repo.bare, "rev-parse", "main"))
        job = await self.rig.fixed("JOB1", plan=plan)
        assert job.status == "success", (job.failure, await self.rig.log("JOB1"))
        return job

    async def followed(self, first: Job, job_id: str = "JOB2", **changes: Any) -> Job:
        values: dict[str, Any] = {
            "of": first.id, "pr_url": first.pr_url or "", "number": 1, "branch": first.branch or "", "round": 1,
            "reason": "review", "since": first.created_at - timedelta(hours=1), "at": first.created_at,
        }  # fmt: skip
        follow_up = FollowUp(**values | changes)
        return await self.rig.fixed(job_id, plan=first.plan, follow_up=follow_up, force=True)

    def reviewed(self, body: str, login: str = "anna") -> None:
        self.repo.writers.add("anna")
        said = {"id": 5, "body": body, "user": {"login": login, "type": "User"}, "author_association": "MEMBER"}
        said |= {"submitted_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "html_url": "https://github.test/r"}
        self.repo.reviews.append(said)


@asynccontextmanager
async def _whole(
    nats: NatsServer,
    bus: NatsBus,
    tmp_path: Path,
    *,
    longest_wait: float = 7200.0,
    by_app: bool = False,
    **changes: Any,
) -> AsyncIterator[Whole]:
    async with github_double() as double, scripted_model(always(Turn("hello"))) as model:
        repo = double.add(NAME, repository(tmp_path / "github"))
        app = (KEYS.id, KEYS.key) if by_app else None
        if app is not None:
            double.app.key, double.app.public, double.app.installed[NAME] = KEYS.key, KEYS.public, 77
        forge = GithubForge(
            double.api_url, app=app, look=2.0, longest_wait=longest_wait, pause=0.05, spacing=0.0, timeout=5
        )
        own = {} if by_app else {"127.0.0.1": double.token}
        made: dict[str, Any] = {"publisher": Publisher([forge], pause=0.05), "own_tokens": own}
        async with rig(bus, nats.url, tmp_path, ScriptedAgent(AGENT), model.url, **made | changes) as at:
            yield Whole(at, double, repo)


async def test_a_review_becomes_another_commit_on_the_same_branch(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with _whole(nats, bus, tmp_path) as it:
        first = await it.opened()
        it.reviewed("Name it better, please.")
        second = await it.followed(first)
        assert second.status == "success", (second.failure, await it.rig.log("JOB2"))
        assert (second.pr_url, second.branch) == (first.pr_url, first.branch)
        assert first.branch is not None
        assert "total(a, b, *more)" in git(it.repo.bare, "show", f"{first.branch}:shop/pricing.py")
        assert git(it.repo.bare, "rev-list", "--count", f"main..{first.branch}") == "2"
        assert len(it.repo.pulls) == 1
        assert "following up" in await it.rig.log("JOB2")


async def test_words_of_an_outsider_start_no_agent(nats: NatsServer, bus: NatsBus, tmp_path: Path) -> None:
    async with _whole(nats, bus, tmp_path) as it:
        first = await it.opened()
        it.reviewed("Name it better, please.", login="mallory")
        second = await it.followed(first)
        assert second.failure is not None
        assert (second.status, second.failure.kind, second.usage.requests) == ("failed", "no_changes", 0)
        assert "Nobody who may write" in second.failure.reason
        assert second.phase == "done"


async def test_checks_that_failed_on_an_older_commit_are_not_repaired(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with _whole(nats, bus, tmp_path) as it:
        first = await it.opened()
        failing = [Remark(author="unit tests", body="Name it better: the linter")]
        second = await it.followed(first, reason="checks", sha="0" * 40, remarks=failing)
        assert second.failure is not None
        assert "by now" in second.failure.reason
        sha = git(it.repo.bare, "rev-parse", first.branch or "")
        third = await it.followed(first, "JOB3", reason="checks", sha=sha, remarks=failing)
        assert third.status == "success", third.failure


async def test_a_rate_limit_longer_than_the_phase_is_waited_out_and_shown(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with _whole(nats, bus, tmp_path, publish_seconds=3.0) as it:
        limit = Fault(status=403, message="You have exceeded a secondary rate limit.", headers={"Retry-After": "6"})
        it.double.faults.add("create", limit)
        job = await it.opened()
        assert (job.attempt, job.waiting, len(it.repo.pulls)) == (1, None, 1)
        stored = await bus.page(subjects.JOBS, subjects.job_status(PROJECT, "JOB1"))
        told = [decode(message.data, JobEvent) for message in stored]
        waits = [event for event in told if event.message.startswith("waiting for GitHub until")]
        assert [event.phase for event in waits] == ["publishing"]
        assert "asking GitHub again" in await it.rig.log("JOB1")


async def test_a_rate_limit_longer_than_a_runner_waits_holds_the_job_until_its_end(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with _whole(nats, bus, tmp_path, longest_wait=1.0, attempts=2) as it:
        limit = Fault(status=403, message="You have exceeded a secondary rate limit.", headers={"Retry-After": "8"})
        it.double.faults.add("create", limit)
        job = await it.opened()
        assert (job.attempt, job.waiting, len(it.repo.pulls)) == (2, None, 1)
        (held,) = job.history
        assert "rate limit for this token is reached until" in held.reason
        stored = await bus.page(subjects.JOBS, subjects.job_status(PROJECT, "JOB1"))
        told = [decode(message.data, JobEvent) for message in stored]
        assert [event.phase for event in told if "the next one starts at" in event.message] == ["queued"]
        again = next(event for event in told if event.attempt == 2)
        assert held.retry_at is not None
        assert again.at >= held.retry_at, "it was tried again before GitHub's time"


async def test_a_job_with_the_apps_tokens_leaves_none_that_opens_anything(
    nats: NatsServer, bus: NatsBus, tmp_path: Path
) -> None:
    async with _whole(nats, bus, tmp_path, by_app=True) as it:
        await it.opened()

        def all_over() -> None:
            assert [token.over for token in it.double.app.issued.values()] == [True, True]

        await eventually(all_over, within=30)
