"""Known secrets do not leave, however they are spelt and wherever the stream is cut."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_core.masking import Masker, Needles

SECRET = 'sk-live/Ab+9="quoted"-0123456789'
NEEDLES = Needles({"key": SECRET})


@pytest.mark.parametrize(
    "spelt",
    [
        SECRET,
        json.dumps({"k": SECRET}),
        quote(SECRET, safe=""),
        SECRET[::-1],
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        *(base64.b64encode(b"x" * shift + SECRET.encode() + b"tail").decode() for shift in range(3)),
        base64.urlsafe_b64encode(SECRET.encode()).decode(),
    ],
)
def test_a_secret_is_found_in_each_of_its_spellings(spelt: str) -> None:
    assert "[redacted:key]" in NEEDLES.mask(f"before {spelt} after")
    assert SECRET not in NEEDLES.mask(f"before {spelt} after")


@given(st.integers(1, 40), st.binary(max_size=50).filter(lambda b: b"sk" not in b), st.integers(1, 3))
def test_no_cut_of_the_stream_lets_a_secret_through(size: int, around: bytes, times: int) -> None:
    data = around + (SECRET.encode() + around) * times
    masker = Masker(NEEDLES)
    out = b"".join(masker.feed(data[start : start + size]) for start in range(0, len(data), size)) + masker.flush()
    assert out == data.replace(SECRET.encode(), b"[redacted:key]")


def test_text_without_secrets_passes_at_once() -> None:
    assert Masker(NEEDLES).feed(b"plain text\n") == b"plain text\n"
    assert Masker(Needles({})).feed(b"anything") == b"anything"


def test_lone_surrogates_do_not_break_masking() -> None:
    assert NEEDLES.mask(f"\ud800 {SECRET}") == "? [redacted:key]"


def test_short_words_are_no_secrets() -> None:
    assert Needles({"key": "none"}).mask("none of it") == "none of it"
