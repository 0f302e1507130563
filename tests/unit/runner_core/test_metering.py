"""What a model call costs, and when it is too much."""

import json

import pytest

from runner_core.metering import Events, Meter, Prices, Tokens, estimate, usage_of

CHUNK = {"choices": [{"delta": {"content": "x"}}]}
USAGE = {
    "choices": [],
    "usage": {"prompt_tokens": 10, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 4}},
}


def test_cached_tokens_have_a_price_of_their_own() -> None:
    assert Prices(input=2.0, output=10.0, cached=0.5).cost(Tokens(1_000_000, 100_000, 400_000)) == pytest.approx(2.4)


def test_a_budget_ends_by_tokens_or_by_money() -> None:
    by_tokens = Meter(100, 0.0)
    assert (by_tokens.spent(), by_tokens.output_left()) == (None, 100)
    by_tokens.add(Tokens(90, 10))
    assert by_tokens.spent() == "100 of 100 tokens are spent"
    by_money = Meter(10**9, 1.0, Prices(input=0.0, output=1.0))
    by_money.add(Tokens(0, 600_000))
    assert by_money.output_left() == 400_000
    by_money.add(Tokens(0, 400_000))
    assert by_money.spent() == "$1.00 of $1.00 are spent"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_usage_is_read_from_a_stream_however_it_is_cut(size: int) -> None:
    data = (
        b": hello\n"
        + b"".join(b"data: " + json.dumps(e).encode() + b"\n\n" for e in (CHUNK, USAGE))
        + b"data: [DONE]\n\n"
    )
    events = Events()
    for start in range(0, len(data), size):
        events.feed(data[start : start + size])
    assert (events.seen, events.tokens) == ("completion", Tokens(10, 3, 4))


@pytest.mark.parametrize("data", [b"<html>\n", b"data: {\n\n", b'data: {"error": 1}\n\n', b"data: [1]\n\n"])
def test_what_is_no_completion_is_garbage(data: bytes) -> None:
    events = Events()
    events.feed(data)
    assert events.seen == "garbage"


@pytest.mark.parametrize("answer", [None, [], {"usage": 3}, {}, "x"])
def test_an_answer_without_usage_is_estimated_and_never_free(answer: object) -> None:
    assert usage_of(answer) is None
    assert estimate(0, 0) == Tokens(1, 1)
