"""Bodies and queries of strangers."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway import reading
from services.gateway.problems import Problem
from services.gateway.shapes.fixes import PlanEdit
from services.gateway.shapes.house import NewKey

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.text(max_size=8), st.integers(-5, 5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=20,
)


def naive_depth(value: Any) -> int:
    """Counted by recursion."""
    if isinstance(value, dict):
        return 1 + max((naive_depth(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((naive_depth(item) for item in value), default=0)
    return 0


def refusal(work: Callable[[], object]) -> int | None:
    """The status of the problem that the work ends in, None when it ends well."""
    try:
        work()
    except Problem as problem:
        return problem.status
    return None


@given(JSON)
def test_depth_is_counted_right_whatever_the_texts_hold(value: Any) -> None:
    assert reading.depth(json.dumps(value).encode()) == naive_depth(value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_problem(data: bytes) -> None:
    assert refusal(lambda: reading.parse(data)) in (None, 400, 422)


@pytest.mark.parametrize("data", [b'"caf\xe9"', b'{"text":"\xff\xfe"}', b'{"\xc3":1}'])
def test_a_text_that_is_no_utf8_is_refused(data: bytes) -> None:
    assert refusal(lambda: reading.parse(data)) == 400


def test_half_an_emoji_becomes_a_replacement_character() -> None:
    assert reading.parse(b'{"a":"cut \\ud83d"}') == {"a": "cut \ufffd"}
    assert reading.parse(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_a_nul_is_named_by_its_path() -> None:
    assert reading.nul_field({"a": [{"b": "x"}, {"c": "\x00"}]}) == "a[1].c"
    assert reading.nul_field({"a": {"b\x00": 1}}) == "a"
    assert reading.nul_field({"a": ["fine", 1, None]}) is None


def test_a_nul_is_replaced_where_a_vendor_sends_what_a_program_held() -> None:
    data = b'{"a":[{"b\\u0000":"x\\u0000y"}],"n":1,"d":"\\u0000"}'
    assert refusal(lambda: reading.parse(data)) == 422
    assert reading.parse(data, nul=True) == {"a": [{"b\ufffd": "x\ufffdy"}], "n": 1, "d": "\ufffd"}


def test_a_wrong_field_is_named_and_its_value_not_repeated() -> None:
    with pytest.raises(Problem) as caught:
        reading.model(PlanEdit, {"hypotheses": [{"statement": "s", "confidence": "hunter2"}]})
    assert caught.value.errors[0]["field"] == "hypotheses[0].confidence"
    assert "hunter2" not in str(caught.value.document("r"))


def test_numbers_in_text_are_not_taken_in_bodies_and_are_in_queries() -> None:
    with pytest.raises(Problem):
        reading.model(NewKey, {"name": "n", "days": "5"})
    from services.gateway.shapes.base import Page

    assert reading.query(Page, {"limit": "5"}).limit == 5
    with pytest.raises(Problem):
        reading.query(Page, {"limit": "5001"})
