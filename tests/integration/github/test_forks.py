"""A repository that the token may not write to: the branch goes to a fork, the pull request comes from there."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from runner_core.protocols import ForgeError
from schemas.jobs import ForkMode
from tests.integration.github.test_pull_requests import BRANCH, at_double
from tests.support.attempts import git, repository
from tests.support.github_double import Fault, GithubDouble


def forks(double: GithubDouble) -> list[str]:
    return [repo.name for repo in double.repos.values() if repo.parent is not None]


async def test_the_branch_goes_to_a_fork_and_the_pull_request_comes_from_it(tmp_path: Path) -> None:
    async with at_double(tmp_path, fork="auto", writable=False) as at:
        done = await at.publish()
        (pull,) = at.repo.pulls
        assert (done.pull.url, pull["head"]["label"], pull["draft"]) == (pull["html_url"], f"dev:{BRANCH}", True)
        assert at.branches() == ["main"]
        assert git(at.double.repos["dev/api"].bare, "show", f"{BRANCH}:shop/pricing.py") == "fixed"
        assert any("making a fork" in text for text in at.told)


async def test_a_writable_repository_is_not_forked(tmp_path: Path) -> None:
    async with at_double(tmp_path, fork="auto") as at:
        await at.publish()
        assert (forks(at.double), at.double.count("fork")) == ([], 0)


async def test_publishing_again_uses_the_fork_and_the_pull_request_that_are_there(tmp_path: Path) -> None:
    async with at_double(tmp_path, fork="auto", writable=False) as at:
        first, second = await at.publish(), await at.publish()
        assert (first.pull.url, at.double.count("fork"), at.double.count("create")) == (second.pull.url, 1, 1)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault("drop", committed=True)], id="made, then the connection was lost"),
        pytest.param([Fault(status=502, committed=True)], id="made, then 502"),
        pytest.param([Fault("drop"), Fault(status=502)], id="lost and 502 before"),
        pytest.param([Fault(status=403, message="secondary rate limit", headers={"Retry-After": "1"})], id="limited"),
    ],
)
async def test_a_fork_with_unknown_outcome_is_made_once(tmp_path: Path, faults: list[Fault]) -> None:
    async with at_double(tmp_path, fork="auto", writable=False) as at:
        at.double.faults.add("fork", *faults)
        await at.publish()
        assert (forks(at.double), len(at.repo.pulls)) == (["dev/api"], 1)


async def test_two_runners_at_once_make_one_fork_and_one_pull_request(tmp_path: Path) -> None:
    async with at_double(tmp_path, fork="auto", writable=False) as at:
        one, two = await asyncio.gather(at.publish(), at.publish())
        assert (one.pull.url, forks(at.double), len(at.repo.pulls)) == (two.pull.url, ["dev/api"], 1)


async def test_a_fork_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    async with at_double(tmp_path, fork="auto", writable=False) as at:
        at.double.fork_lag = 1.0
        await at.publish()
        assert len(at.repo.pulls) == 1
        assert at.double.count("branches") > 1


async def test_a_repository_of_the_same_name_that_is_no_fork_is_left_alone(tmp_path: Path) -> None:
    async with at_double(tmp_path, fork="auto", writable=False) as at:
        mine = at.double.add("dev/api", repository(tmp_path / "mine"))
        await at.publish()
        assert forks(at.double) == ["dev/api-1"]
        assert git(mine.bare, "for-each-ref", "--format=%(refname:short)", "refs/heads") == "main"


@pytest.mark.parametrize(("setting", "job"), [("never", None), ("auto", "never")])
async def test_no_fork_is_made_where_it_was_not_allowed(
    tmp_path: Path, setting: ForkMode, job: ForkMode | None
) -> None:
    async with at_double(tmp_path, fork=setting, writable=False, job_fork=job) as at:
        with pytest.raises(ForgeError) as error:
            await at.publish()
        assert "may write contents" in error.value.failure.action
        assert (forks(at.double), at.double.count("fork")) == ([], 0)


async def test_the_projects_choice_goes_before_the_runners(tmp_path: Path) -> None:
    async with at_double(tmp_path, fork="never", writable=False, job_fork="auto") as at:
        await at.publish()
        assert forks(at.double) == ["dev/api"]


@pytest.mark.parametrize(
    ("changes", "word"),
    [({"forkable": False}, "forking is disabled"), ({"archived": True}, "is archived")],
)
async def test_a_repository_that_cannot_be_forked_says_why(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    async with at_double(tmp_path, fork="auto", writable=False, **changes) as at:
        with pytest.raises(ForgeError) as error:
            await at.publish()
        assert (error.value.failure.kind, word in error.value.failure.reason) == ("repository", True)
