"""What must hold of every fix, whatever was killed: one checker for all tests, which reads from outside, afterwards."""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from itertools import pairwise
from pathlib import Path

import msgspec

from messaging.ports import Bus, BusError, CaughtUp
from runner_core.forges.local import PullRecord
from runner_core.pull_text import marker
from schemas import subjects
from schemas.base import decode
from schemas.jobs import TERMINAL, Job, JobEvent
from schemas.logs import LogChunk
from schemas.projects import SealedSecret
from tests.support.eventually import eventually

STATUSES = ("pending", "running", "ended")
IN_ATTEMPT = ("provisioning", "checkout", "agent", "verifying", "gating", "publishing")


async def ended(bus: Bus, project: str, job_id: str, within: float) -> Job:
    """The record once it is terminal; it ended before its own deadline."""
    state = bus.state(subjects.KV_JOBS, Job)

    async def check() -> Job:
        with _told_as_assertion():
            entry = await state.get(subjects.key(project, job_id))
        job = entry.value if entry is not None else None
        assert job is not None, f"{job_id}: no record"
        assert job.status in TERMINAL, f"{_where(job)}, history {[one.reason for one in job.history]}"
        return job

    job = await eventually(check, within)
    assert job.finished_at is not None, _where(job)
    assert job.finished_at <= job.deadline, _where(job)
    return job


async def published_once_or_never(bus: Bus, job: Job, origin: Path) -> None:
    """``success``: one branch, one commit on the base, one pull request, all with the marker. Else: nothing at all.

    ``origin`` is a bare repository that only this job writes to.
    """
    pulls = [name for name in await bus.objects().names("pulls/") if job.id in name]
    ours = _branches(origin)
    if job.status != "success":
        assert ours == [], f"{_where(job)} left {ours}"
        assert pulls == [], f"{_where(job)} left {pulls}"
        return
    assert ours == [job.branch], f"{_where(job)}: {ours}"
    assert job.branch == f"soulcaster/{job.id.lower()}"
    assert pulls == [f"pulls/{job.project_id}/{job.id}.json"], f"{_where(job)}: {pulls}"
    pull = msgspec.json.decode(await bus.objects().get(pulls[0]) or b"", type=PullRecord)
    assert (pull.url, pull.draft, pull.marker) == (job.pr_url, True, marker(job.id))
    assert pull.commit == _git(origin, "rev-parse", ours[0]), "the pull request shows another commit than the branch"
    assert _git(origin, "rev-list", "--count", f"main..{ours[0]}") == "1"
    assert marker(job.id) in _git(origin, "log", "-1", "--format=%B", ours[0])


async def history_is_legal(bus: Bus, job: Job) -> None:
    """Every change was told once, in order; status and attempt only grow; phases only go on, back to the queue,
    or from the tests back to the agent."""

    async def told() -> list[JobEvent]:
        with _told_as_assertion():
            stored = await bus.page(subjects.JOBS, subjects.job_status(job.project_id, job.id), limit=1000)
        events = [decode(message.data, JobEvent) for message in stored]
        assert [event.n for event in events] == list(range(1, job.event_seq + 1)), f"{_where(job)}: told {len(events)}"
        return events

    events = await eventually(told, within=15)  # what a crash kept from being published comes with the reconciler
    ranks = [STATUSES.index(event.status if event.status in STATUSES else "ended") for event in events]
    assert ranks == sorted(ranks), [event.status for event in events]
    assert [event.status for event in events if event.status in TERMINAL] == [job.status]
    assert [event.attempt for event in events] == sorted(event.attempt for event in events)
    for before, after in pairwise(events):
        assert _may_follow(before, after), f"{_where(job)}: {before.phase} -> {after.phase} ({after.message})"


def _may_follow(before: JobEvent, after: JobEvent) -> bool:
    if after.phase in ("queued", "done"):
        return before.phase != "done"
    if after.attempt > before.attempt:
        return after.phase == "provisioning"
    if after.phase == "planning":
        return before.phase == "queued" and after.attempt == 0
    if (before.phase, after.phase) == ("verifying", "agent"):
        return True  # sent back with the failures of the tests
    order = IN_ATTEMPT.index
    return before.phase in IN_ATTEMPT and order(after.phase) >= order(before.phase)


async def log_is_whole(bus: Bus, job: Job, read: Sequence[tuple[int, LogChunk]]) -> None:
    """Lines of each attempt are numbered from 0 without a gap, and a reader that came back saw each chunk once."""
    stored: list[tuple[int, LogChunk]] = []
    async with aclosing(bus.follow(subjects.LOGS, [subjects.logs(job.project_id, job.id)])) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                break
            stored.append((item.sequence, decode(item.data, LogChunk)))
    expected: dict[int, int] = {}
    for _, chunk in stored:
        assert chunk.first == expected.get(chunk.attempt, 0), f"{_where(job)}: gap or repeat in {chunk.attempt}"
        expected[chunk.attempt] = chunk.first + len(chunk.lines)
    seen, there = [number for number, _ in read], [number for number, _ in stored]
    missed = sorted(set(there) - set(seen))
    told = f"{len(seen)} of {len(there)} chunks read, missed {missed[:5]}, last {there[-1:]}"
    assert seen == there, f"{_where(job)}: {told}"
    assert list(read) == stored
    if job.status == "success":
        last = [chunk for _, chunk in stored if chunk.attempt == job.attempt]
        assert last[-1].end, "the last attempt's log has no end"


async def nothing_is_left(bus: Bus, job: Job, data: Path, inside: Sequence[str]) -> None:
    """No sandbox or attempt folder, no process in a sandbox, no secret, no dead letter. ``inside``: processes found."""
    left = [*(data / "runs").glob("*"), *(data / "runner" / "attempts").glob("*")]
    assert left == [], left
    assert list(inside) == []
    with _told_as_assertion():
        assert await bus.state(subjects.KV_SECRETS, SealedSecret).get(subjects.key(job.id)) is None
        assert await bus.count(subjects.DEAD) == 0, "there are dead letters"


def never_written(text: str, folders: Sequence[Path]) -> None:
    """No file below ``folders`` holds ``text`` (a secret)."""
    needle = text.encode()
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]
    assert found == [], found


def _where(job: Job) -> str:
    reason = f": {job.failure.reason}" if job.failure else ""
    return f"job {job.id} {job.status}/{job.phase} attempt {job.attempt}{reason}"


def _branches(origin: Path) -> list[str]:
    """All but main; none when there is no such repository."""
    if not origin.exists():
        return []
    names = _git(origin, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    return sorted(name for name in names if name != "main")


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextlib.contextmanager
def _told_as_assertion() -> Iterator[None]:
    """A broker that is away right now is a condition that does not hold yet."""
    try:
        yield
    except BusError as error:
        raise AssertionError(str(error)) from error
