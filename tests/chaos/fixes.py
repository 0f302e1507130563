"""A fix under way in a stack: watched, read along, and judged at its end."""

import asyncio
from contextlib import aclosing
from pathlib import Path

from msgspec import structs

from messaging.ports import CaughtUp
from schemas import subjects
from schemas.jobs import TERMINAL, Job
from tests.support import invariants
from tests.support.eventually import eventually
from tests.support.log_reader import LogReader
from tests.support.stack import PROJECT, Stack, inside

PHASES = ("queued", "planning", "provisioning", "checkout", "agent", "verifying", "gating", "publishing")


class Fix:
    """One job in a repository of its own; its log is read from the first moment on."""

    def __init__(self, at: Stack, name: str, job_id: str, origin: Path, within: float) -> None:
        self.at, self.name, self.job_id, self.origin, self.within = at, name, job_id, origin, within
        assert at.session is not None
        self.reader = LogReader(at.session, f"{at.url}/jobs/{job_id}/logs/stream", at.headers)
        self._reading = asyncio.create_task(self.reader.read(within))

    async def reached(self, phase: str) -> Job:
        """The record as soon as the job is in this phase or past it."""
        wanted = PHASES.index(phase)
        state, key = self.at.bus.state(subjects.KV_JOBS, Job), subjects.key(PROJECT, self.job_id)
        async with asyncio.timeout(self.within), aclosing(state.watch(key)) as changes:
            async for change in changes:
                if isinstance(change, CaughtUp) or change.value is None:
                    continue
                job = change.value
                planned = job.plan is not None and wanted <= PHASES.index("planning")
                if job.status in TERMINAL or planned or PHASES.index(job.phase) >= wanted:
                    return job
        raise AssertionError("the watch ended")

    async def attempt_of(self, number: int) -> Job:
        """The record once a runner has claimed this attempt."""
        state, key = self.at.bus.state(subjects.KV_JOBS, Job), subjects.key(PROJECT, self.job_id)

        async def check() -> Job:
            entry = await state.get(key)
            assert entry is not None
            assert entry.value is not None
            assert entry.value.claimed, entry.value.phase
            assert entry.value.attempt >= number, entry.value.attempt
            return entry.value

        return await eventually(check, self.within)

    async def judged(self) -> Job:
        """The ended job, after every promise was checked on it."""
        job = await invariants.ended(self.at.bus, PROJECT, self.job_id, self.within)
        await self._reading
        assert self.reader.ended == {} or (self.reader.ended or {}).get("status") == job.status
        await invariants.published_once_or_never(self.at.bus, job, self.origin)
        await invariants.history_is_legal(self.at.bus, job)
        await invariants.log_is_whole(self.at.bus, job, self.reader.chunks)
        return structs.replace(job, outbox=[])  # emptied later, by whoever comes by

    async def judged_again(self) -> Job:
        """After something that should have been dead came back: late lines may have come, and nothing else."""
        await self.reader.read_on(self.within)
        return await self.judged()

    async def left_nothing(self, job: Job) -> None:
        """Once nothing else runs in the stack."""

        async def check() -> None:
            await invariants.nothing_is_left(self.at.bus, job, self.at.data, inside(self.at))

        await eventually(check, within=20)


async def start(at: Stack, cluster: str, name: str, *, within: float = 90.0, token: str = "") -> Fix:
    """Ask the gateway for a fix of ``cluster`` in a fresh repository."""
    origin = at.repository(name)
    headers = {"X-GitHub-Token": token} if token else {}
    path = f"/clusters/{cluster}/start_fix"
    body = {"repo_url": str(origin), "force": True}  # the cluster has open pull requests of earlier fixes
    status, answer = await at.ask("POST", path, json=body, headers=headers)
    assert status == 200, answer
    return Fix(at, name, answer["job_id"], origin, within)
