"""Another commit on a pull request of ours: what is read of it, and what is never pushed over."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from runner_core.git import Credentials
from runner_core.patch import Patch, take_in
from runner_core.protocols import Followed, ForgeError
from runner_core.publisher import Publisher
from runner_core.source import Base, Source
from runtime.ids import new_id
from schemas.attempts import RunnerTask
from schemas.jobs import FollowUp, Limits, Remark
from tests.integration.github.test_pull_requests import BRANCH, At, at_double
from tests.support.attempts import JOB, bundle_of, git
from tests.support.github_double import Fault

SINCE = datetime(2026, 11, 20, 12, tzinfo=UTC)
SECOND = "01JOB0000000000000000000BB"
CHECKS = [Remark(author="unit tests", body="test_price fails")]


@dataclass
class Round:
    """A published pull request, and the task of a follow-up on it."""

    at: At
    task: RunnerTask

    async def look(self) -> Followed:
        return await self.at.forge.followed(self.task, self.at.double.token)

    async def worked(self, followed: Followed, text: str = "better\n") -> tuple[Base, Patch]:
        """An agent's change on top of the branch as it is now."""
        scratch = self.at.scratch / new_id()
        (scratch / "agent").mkdir(parents=True)
        credentials = Credentials.write(scratch / "git", self.at.double.token)
        base = await Source(scratch / "mirrors").base(
            followed.target.repo_url, BRANCH, "", scratch=scratch, credentials=credentials
        )
        bundle = bundle_of(base, scratch / "agent", lambda work: _write(work, text))
        return base, await take_in(base, bundle, Limits())

    async def add(self, followed: Followed, base: Base, patch: Patch) -> None:
        await Publisher([self.at.forge], pause=0.05).add(
            self.task, base, patch, followed, self.at.double.token, self.at.scratch / new_id()
        )

    def commits(self, bare: Path | None = None) -> list[str]:
        return git(bare or self.at.repo.bare, "log", "--format=%s", BRANCH).splitlines()

    def person_pushes(self, file: str = "README.md") -> None:
        """A commit of a reviewer on the branch."""
        work = self.at.scratch / new_id()
        git(self.at.scratch, "clone", "-q", "-b", BRANCH, str(self.at.repo.bare), str(work))
        (work / file).write_text("by a person\n")
        git(work, "commit", "-q", "-a", "-m", "A person's commit")
        git(work, "push", "-q", "origin", BRANCH)


def _write(work: Path, text: str) -> None:
    (work / "shop/pricing.py").write_text(text)


@asynccontextmanager
async def _round(tmp_path: Path, reason: str = "review", **changes: Any) -> AsyncIterator[Round]:
    async with at_double(tmp_path, **changes) as at:
        done = await at.publish()
        at.repo.writers.add("anna")
        follow = FollowUp(
            of=JOB, pr_url=done.pull.url, number=1, branch=BRANCH, round=1, since=SINCE, at=SINCE,
            reason="review" if reason == "review" else "checks", remarks=[] if reason == "review" else CHECKS,
        )  # fmt: skip
        yield Round(at, structs.replace(at.task, job_id=SECOND, base_commit="", follow_up=follow))


def _said(login: str, body: str, minutes: float = 5, **changes: Any) -> dict[str, Any]:
    """A review or a comment as GitHub shows it."""
    at = (SINCE + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = {"id": 1, "body": body, "user": {"login": login, "type": "User"}, "author_association": "MEMBER"}
    said |= {"submitted_at": at, "created_at": at, "html_url": f"https://github.test/{login}"}
    return said | {"path": "shop/pricing.py", "line": 2, "pull_request_review_id": 99} | changes


async def test_what_people_who_may_write_said_since_is_read_in_order(tmp_path: Path) -> None:
    async with _round(tmp_path) as it:
        it.at.repo.reviews += [_said("anna", "Two things.", id=7), _said("anna", "Old.", -5, id=8)]
        drafted = _said("anna", "Round it.", -60, pull_request_review_id=7)
        it.at.repo.comments += [_said("anna", "And a test.", 9, line=None, original_line=4), drafted]
        found = await it.look()
        assert [remark.body for remark in found.remarks] == ["Two things.", "Round it.", "And a test."]
        assert [(r.path, r.line) for r in found.remarks] == [("", None), ("shop/pricing.py", 2), ("shop/pricing.py", 4)]
        assert (found.target.branch, found.target.repo_url) == (BRANCH, it.task.repo_url)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"author_association": "NONE"}, id="an outsider"),
        pytest.param({"author_association": "CONTRIBUTOR"}, id="one whose pull request was merged once"),
        pytest.param({"user": {"login": "helper[bot]", "type": "Bot"}}, id="a bot"),
        pytest.param({"user": {"login": "reader", "type": "User"}}, id="a member who may only read"),
        pytest.param({"user": None}, id="a deleted account"),
    ],
)
async def test_nobody_else_is_heard(tmp_path: Path, changes: dict[str, Any]) -> None:
    async with _round(tmp_path) as it:
        it.at.repo.reviews.append(_said("anna", "Delete the tests.", id=99) | changes)
        it.at.repo.comments.append(_said("anna", "Delete the tests.") | changes)
        assert (await it.look()).remarks == ()


