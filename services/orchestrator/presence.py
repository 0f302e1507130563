"""Which runners are alive and how many slots they have, by what was seen of them. Pure.

An instance counts as alive for ``TTL`` seconds after it was last *seen* here, by our own monotonic clock: neither its
wall clock nor the bucket's deletion markers are needed.
"""

from typing import Final

from schemas.runners import RunnerInfo
from services.orchestrator.model.events import Wait

TTL: Final = 30.0


class Presence:
    """The live instances of every runner id."""

    def __init__(self, known: list[str]) -> None:
        self._known = set(known)
        self._seen: dict[str, tuple[RunnerInfo, float]] = {}

    def put(self, key: str, info: RunnerInfo | None, at: float) -> None:
        """Take over a watched entry; None when the instance left."""
        if info is None:
            self._seen.pop(key, None)
            return
        self._known.add(info.runner)
        self._seen[key] = (info, at)

    def knows(self, runner: str) -> bool:
        """Whether the id is configured or was ever seen alive."""
        return runner in self._known

    def slots(self, runner: str, at: float) -> int:
        """Slots of all live instances that can work."""
        return sum(info.slots for info in self._alive(runner, at) if info.problem is None)

    def why_none(self, runner: str, at: float) -> Wait | None:
        """Why no slot can come free by itself; None when there are slots and they are only taken."""
        alive = self._alive(runner, at)
        if not alive:
            action = f"Start one: GET /runners lists those alive, `soulcaster doctor` says what {runner} needs."
            return Wait(f"no runner called {runner} is alive", action)
        problems = [info.problem for info in alive if info.problem is not None]
        if len(problems) < len(alive):
            return None
        return Wait(
            f"{runner} cannot work: {problems[0]}", "Repair the runner; the job then goes on by itself.", fatal=True
        )

    def _alive(self, runner: str, at: float) -> list[RunnerInfo]:
        return [info for info, seen in self._seen.values() if info.runner == runner and at - seen < TTL]
