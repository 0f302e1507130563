"""What a deleted project leaves in the broker, beyond what triage has removed: jobs, plans, logs, files, answers."""

import asyncio
from contextlib import aclosing
from typing import Final

from messaging import dead
from messaging.ports import Bus, CaughtUp
from schemas import subjects
from services.gateway.handlers.ops import project_in

# Whole messages are removed, also from the streams below the buckets of other services: nobody writes to them any more
# (a project with running jobs is not deleted), and a deletion marker would keep the project's name.
_STREAMS: Final = (
    (subjects.JOBS, "jobs.{project}.*.*"),
    (subjects.LOGS, "logs.{project}.*"),
    (f"KV_{subjects.KV_JOBS}", "$KV.jobs.{project}.*"),
    (f"KV_{subjects.KV_PLANS}", "$KV.plans.{project}.*"),
    (f"KV_{subjects.KV_PROJECTS}", "$KV.projects.*.{project}.>"),  # fix.<project>.<cluster>, idem.<project>.<hash>
)
AT_ONCE: Final = 64


async def erase(bus: Bus, project_id: str) -> int:
    """How many messages and files (``<folder>/<project>/...``) were removed. Safe to repeat after a failure."""
    gone = 0
    for stream, pattern in _STREAMS:
        gone += await _remove(bus, stream, pattern.format(project=subjects.token(project_id)))
    for sequence in await _letters(bus, project_id):
        await bus.remove(subjects.DEAD, sequence, erase=True)
        gone += 1
    objects = bus.objects()
    files = [name for name in await objects.names() if name.split("/")[1:2] == [project_id]]
    for start in range(0, len(files), AT_ONCE):
        await asyncio.gather(*(objects.delete(name) for name in files[start : start + AT_ONCE]))
    return gone + len(files)


async def _remove(bus: Bus, stream: str, subject: str) -> int:
    found: list[int] = []
    async with aclosing(bus.follow(stream, [subject])) as stored:
        async for message in stored:
            if isinstance(message, CaughtUp):
                break
            found.append(message.sequence)
    for start in range(0, len(found), AT_ONCE):
        part = found[start : start + AT_ONCE]
        await asyncio.gather(*(bus.remove(stream, sequence, erase=True) for sequence in part))
    return len(found)


async def _letters(bus: Bus, project_id: str) -> list[int]:
    found: list[int] = []
    after = 0
    while page := await dead.list(bus, after=after):
        found += [sequence for sequence, letter in page if project_in(letter.subject) == project_id]
        after = page[-1][0]
    return found
