"""What a project may spend on its agents, and what it has spent. Pure.

The books are the records of jobs and plans: each holds what it used on which day (UTC), so whoever watches the records
knows every project's sums, after a restart too, and nobody has to keep them in step.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from schemas.base import Part, Timestamp
from schemas.jobs import Usage
from schemas.spending import Left, Spend

Period = Literal["day", "month"]
KEPT_DAYS = 62  # longer than any month that is still counted


class Budget(Part, frozen=True, kw_only=True):
    """A project's limits; None: none. A day and a month are those of UTC. Money is what known prices make of tokens."""

    tokens_day: int | None = None
    tokens_month: int | None = None
    usd_day: float | None = None
    usd_month: float | None = None


class Standing(Part, frozen=True, kw_only=True):
    """One period of a budget now. ``left`` is None where there is no limit."""

    period: Period
    refills_at: Timestamp
    tokens_spent: int
    tokens_limit: int | None
    tokens_left: int | None
    usd_spent: float
    usd_limit: float | None
    usd_left: float | None
    unpriced_tokens: int


def budget_of(fix: Any) -> Budget:
    """The budget in a project's settings (``settings.fix``); what does not fit counts as no limit."""
    try:
        return msgspec.convert((fix.get("budget") if isinstance(fix, dict) else None) or {}, Budget)
    except msgspec.ValidationError:
        return Budget()


def booked(spending: dict[str, Spend], before: Usage, after: Usage, now: datetime) -> dict[str, Spend]:
    """A job's books after its usage grew from ``before`` to ``after``; the growth is today's."""
    tokens = after.input_tokens + after.output_tokens - before.input_tokens - before.output_tokens
    usd, unpriced = after.cost_usd - before.cost_usd, after.unpriced_tokens - before.unpriced_tokens
    if tokens <= 0 and usd <= 0:
        return spending
    return charged(spending, Spend(tokens=max(tokens, 0), usd=max(usd, 0.0), unpriced=max(unpriced, 0)), now)


def charged(spending: dict[str, Spend], spend: Spend, now: datetime) -> dict[str, Spend]:
    """The books with so much more spent today."""
    day = now.astimezone(UTC).date().isoformat()
    held = spending.get(day, Spend())
    grown = Spend(tokens=held.tokens + spend.tokens, usd=held.usd + spend.usd, unpriced=held.unpriced + spend.unpriced)
    return {**spending, day: grown}


def recent(spending: dict[str, Spend], now: datetime) -> dict[str, Spend]:
    """Without the days that no period of a budget counts any more: for a record that lives as long as its project."""
    oldest = (now.astimezone(UTC).date() - timedelta(days=KEPT_DAYS)).isoformat()
    return {day: spend for day, spend in spending.items() if day >= oldest}


class Ledger:
    """The sums of all records by project and day, fed with them in any order and however often."""

    def __init__(self) -> None:
        self._records: dict[tuple[str, str], dict[str, Spend]] = {}
        self._days: dict[str, dict[str, Spend]] = defaultdict(dict)

    def put(self, project: str, record: str, spending: dict[str, Spend]) -> bool:
        """Take over the books of a job, or of a cluster's plans (``plans:<cluster>``); whether a sum changed. What was
        spent once stays spent."""
        if not spending:
            return False
        held = self._records.setdefault((project, record), {})
        changed = False
        for day, spend in spending.items():
            old = held.get(day, Spend())
            if spend.tokens > old.tokens or spend.usd > old.usd:
                held[day] = spend
                total = self._days[project].get(day, Spend())
                self._days[project][day] = _sum(total, spend, old)
                changed = True
        return changed

    def standing(self, project: str, budget: Budget, now: datetime) -> tuple[Standing, Standing]:
        """The day's and the month's."""
        today = now.astimezone(UTC).date()
        days = self._days.get(project, {})
        for old in [day for day in days if day < (today - timedelta(days=KEPT_DAYS)).isoformat()]:
            del days[old]
        month = [spend for day, spend in days.items() if day[:7] == today.isoformat()[:7]]
        return (
            _standing("day", [days[today.isoformat()]] if today.isoformat() in days else [], budget, now),
            _standing("month", month, budget, now),
        )

    def left(self, project: str, budget: Budget, now: datetime) -> Left | None:
        """What the project may still spend; None when it has no budget."""
        if budget == Budget():
            return None
        day, month = self.standing(project, budget, now)
        tokens = [one.tokens_left for one in (day, month) if one.tokens_left is not None]
        usd = [one.usd_left for one in (day, month) if one.usd_left is not None]
        spent = [one for one in (day, month) if is_spent(one)]
        until = (spent[-1] if spent else day).refills_at
        return Left(tokens=min(tokens, default=None), usd=min(usd, default=None), refills_at=until)


def is_spent(standing: Standing) -> bool:
    """Whether nothing is left of one of the limits."""
    return standing.tokens_left == 0 or standing.usd_left == 0


def refusal(left: Left | None) -> str | None:
    """Why nothing may be started, in words; None while there is something left."""
    if left is None or ((left.tokens is None or left.tokens > 0) and (left.usd is None or left.usd > 0)):
        return None
    return f"The project's budget is spent. It refills on {left.refills_at:%Y-%m-%d %H:%M} UTC."


def _sum(total: Spend, new: Spend, old: Spend) -> Spend:
    return Spend(
        tokens=total.tokens + new.tokens - old.tokens,
        usd=total.usd + new.usd - old.usd,
        unpriced=total.unpriced + new.unpriced - old.unpriced,
    )


def _standing(period: Period, spends: list[Spend], budget: Budget, now: datetime) -> Standing:
    tokens, usd = sum(one.tokens for one in spends), sum(one.usd for one in spends)
    tokens_limit = budget.tokens_day if period == "day" else budget.tokens_month
    usd_limit = budget.usd_day if period == "day" else budget.usd_month
    return Standing(
        period=period,
        refills_at=_next(period, now),
        tokens_spent=tokens,
        tokens_limit=tokens_limit,
        tokens_left=None if tokens_limit is None else max(tokens_limit - tokens, 0),
        usd_spent=round(usd, 6),
        usd_limit=usd_limit,
        usd_left=None if usd_limit is None else max(round(usd_limit - usd, 6), 0.0),
        unpriced_tokens=sum(one.unpriced for one in spends),
    )


def _next(period: Period, now: datetime) -> datetime:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day":
        return today + timedelta(days=1)
    return (today.replace(day=1) + timedelta(days=32)).replace(day=1)
