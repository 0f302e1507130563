"""Whatever a stranger sends is a report, Malformed or Filtered: nothing else, and always storable."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.base import decode, encode
from schemas.feedback import FeedbackItem
from sources import TABLE, Filtered, Malformed, parse
from sources.shape import MESSAGE
from tests.unit.sources import payloads

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
CASES = [(source, payload) for source, found in payloads.ALL.items() for payload in found]


def feed(source: str, payload: Any) -> None:
    try:
        found = TABLE[source].normalise(payload, project_id="p", received_at=NOW, settings={})
    except (Malformed, Filtered) as refusal:
        found, reason = [], str(refusal)
    else:
        reason = "stored"
    assert reason.strip(": ")
    for item in found:
        data = encode(item)
        assert len(data) <= MESSAGE
        assert b"\\u0000" not in data
        assert decode(data, FeedbackItem).id == item.id
        assert item.title


def paths(value: Any, prefix: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value inside a payload."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, child in entries for found in [(*prefix, key), *paths(child, (*prefix, key))]]


def replaced(payload: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    found = copy.deepcopy(payload)
    holder: Any = found
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = value
    return found


@pytest.mark.parametrize("source", sorted(TABLE))
@given(payload=JSON)
@settings(max_examples=60, deadline=None)
def test_any_json_is_handled(source: str, payload: Any) -> None:
    feed(source, payload)


@pytest.mark.parametrize(("source", "payload"), CASES)
@given(data=st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_one_field_may_be_anything(source: str, payload: dict[str, Any], data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(paths(payload)))
    feed(source, replaced(payload, path, data.draw(JSON)))


NASTY: list[Any] = [None, True, -1, 1e308, float("inf"), float("nan"), 10**400, "", "\x00", "\ud800", [], {}]
NASTY += [[[]], [None], {"": None}, "$(touch /tmp/x)`id`", "'; DROP TABLE feedback; --", "x" * 2_000_000]
NASTY += ["\U0001f600" * 400_000, '"\\' * 200_000, "a\n" * 50_000, "  at x (" * 9000, '  File "' * 9000]
NASTY += ["at " + "a in " * 13_000, "github.com/" * 6000, [["k"] * 3] * 500, {"a": {"b": [1] * 5000}}]


@pytest.mark.parametrize(("source", "payload"), CASES)
def test_every_field_survives_the_corpus_of_nasty_values(source: str, payload: dict[str, Any]) -> None:
    feed(source, payload)
    for path in paths(payload):
        for value in NASTY[:12] if len(path) > 3 else NASTY:
            feed(source, replaced(payload, path, value))


@pytest.mark.parametrize("depth", [65, 500, 100_000])
def test_a_payload_nested_too_deep_is_malformed(depth: int) -> None:
    with pytest.raises(Malformed, match="body"):
        parse(b'{"a":' * depth + b"1" + b"}" * depth)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe{}", b'{"a": NaN}', b"{}{}", b'"\\ud800"', "é".encode("latin-1"), b"\x00"]
)
def test_a_body_that_is_not_json_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed) as caught:
        parse(body)
    assert caught.value.field == "body"
