"""A project's books: what was spent when, what is left, and when it refills."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.budgets import Budget, Ledger, booked, budget_of, charged, recent, refusal
from schemas.jobs import Usage
from schemas.spending import Spend

NOW = datetime(2026, 11, 30, 23, 50, tzinfo=UTC)


def used(tokens: int, usd: float = 0.0) -> Usage:
    return Usage(input_tokens=tokens, cost_usd=usd)


def test_growth_is_booked_on_the_day_it_is_told() -> None:
    books = booked({}, Usage(), used(100, 0.5), NOW)
    books = booked(books, used(100, 0.5), used(160, 0.75), NOW + timedelta(minutes=20))
    assert books == {"2026-11-30": Spend(tokens=100, usd=0.5), "2026-12-01": Spend(tokens=60, usd=0.25)}


def test_books_that_live_long_forget_the_days_that_no_budget_counts_any_more() -> None:
    books = charged({"2026-09-28": Spend(tokens=9), "2026-09-29": Spend(tokens=7)}, Spend(tokens=5, usd=0.5), NOW)
    books = charged(books, Spend(tokens=1, unpriced=1), NOW)
    assert recent(books, NOW) == {"2026-09-29": Spend(tokens=7), "2026-11-30": Spend(tokens=6, usd=0.5, unpriced=1)}


def test_what_was_told_before_books_nothing() -> None:
    books = booked({}, Usage(), used(100), NOW)
    assert booked(books, used(100), used(100), NOW) is books
    assert booked(books, used(100), used(40), NOW) is books, "a runner that forgot what it had told"


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1000)), max_size=30), st.randoms())
def test_the_sum_is_the_same_in_any_order_and_however_often(told: list[tuple[str, int]], random: Any) -> None:
    highest = {job: max(tokens for name, tokens in told if name == job) for job, _ in told}
    ledger, again = Ledger(), [*told, *told]
    random.shuffle(again)
    for job, tokens in again:
        ledger.put("p", job, {"2026-11-30": Spend(tokens=tokens)})
    assert ledger.standing("p", Budget(), NOW)[0].tokens_spent == sum(highest.values())


def test_a_day_and_a_month_are_counted_apart_and_refill_apart() -> None:
    ledger = Ledger()
    ledger.put("p", "j", {"2026-11-29": Spend(tokens=70, usd=1.0), "2026-11-30": Spend(tokens=40, unpriced=40)})
    ledger.put("p", "k", {"2026-10-31": Spend(tokens=500)})
    ledger.put("other", "j", {"2026-11-30": Spend(tokens=999)})
    day, month = ledger.standing("p", Budget(tokens_day=50, usd_month=3.0), NOW)
    assert (day.tokens_spent, day.tokens_left, day.unpriced_tokens, day.usd_left) == (40, 10, 40, None)
    assert (month.tokens_spent, month.tokens_left, month.usd_spent, month.usd_left) == (110, None, 1.0, 2.0)
    assert (day.refills_at, month.refills_at) == (datetime(2026, 12, 1, tzinfo=UTC),) * 2


@pytest.mark.parametrize(
    ("budget", "refills"),
    [
        (Budget(), None),
        (Budget(tokens_day=101, usd_day=1.01), None),
        (Budget(tokens_day=100), "2026-11-15"),
        (Budget(usd_day=1.0), "2026-11-15"),
        (Budget(tokens_month=100), "2026-12-01"),
        (Budget(tokens_day=100, usd_month=0.5), "2026-12-01"),
        (Budget(tokens_day=0), "2026-11-15"),
    ],
)
def test_a_spent_budget_says_when_it_refills(budget: Budget, refills: str | None) -> None:
    ledger = Ledger()
    ledger.put("p", "j", {"2026-11-14": Spend(tokens=100, usd=1.0)})
    told = refusal(ledger.left("p", budget, datetime(2026, 11, 14, 12, tzinfo=UTC)))
    assert told == (f"The project's budget is spent. It refills on {refills} 00:00 UTC." if refills else None)


@pytest.mark.parametrize("stored", [None, {}, {"budget": None}, {"budget": {"tokens_day": "many"}}, {"budget": 3}])
def test_what_is_no_budget_limits_nothing(stored: Any) -> None:
    assert budget_of(stored) == Budget()
