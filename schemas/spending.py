"""What models cost a project: a day's sum, and what is left of a budget."""

from schemas.base import Part, Timestamp


class Spend(Part, frozen=True, kw_only=True):
    """What a job, or a cluster's plans, used on one day. ``unpriced`` tokens are in ``tokens`` and not in ``usd``."""

    tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0


class Left(Part, frozen=True, kw_only=True):
    """What a project may still spend; None: no limit. ``refills_at``: when that is more again."""

    tokens: int | None = None
    usd: float | None = None
    refills_at: Timestamp
