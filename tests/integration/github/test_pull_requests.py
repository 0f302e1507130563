"""One branch and one draft pull request at GitHub, whatever it answers (faults F11 to F13); real git over HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from runner_core.forges.github import GithubForge
from runner_core.git import Credentials
from runner_core.patch import Patch, take_in
from runner_core.protocols import ForgeError
from runner_core.publisher import Published, Publisher
from runner_core.source import Base, Source, SourceError
from runtime.ids import new_id
from schemas.attempts import RunnerTask
from schemas.jobs import ForkMode, Limits, Report, Usage, Verification
from tests.support.attempts import JOB, bundle_of, git, repository, task
from tests.support.eventually import eventually
from tests.support.github_double import Fault, GithubDouble, Repo, github_double

BRANCH = f"soulcaster/{JOB.lower()}"
REPORT = Report(verification=Verification(verdict="not_run"))


@dataclass
class At:
    """A patch ready to be published to a repository of the double. ``told`` is what the job's log would show."""

    double: GithubDouble
    repo: Repo
    forge: GithubForge
    task: RunnerTask
    base: Base
    patch: Patch
    scratch: Path
    told: list[str]

    async def publish(self, token: str | None = None) -> Published:
        async def tell(text: str, until: datetime | None = None) -> None:
            self.told.append(text)

        return await Publisher([self.forge], pause=0.05).publish(
            self.task, self.base, self.patch, REPORT, Usage(), token or self.double.token, self.scratch / new_id(), tell
        )

    def branches(self) -> list[str]:
        return git(self.repo.bare, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()


def _mend(work: Path) -> None:
    (work / "shop/pricing.py").write_text("fixed\n")


@asynccontextmanager
async def at_double(
    tmp_path: Path, *, fork: ForkMode = "never", job_fork: ForkMode | None = None, **changes: object
) -> AsyncIterator[At]:
    """A patch of shop/api, which has ``changes``, at a double of GitHub."""
    async with github_double() as double:
        repo = double.add("shop/api", repository(tmp_path), **changes)
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        credentials = Credentials.write(scratch / "git", double.token)
        url = double.clone_url("shop/api")
        base = await Source(scratch / "mirrors").base(url, "main", "", scratch=scratch, credentials=credentials)
        bundle = bundle_of(base, tmp_path, _mend)
        forge = GithubForge(double.api_url, fork=fork, look=2.0, pause=0.05, spacing=0.0, timeout=1)
        patch = await take_in(base, bundle, Limits())
        yield At(double, repo, forge, task(url, base.commit, fork=job_fork), base, patch, scratch, [])


async def test_a_branch_and_a_draft_pull_request_are_made(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        done = await at.publish()
        (pull,) = at.repo.pulls
        assert (done.branch, done.pull.url, done.pull.state) == (BRANCH, pull["html_url"], "open")
        assert (pull["draft"], pull["base"]["ref"], pull["head"]["ref"]) == (True, "main", BRANCH)
        assert at.branches() == ["main", BRANCH]
        assert git(at.repo.bare, "show", f"{BRANCH}:shop/pricing.py") == "fixed"


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param([Fault("drop", committed=True)], id="made, then the connection was lost"),
        pytest.param([Fault(status=502, committed=True)], id="made, then 502"),
        pytest.param([Fault(status=504, committed=True, text=True)], id="made, then a proxy's 504"),
        pytest.param([Fault("hang", committed=True)], id="made, never answered"),
        pytest.param([Fault("drop")], id="connection lost before"),
        pytest.param([Fault(status=502)], id="502 before"),
        pytest.param([Fault("hang")], id="never answered"),
    ],
)
async def test_a_creation_with_unknown_outcome_makes_one_pull_request(tmp_path: Path, faults: list[Fault]) -> None:
    async with at_double(tmp_path) as at:
        at.double.faults.add("create", *faults)
        done = await at.publish()
        assert [pull["html_url"] for pull in at.repo.pulls] == [done.pull.url]


async def test_nothing_is_asked_twice_while_the_first_may_still_show_up(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        at.double.faults.add("create", Fault("drop", committed=True))
        at.double.lag = 1.2
        await at.publish()
        assert (len(at.repo.pulls), at.double.count("create")) == (1, 1)
        assert any("looking for the pull request" in text for text in at.told)


async def test_a_list_that_lags_longer_than_we_look_still_makes_one_pull_request(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        at.double.faults.add("create", Fault("drop", committed=True))
        at.double.lag = 6.0
        done = await at.publish()
        assert [pull["html_url"] for pull in at.repo.pulls] == [done.pull.url]
        times = at.double.times("create")
        assert all(later - at > 2.0 for at, later in pairwise(times)), "each waited for the whole time of looking"


async def test_two_runners_at_once_make_one_pull_request(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        one, two = await asyncio.gather(at.publish(), at.publish())
        assert one.pull.url == two.pull.url
        assert len(at.repo.pulls) == 1


async def test_publishing_again_finds_what_is_there(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        first, second = await at.publish(), await at.publish()
        assert (first.pull.url, at.double.count("create"), at.double.count("push")) == (second.pull.url, 1, 1)


async def test_a_closed_pull_request_is_neither_opened_again_nor_doubled(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        await at.publish()
        at.repo.pulls[0]["state"] = "closed"
        assert (await at.publish()).pull.state == "closed"
        assert len(at.repo.pulls) == 1


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"Retry-After": "2"}, "You have exceeded a secondary rate limit."),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "{reset}"}, "API rate limit exceeded for user ID 1."),
    ],
    ids=["secondary", "primary"],
)
@pytest.mark.parametrize("operation", ["find", "create"])
@pytest.mark.parametrize("status", [403, 429])
async def test_limits_are_waited_out_and_shown(
    tmp_path: Path, operation: str, status: int, headers: dict[str, str], message: str
) -> None:
    async with at_double(tmp_path) as at:
        reset = int(time.time()) + 3
        headers = {name: value.format(reset=reset) for name, value in headers.items()}
        earliest = time.monotonic() + (reset - time.time() if "X-RateLimit-Reset" in headers else 2.0)
        at.double.faults.add(operation, Fault(status=status, message=message, headers=headers))
        await at.publish()
        assert at.double.times(operation)[1] >= earliest
        assert any("waiting for GitHub until" in text for text in at.told)
        assert len(at.repo.pulls) == 1


