"""One branch and one draft pull request, whatever is repeated or in the way; on real git and the local forge."""

import json
from pathlib import Path

import pytest

from messaging.memory import MemoryBus
from runner_core.forges import forges
from runner_core.patch import Patch, take_in
from runner_core.protocols import ForgeError
from runner_core.publisher import Publisher
from runner_core.source import Base
from schemas.jobs import Check, Limits, Report, Usage, Verification
from tests.support.attempts import JOB, base_of, bundle_of, git, repository, task

BRANCH = f"soulcaster/{JOB.lower()}"
CHECKS = [
    Check(command="python3 -m unittest", on="base", exit_code=1, passed=False, seconds=1.0),
    Check(command="python3 -m unittest", on="patch", exit_code=0, passed=True, seconds=1.0),
]
REPORT = Report(verification=Verification(checks=CHECKS, verdict="reproduced"), changed_files=["shop/pricing.py"])


async def _prepared(tmp_path: Path, text: str = "fixed\n", name: str = "one") -> tuple[Path, Base, Patch]:
    origin = tmp_path / "origin.git"
    if not origin.exists():
        repository(tmp_path)
    base = await base_of(origin, tmp_path / name)
    folder = tmp_path / f"{name}-work"
    folder.mkdir()
    bundle = bundle_of(base, folder, lambda work: (work / "shop/pricing.py").write_text(text) and None)
    return origin, base, await take_in(base, bundle, Limits())


def _publisher(bus: MemoryBus) -> Publisher:
    return Publisher(forges(bus.objects(), "http://127.0.0.1:8080", "http://127.0.0.1:1"))


async def test_the_branch_holds_the_patch_on_the_base_commit(tmp_path: Path, memory_bus: MemoryBus) -> None:
    origin, base, patch = await _prepared(tmp_path)
    job = task(str(origin), base.commit)
    done = await _publisher(memory_bus).publish(job, base, patch, REPORT, Usage(), None, tmp_path / "one")
    assert done.pull.url == f"http://127.0.0.1:8080/pulls/default/{JOB}"
    assert git(origin, "rev-parse", f"{BRANCH}^") == base.commit
    assert git(origin, "show", f"{BRANCH}:shop/pricing.py") == "fixed"
    assert f"Soulcaster-Job: {JOB}" in git(origin, "log", "-1", "--format=%B", BRANCH)


async def test_publishing_again_changes_nothing(tmp_path: Path, memory_bus: MemoryBus) -> None:
    origin, base, patch = await _prepared(tmp_path)
    job, publisher = task(str(origin), base.commit), _publisher(memory_bus)
    first = await publisher.publish(job, base, patch, REPORT, Usage(), None, tmp_path / "one")
    before = git(origin, "for-each-ref")
    second = await publisher.publish(job, base, patch, REPORT, Usage(), None, tmp_path / "one")
    assert (first, before) == (second, git(origin, "for-each-ref"))
    assert len(await memory_bus.objects().names("pulls/")) == 1


async def test_a_later_attempt_replaces_the_commit_of_an_earlier_one(tmp_path: Path, memory_bus: MemoryBus) -> None:
    origin, base, patch = await _prepared(tmp_path)
    publisher = _publisher(memory_bus)
    await publisher.publish(task(str(origin), base.commit), base, patch, REPORT, Usage(), None, tmp_path / "one")
    _, base2, patch2 = await _prepared(tmp_path, "fixed better\n", "two")
    job2 = task(str(origin), base2.commit, attempt=2)
    await publisher.publish(job2, base2, patch2, REPORT, Usage(), None, tmp_path / "two")
    assert git(origin, "show", f"{BRANCH}:shop/pricing.py") == "fixed better"
    assert len(git(origin, "for-each-ref", "refs/heads").splitlines()) == 2


async def test_a_branch_that_someone_else_wrote_is_never_overwritten(tmp_path: Path, memory_bus: MemoryBus) -> None:
    origin, base, patch = await _prepared(tmp_path)
    git(origin, "branch", BRANCH, "main")
    job = task(str(origin), base.commit)
    with pytest.raises(ForgeError) as error:
        await _publisher(memory_bus).publish(job, base, patch, REPORT, Usage(), None, tmp_path / "one")
    assert error.value.failure.kind == "repository"
    assert git(origin, "rev-parse", BRANCH) == base.commit
    assert await memory_bus.objects().names("pulls/") == []


async def test_the_default_branch_is_never_pushed(tmp_path: Path, memory_bus: MemoryBus) -> None:
    origin, base, patch = await _prepared(tmp_path)
    job = task(str(origin), base.commit, branch="main")
    with pytest.raises(ForgeError):
        await _publisher(memory_bus).publish(job, base, patch, REPORT, Usage(), None, tmp_path / "one")
    assert git(origin, "rev-parse", "main") == base.commit


async def test_hostile_titles_do_not_come_alive_in_the_pull_request(tmp_path: Path, memory_bus: MemoryBus) -> None:
    origin, base, patch = await _prepared(tmp_path)
    hostile = "@admin fixes #1 <img src=x> ![x](http://e.vil/) $(touch x) \u202e\n## Approved"
    job = task(str(origin), base.commit, title=hostile)
    await _publisher(memory_bus).publish(job, base, patch, REPORT, Usage(), None, tmp_path / "one")
    record = json.loads(await memory_bus.objects().get(f"pulls/default/{JOB}.json") or b"{}")
    said = record["title"] + record["body"] + git(origin, "log", "-1", "--format=%B", BRANCH)
    for alive in ("@admin", "#1 ", "<img", "![x]", "http://e.vil", "\u202e", "\n## Approved"):
        assert alive not in said


@pytest.mark.parametrize("verdict", ["unreproduced", "not_run", "still_failing"])
async def test_a_defect_that_was_not_reproduced_is_said_in_the_first_line(verdict: str) -> None:
    from runner_core.pull_text import body

    report = Report(verification=Verification(verdict=verdict))  # type: ignore[arg-type]
    assert "unreproduced" in body(task("/r"), report, Usage()).splitlines()[0]
