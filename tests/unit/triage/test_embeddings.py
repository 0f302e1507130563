"""What an embedding endpoint's answers are worth, how long it is left alone, and what it may cost."""

import contextlib
import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.triage.embeddings import (
    HOUR,
    MAX_DIMS,
    Budget,
    Failed,
    Memory,
    pause,
    pieces,
    read,
    refused,
    retry_after,
)
from tests.support.embedding_server import answer, vector_of

NOW = datetime(2026, 11, 23, 19, tzinfo=UTC)


def body(*vectors: Any, **changes: Any) -> bytes:
    data = [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)]
    return json.dumps({"object": "list", "data": data} | changes).encode()


def test_vectors_come_in_the_order_of_the_question_whatever_the_order_of_the_answer() -> None:
    texts = ["the cart is empty", "login fails", "tax is missing"]
    found = read(json.dumps(answer(texts)).encode(), 3)
    assert [list(vector) for vector in found if vector is not None] == [vector_of(text) for text in texts]
    assert all(vector is not None and vector.dtype == np.float32 for vector in found)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no list of embeddings"),
        (b"<html>Bad gateway</html>", "no list of embeddings"),
        (b'{"data": "none"}', "no list of embeddings"),
        (b"[" * 100_000, "no list of embeddings"),
        (b'{"data": [{"index": 0, "embedding": "AACAPw=="}]}', "no list of embeddings"),
        (b'{"data": [{"index": 0, "embedding": [NaN, 1.0]}]}', "no list of embeddings"),
        (b'{"data": [{"index": 0, "embedding": [null, 1.0]}]}', "no list of embeddings"),
        (b'{"data": [{"embedding": [0.5, 1.0]}]}', "no list of embeddings"),
        (body(), "0 vectors came for 1 texts"),
        (body([1.0, 2.0], [1.0, 2.0]), "2 vectors came for 1 texts"),
        (b'{"data": [{"index": 1, "embedding": [0.5, 1.0]}]}', "which text"),
        (b'{"data": [{"index": -1, "embedding": [0.5, 1.0]}]}', "which text"),
        (body([]), "not of one length"),
        (body([1.0]), "not of one length"),
        (body([0.0] * (MAX_DIMS + 1)), "not of one length"),
        (body([0.0, 0.0]), "no vector of the answer"),
        (body([1e300, 1.0]), "no vector of the answer"),
    ],
)
def test_an_answer_that_answers_something_else_is_none(data: bytes, reason: str) -> None:
    with pytest.raises(Failed, match=reason):
        read(data, 1)


def test_places_given_twice_and_lengths_that_differ_spoil_an_answer() -> None:
    twice = b'{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 0, "embedding": [1, 2]}]}'
    with pytest.raises(Failed, match="which text"):
        read(twice, 2)
    with pytest.raises(Failed, match="not of one length"):
        read(body([1.0, 2.0], [1.0, 2.0, 3.0]), 2)


def test_one_vector_that_is_no_direction_leaves_the_others() -> None:
    first, second, third = read(body([0, 0], [3, 4], [1e39, 1]), 3)
    assert first is None
    assert second is not None
    assert list(second) == [3.0, 4.0]
    assert third is None


@given(st.binary(max_size=200), st.integers(0, 3))
def test_no_bytes_do_worse_than_fail(data: bytes, count: int) -> None:
    with contextlib.suppress(Failed):
        assert len(read(data, count)) == count


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None), ("", None), ("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("nan", None), ("inf", None),
        ("Mon, 23 Nov 2026 19:00:30 GMT", 30.0), ("Mon, 23 Nov 2026 18:00:00 GMT", 0.0),
        ("Mon, 99 Nov 2026 18:00:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_the_pause_doubles_to_a_quarter_of_an_hour_and_a_servers_word_counts_up_to_an_hour() -> None:
    assert [pause(count, None) for count in (1, 2, 3, 7, 8, 5_000)] == [15, 30, 60, 900, 900, 900]
    assert pause(1, 120.0) == 120
    assert pause(3, 20.0) == 60
    assert pause(1, 1e9) == HOUR


def test_what_one_text_can_cause_is_worth_smaller_requests_and_what_it_cannot_is_not() -> None:
    statuses = (307, 400, 401, 404, 413, 422, 429, 500, 502, 503)
    assert [status for status in statuses if refused(status, "", 1.0).splits] == [400, 413, 422, 500]
    assert "redirects are not followed" in refused(308, "moved", None).reason
    assert len(refused(500, "x" * 10_000, None).reason) < 300


def test_the_budget_is_of_any_hour() -> None:
    budget = Budget(10)
    assert (budget.take(6, 0.0), budget.take(6, 100.0), budget.take(1, 200.0)) == (6, 4, 0)
    assert budget.renewed_in(200.0) == HOUR - 200
    assert budget.take(9, HOUR) == 6
    assert budget.take(9, HOUR + 100) == 4
    assert Budget(0).take(1, 0.0) == 0
    assert Budget(0).renewed_in(5.0) == HOUR


@given(st.integers(0, 50), st.lists(st.tuples(st.floats(0, 5_000), st.integers(0, 30)), max_size=40))
def test_no_hour_ever_holds_more_than_the_budget(per_hour: int, wishes: list[tuple[float, int]]) -> None:
    budget, granted, now = Budget(per_hour), [], 0.0
    for later, wanted in wishes:
        now += later
        granted.append((now, budget.take(wanted, now)))
    for start, _ in granted:
        assert sum(count for at, count in granted if start <= at < start + HOUR) <= per_hour


def test_the_texts_that_were_of_no_use_for_longest_are_forgotten() -> None:
    memory, vector = Memory(2), np.ones(3, dtype=np.float32)
    memory.put("a", vector)
    memory.put("b", vector)
    assert memory.get("a") is vector
    memory.put("c\ud800", vector)
    assert (memory.get("b"), memory.get("a") is vector, memory.get("c\ud800") is vector) == (None, True, True)


def test_pieces_hold_everything_once_in_order() -> None:
    assert [list(part) for part in pieces(range(5), 2)] == [[0, 1], [2, 3], [4]]
