"""Cleaning, traces, descriptions."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.triage.engine.describe import Evidence, describe
from services.triage.engine.grow import counted, distinct, pieces, spans
from services.triage.engine.text import Boilerplate, plain, token_parts
from services.triage.engine.trace import errors_in, frame_name, split_body


def test_time_stamps_and_addresses_are_no_words() -> None:
    assert plain("at 2024-05-06 10:11:12.123 in 0xdeadbeef99 ok").split() == ["at", "in", "ok"]


@pytest.mark.parametrize(
    ("token", "stems", "ident"),
    [
        ("loading", ("load",), None),
        ("NullPointerException", ("null", "pointer", "except"), "nullpointerexception"),
        ("parse_header", ("pars", "header"), "parse_header"),
        ("ERR_042", ("err", "042"), "err_042"),
    ],
)
def test_tokens_are_taken_apart(token: str, stems: tuple[str, ...], ident: str | None) -> None:
    assert token_parts(token) == (stems, ident)


def test_a_line_many_reports_carry_is_dropped_and_a_deleted_report_gives_it_back() -> None:
    filter_ = Boilerplate()
    keys: list[int] = []
    for number in range(8):
        kept, keys = filter_.filter(f"Version 1.2.{number} of the product\nown words {'abcdefgh'[number] * 5}")
        filter_.learn(sorted(set(keys)))
    assert "Version" in kept
    assert filter_.filter("Version 9.9.9 of the product\nnews")[0] == "news"
    filter_.unlearn(sorted(set(keys)))
    assert "Version" in filter_.filter("Version 9.9.9 of the product\nnews")[0]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("    at org.a.Block.read(Block.java:12)", "org.a.Block.read"),
        ("  at Acme.Ui.Pad.Close (Boolean force) [0x00000] in /b/Pad.cs:44", "Acme.Ui.Pad.Close"),
        ('  File "/srv/app/views.py", line 10, in checkout', "views.checkout"),
        ("    at render (https://x.test/a.js:1:22)", "render"),
        ("#3  0x00007f12 in g_main_loop_run () from lib.so", "g_main_loop_run"),
        ("app/models/cart.rb:33:in `total'", "cart.total"),
        ("The button does nothing", None),
    ],
)
def test_frames_of_many_languages_are_read(line: str, name: str | None) -> None:
    assert frame_name(line) == name


def test_a_trace_inside_a_body_is_moved_out() -> None:
    body = "It broke.\n" + "\n".join(f"  at a.b.C.m{n}(C.java:{n})" for n in "xyz") + "\nPlease help."
    prose, trace = split_body(body)
    assert prose == "It broke.\nPlease help."
    assert trace.count("at a.b.C") == 3


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("java.io.IOException: x, then SIGSEGV", ("IOException", "SIGSEGV")),
        ("java.lang.RuntimeException:java.io.IOException", ("IOException",)),
        ("AssertionError::why, then Foo.BarError.", ("AssertionError", "BarError")),
        ("ENOENT in reExceptionE, EXC_BAD_ACCESS", ("ENOENT", "EXC_BAD_ACCESS")),
        ("an error, a Failures list, aSIGSEGV", ()),
    ],
)
def test_error_names_lose_their_package(text: str, names: tuple[str, ...]) -> None:
    assert errors_in(text) == names


@pytest.mark.parametrize(
    "noise",
    [
        "2024-01-02T10:20:30.5Z", "2024/1/2", "10:20:30,123", "0x7f12ab", "deadbeef-0000-4000-8000-abcdefabcdef",
        "1a2b3c4d5e6f", "a1b2c3d4e5f60718293a4b5c6d7e8f90",
    ],
)  # fmt: skip
def test_time_stamps_and_addresses_go(noise: str) -> None:
    assert plain(f"before {noise} after").split() == ["before", "after"]


@pytest.mark.parametrize("word", ["deadbeefcafe", "123456789012", "1.2.3", "x1a2b3c4d5e6f", "10:20", "0x12", "facade"])
def test_words_numbers_and_versions_stay(word: str) -> None:
    assert plain(f"before {word} after").split() == ["before", word, "after"]


@given(st.lists(st.integers(0, 9)))
def test_counting_values_agrees_with_numpy(numbers: list[int]) -> None:
    values = np.array(numbers, dtype=np.uint64)
    once, counts = np.unique(values, return_counts=True)
    found, times = counted(values)
    assert found.tolist() == distinct(values).tolist() == once.tolist()
    assert times.tolist() == counts.tolist()


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9))))
def test_pieces_are_the_rows_of_their_spans(asked: list[tuple[int, int]]) -> None:
    starts, lengths = np.array(asked, dtype=np.int64).reshape(-1, 2).T
    pool = np.arange(30) * 3
    assert pieces(pool, starts, lengths).tolist() == pool[spans(starts, lengths)].tolist()


def test_a_description_says_what_for_whom_since_when_and_how_often() -> None:
    items = [
        Evidence(
            id=str(n), source="sentry" if n else "github", title="Checkout fails for guests",
            body="Paying as a guest ends with an error page instead of the receipt.",
            created_at=datetime(2026, 4, 1 + n, tzinfo=UTC), environment="production", release="4.2",
            user=f"u{n % 2}",
        )
        for n in range(3)
    ]  # fmt: skip
    found = describe(items)
    assert found.title == "Checkout fails for guests"
    assert found.severity == "high"
    for part in ("guest ends with an error page", "2 users affected", "production", "4.2", "2026-04-01", "3 reports"):
        assert part in found.summary
    assert "checkout" in {term.lower() for term in found.facts.terms}


def test_the_source_s_own_level_decides_severity() -> None:
    assert describe([Evidence(id="a", title="Crash", level="info")]).severity == "low"
    assert describe([Evidence(id="a", title="hm", level="fatal")]).severity == "critical"


def test_a_cluster_without_reports_is_refused() -> None:
    with pytest.raises(ValueError, match="without reports"):
        describe([])