async def test_a_wait_that_is_too_long_is_told_with_its_end(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        limit = Fault(status=403, message="API rate limit exceeded", headers={"Retry-After": "100000"})
        at.double.faults.add("find", limit)
        with pytest.raises(ForgeError) as error:
            await at.publish()
        assert error.value.failure.kind == "infrastructure"
        assert "until 20" in error.value.failure.reason
        assert error.value.failure.retry_at is not None
        assert timedelta(hours=27) < error.value.failure.retry_at - datetime.now(UTC) < timedelta(hours=28)
        assert at.double.count("find") == 1


async def test_a_cancelled_publication_stops_waiting_and_makes_nothing(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        at.double.faults.add(
            "create", Fault(status=403, message="secondary rate limit", headers={"Retry-After": "600"})
        )
        publishing = asyncio.create_task(at.publish())
        await eventually(lambda: bool(at.told))
        publishing.cancel()
        assert isinstance((await asyncio.gather(publishing, return_exceptions=True))[0], asyncio.CancelledError)
        assert at.repo.pulls == []


async def test_reading_is_repeated_when_github_stumbles(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        at.double.faults.add("find", Fault(status=502), Fault("drop"), Fault(status=503, text=True))
        at.double.faults.add("repo", Fault(status=500))
        await at.publish()
        assert len(at.repo.pulls) == 1


@pytest.mark.parametrize("committed", [True, False], ids=["done", "not done"])
async def test_a_push_that_breaks_off_is_taken_up_again(tmp_path: Path, committed: bool) -> None:
    async with at_double(tmp_path) as at:
        at.double.faults.add("push", Fault("drop", committed=committed), Fault(status=502, committed=committed))
        await at.publish()
        assert at.branches() == ["main", BRANCH]
        assert len(at.repo.pulls) == 1


async def test_a_pull_request_of_somebody_else_on_our_branch_is_left_alone(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        await at.publish()
        at.repo.pulls[0]["body"] = "Mine."
        with pytest.raises(ForgeError) as error:
            await at.publish()
        assert (error.value.failure.kind, "did not open" in error.value.failure.reason) == ("repository", True)
        assert (len(at.repo.pulls), at.repo.pulls[0]["body"]) == (1, "Mine.")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        pytest.param({"writable": False}, "may write contents", id="token may only read"),
        pytest.param({"protected": True}, "refused branch", id="branch is protected"),
        pytest.param({"drafts": False}, "Draft pull requests are not supported", id="no drafts"),
    ],
)
async def test_a_refusal_is_the_repositorys_and_says_why(tmp_path: Path, changes: dict[str, Any], word: str) -> None:
    async with at_double(tmp_path, **changes) as at:
        with pytest.raises(ForgeError) as error:
            await at.publish()
        failure = error.value.failure
        assert (failure.kind, word in failure.reason + failure.action) == ("repository", True), failure
        assert failure.action
        assert at.repo.pulls == []


async def test_a_wrong_token_is_told_without_showing_it(tmp_path: Path) -> None:
    async with at_double(tmp_path) as at:
        wrong = "ghp_wrongwrongwrongwrongwrongwrong"
        with pytest.raises(ForgeError) as error:
            await at.publish(wrong)
        assert error.value.failure.kind == "repository"
        assert wrong not in repr(error.value.failure)
        with pytest.raises(SourceError) as source:
            await Source(tmp_path / "m").base(
                at.task.repo_url, "main", "", scratch=tmp_path / "s",
                credentials=Credentials.write(tmp_path / "c", wrong),
            )  # fmt: skip
        assert source.value.failure.kind == "repository"
        assert wrong not in repr(source.value.failure)


async def test_the_token_is_in_no_argument_environment_configuration_or_word_of_ours(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with at_double(tmp_path) as at:
        seen: set[str] = set()
        watching = asyncio.create_task(asyncio.to_thread(_processes, seen, until := [False]))
        at.double.faults.add("push", Fault("drop"))
        try:
            await at.publish()
        finally:
            until[0] = True
            await watching
        assert any("git" in text for text in seen)
        assert not [text for text in seen if at.double.token in text]
        assert at.double.token not in "".join(capfd.readouterr()) + str(at.told)
        files = [path for path in (tmp_path / "scratch").rglob("*") if path.is_file()]
        holding = {path.name for path in files if at.double.token.encode() in path.read_bytes()}
        assert holding == {"token"}, "but for the private file that askpass reads"
        assert {path.stat().st_mode & 0o777 for path in files if path.name == "token"} == {0o600}


def _processes(seen: set[str], until: list[bool]) -> None:
    """Command lines and environments of git and its helpers."""
    while not until[0]:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                line = (path / "cmdline").read_bytes()
                if b"git" in line:
                    seen.add((line + (path / "environ").read_bytes()).decode("utf-8", "replace"))
            except OSError:
                continue