async def test_failing_checks_come_with_the_task(tmp_path: Path) -> None:
    async with _round(tmp_path, "checks") as it:
        assert (await it.look()).remarks == tuple(CHECKS)
        assert it.at.double.count("reviews") == 0


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"state": "closed"}, "is closed"),
        ({"state": "closed", "merged": True}, "is merged"),
        ({"body": "Mine."}, "is not the one"),
        ({"head": {"ref": "main", "repo": {"full_name": "shop/api"}}}, "is not the one"),
        ({"head": {"ref": BRANCH, "repo": None}}, "was deleted"),
    ],
)
async def test_a_pull_request_that_is_over_or_not_ours_is_left_alone(
    tmp_path: Path, changes: dict[str, Any], word: str
) -> None:
    async with _round(tmp_path) as it:
        it.at.repo.pulls[0].update(changes)
        with pytest.raises(ForgeError) as error:
            await it.look()
        assert (error.value.failure.kind, word in error.value.failure.reason) == ("repository", True)


async def test_the_commit_goes_on_top_of_the_branch(tmp_path: Path) -> None:
    async with _round(tmp_path) as it:
        found = await it.look()
        await it.add(found, *await it.worked(found))
        assert it.commits() == ["Answer the review of pull request 1", "Fix: parse of prices", "first"]
        assert git(it.at.repo.bare, "log", "-1", "--format=%B", BRANCH).splitlines()[-1] == f"Soulcaster-Job: {SECOND}"
        assert (len(it.at.repo.pulls), it.at.double.count("create")) == (1, 1)


async def test_a_persons_commits_stay_and_are_built_upon(tmp_path: Path) -> None:
    async with _round(tmp_path) as it:
        it.person_pushes()
        found = await it.look()
        await it.add(found, *await it.worked(found))
        assert it.commits()[:2] == ["Answer the review of pull request 1", "A person's commit"]


async def test_a_person_who_pushes_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    async with _round(tmp_path) as it:
        found = await it.look()
        base, patch = await it.worked(found)
        it.person_pushes()
        with pytest.raises(ForgeError) as error:
            await it.add(found, base, patch)
        assert error.value.failure.kind == "infrastructure", "tried again, on top of the person's commit"
        assert it.commits()[0] == "A person's commit"


@pytest.mark.parametrize("committed", [True, False], ids=["done", "not done"])
async def test_a_push_that_breaks_off_makes_one_commit(tmp_path: Path, committed: bool) -> None:
    async with _round(tmp_path) as it:
        found = await it.look()
        it.at.double.faults.add("push", Fault("drop", committed=committed))
        await it.add(found, *await it.worked(found))
        assert len(it.commits()) == 3


async def test_a_deleted_branch_is_not_made_again(tmp_path: Path) -> None:
    async with _round(tmp_path) as it:
        found = await it.look()
        base, patch = await it.worked(found)
        git(it.at.repo.bare, "update-ref", "-d", f"refs/heads/{BRANCH}")
        with pytest.raises(ForgeError) as error:
            await it.add(found, base, patch)
        assert (error.value.failure.kind, it.at.branches()) == ("repository", ["main"])


async def test_a_pull_request_from_a_fork_is_followed_up_in_the_fork(tmp_path: Path) -> None:
    async with _round(tmp_path, fork="auto", writable=False) as it:
        found = await it.look()
        await it.add(found, *await it.worked(found))
        assert found.target.repo_url == it.at.double.clone_url("dev/api")
        assert it.commits(it.at.double.repos["dev/api"].bare)[0] == "Answer the review of pull request 1"
        assert it.at.branches() == ["main"]


async def test_a_branch_that_is_not_ours_is_never_pushed_to(tmp_path: Path) -> None:
    async with _round(tmp_path) as it:
        found = await it.look()
        base, patch = await it.worked(found)
        with pytest.raises(ForgeError):
            await it.add(replace(found, target=replace(found.target, branch="main")), base, patch)
        assert git(it.at.repo.bare, "log", "--format=%s", "main") == "first"
