"""Ids and clocks."""

import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from runtime.clock import ManualClock, SystemClock
from runtime.ids import derived, new_id
from schemas.subjects import token

SHAPE = re.compile(r"^[0-9A-Z]{26}$")


def test_ids_are_unique_tokens_of_26_characters() -> None:
    found = {new_id() for _ in range(5000)}
    assert len(found) == 5000
    assert all(SHAPE.match(one) and token(one) == one for one in found)


def test_ids_made_later_sort_later() -> None:
    first = new_id()
    moment = first[:10]
    while new_id()[:10] == moment:
        pass
    assert new_id() > first


def test_a_prefix_comes_first() -> None:
    assert new_id("job-").startswith("job-")


@given(st.lists(st.text(max_size=20), max_size=5))
def test_derived_ids_are_the_same_for_the_same_parts(parts: list[str]) -> None:
    assert SHAPE.match(derived(*parts))
    assert derived(*parts) == derived(*parts)


@given(st.text(max_size=9), st.text(max_size=9), st.text(max_size=9))
def test_derived_ids_tell_where_one_part_ends(a: str, b: str, c: str) -> None:
    assert (derived(a, b + c) == derived(a + b, c)) == (b == "")


def test_the_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    clock.advance(90)
    assert clock.now() == datetime(2026, 1, 1, 0, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 90


def test_the_system_clock_is_aware_and_in_utc() -> None:
    clock = SystemClock()
    assert clock.now().utcoffset() is not None
    assert clock.monotonic() <= clock.monotonic()
