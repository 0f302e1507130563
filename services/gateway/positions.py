"""The event id of a whole project: how far each stream was read, as ``j12-c40-p7``. Pure."""

import re
from dataclasses import dataclass, replace
from typing import Final, Self

_ID: Final = re.compile(r"^j(\d{1,19})-c(\d{1,19})-p(\d{1,19})\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Position:
    """Sequences of JOBS and CLUSTERS, revision of the bucket ``plans``."""

    jobs: int = 0
    clusters: int = 0
    plans: int = 0

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """A position from its text, None when it is not one."""
        found = _ID.match(text)
        if found is None:
            return None
        jobs, clusters, plans = (min(int(part), 2**63 - 1) for part in found.groups())
        return cls(jobs, clusters, plans)

    def at(self, *, jobs: int | None = None, clusters: int | None = None, plans: int | None = None) -> Self:
        """Moved on in one of them; never back."""
        return replace(
            self,
            jobs=max(self.jobs, jobs or 0),
            clusters=max(self.clusters, clusters or 0),
            plans=max(self.plans, plans or 0),
        )

    def __str__(self) -> str:
        return f"j{self.jobs}-c{self.clusters}-p{self.plans}"
