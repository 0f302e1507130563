"""What a model call costs, and when it is too much."""

import json
from datetime import UTC, datetime

import pytest

from runner_core.metering import Events, Meter, Prices, Spent, Tokens, affordable, estimate, prices_of, usage_of
from schemas.jobs import Usage
from schemas.spending import Left

REFILLS = datetime(2026, 11, 24, tzinfo=UTC)
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
    assert by_tokens.spent() == Spent("job", "100 of 100 tokens are spent")
    by_money = Meter(10**9, 1.0, Prices(input=0.0, output=1.0, cached=0.0))
    by_money.add(Tokens(0, 600_000))
    assert by_money.output_left() == 400_000
    by_money.add(Tokens(0, 400_000))
    assert by_money.spent() == Spent("job", "$1.00 of $1.00 are spent")


def test_what_earlier_attempts_used_counts() -> None:
    meter = Meter(100, 0.0, None, input_tokens=60, output_tokens=30)
    assert meter.output_left() == 10
    meter.add(Tokens(9, 1))
    assert meter.spent() is not None


def test_without_a_price_tokens_are_counted_and_named_as_unpriced() -> None:
    meter = Meter(1_000, 1.0)
    meter.add(Tokens(90, 10))
    assert (meter.cost_usd, meter.unpriced_tokens, meter.output_left()) == (0.0, 100, 900)


def test_the_projects_budget_ends_a_job_that_has_its_own_left() -> None:
    meter = Meter(10**9, 0.0, Prices(input=1.0, output=1.0, cached=1.0))
    meter.add(Tokens(400, 100))
    told = Usage(input_tokens=400, output_tokens=100, cost_usd=0.0005)
    meter.allow(Left(tokens=50, refills_at=REFILLS), told)
    assert (meter.spent(), meter.output_left()) == (None, 50)
    meter.add(Tokens(40, 10))
    assert meter.spent() == Spent("project", "it refills on 2026-11-24 00:00 UTC")
    meter.allow(Left(usd=0.000001, refills_at=REFILLS), told)
    assert meter.spent() is not None, "what was used since it was told is the job's own"
    meter.allow(None, told)
    assert meter.spent() is None


def test_prices_are_read_by_name() -> None:
    table = ["gpt-x=1.25/10/0.125", "org/llama:8b=0/0", "a=b=3/15"]
    assert prices_of(table, "gpt-x") == Prices(1.25, 10.0, 0.125)
    assert prices_of(table, "org/llama:8b") == Prices(0.0, 0.0, 0.0)
    assert prices_of(table, "a=b") == Prices(3.0, 15.0, 3.0)
    assert prices_of(table, "gpt-y") is None


@pytest.mark.parametrize("entry", ["gpt", "gpt=1", "gpt=1/2/3/4", "=1/2", "gpt=a/b", "gpt=-1/2", "gpt=nan/1"])
def test_a_price_that_does_not_fit_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="is not model=input/output"):
        prices_of([entry], "gpt")


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


@pytest.mark.parametrize(
    ("tokens", "usd", "prices", "expected"),
    [
        (None, None, Prices(1, 10, 1), None),
        (500, None, None, 500),
        (None, 0.5, None, None),
        (None, 0.5, Prices(1, 10, 1), 50_000),
        (500, 0.5, Prices(1, 10, 1), 500),
        (None, 0.0, Prices(1, 10, 1), 0),
        (None, 0.5, Prices(0, 0, 0), None),
    ],
)
def test_a_budget_pays_for_so_many_tokens(
    tokens: int | None, usd: float | None, prices: Prices | None, expected: int | None
) -> None:
    assert affordable(Left(tokens=tokens, usd=usd, refills_at=REFILLS), prices) == expected
    assert affordable(None, prices) is None
