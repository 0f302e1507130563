"""Which waiting job gets the next slot: the project that holds the fewest, then the job that waits longest.

Pure and in memory; every replica keeps its own from the watched bucket. Picking costs a look at each project, whatever
the number of waiting jobs.
"""

import heapq
from collections import Counter
from datetime import datetime
from itertools import islice
from typing import NamedTuple


class Waiting(NamedTuple):
    """A job in the queue; ordered by age."""

    since: datetime
    key: str
    project: str
    runner: str


class FairQueue:
    """Waiting jobs by runner and project, and how many slots each project and runner holds."""

    def __init__(self) -> None:
        self._queued: dict[str, Waiting] = {}
        self._heaps: dict[str, dict[str, list[Waiting]]] = {}
        self._holding: dict[str, tuple[str, str]] = {}
        self.by_project: Counter[str] = Counter()
        self.by_runner: Counter[str] = Counter()

    def wait(self, item: Waiting) -> None:
        """Put a job into the queue; the same job again is one job."""
        self.leave(item.key)
        self._queued[item.key] = item
        heapq.heappush(self._heaps.setdefault(item.runner, {}).setdefault(item.project, []), item)

    def hold(self, key: str, project: str, runner: str) -> None:
        """Count a slot as taken by a job."""
        self.leave(key)
        self._holding[key] = (project, runner)
        self.by_project[project] += 1
        self.by_runner[runner] += 1

    def leave(self, key: str) -> None:
        """The job neither waits nor holds a slot any more."""
        self._queued.pop(key, None)
        held = self._holding.pop(key, None)
        if held is not None:
            self.by_project[held[0]] -= 1
            self.by_runner[held[1]] -= 1

    def runners(self) -> list[str]:
        """Runners that somebody waits for."""
        return [runner for runner in list(self._heaps) if self._projects(runner)]

    def waiting_for(self, runner: str, limit: int) -> list[str]:
        """Keys of up to ``limit`` jobs that wait for a runner, in no order."""
        return list(islice((item.key for item in self._queued.values() if item.runner == runner), limit))

    def pick(self, runner: str, limits: dict[str, int], default: int) -> Waiting | None:
        """The next job for a free slot of ``runner``; None when all who wait are at their project's limit."""
        best: tuple[int, Waiting] | None = None
        for project, heap in self._projects(runner).items():
            held = self.by_project[project]
            if held < limits.get(project, default) and (best is None or (held, heap[0]) < best):
                best = (held, heap[0])
        return best[1] if best is not None else None

    def _projects(self, runner: str) -> dict[str, list[Waiting]]:
        """The runner's non-empty heaps, each with a job that still waits on top."""
        heaps = self._heaps.get(runner, {})
        for project in list(heaps):
            heap = heaps[project]
            while heap and self._queued.get(heap[0].key) is not heap[0]:
                heapq.heappop(heap)
            if not heap:
                del heaps[project]
        if not heaps:
            self._heaps.pop(runner, None)
        return heaps
