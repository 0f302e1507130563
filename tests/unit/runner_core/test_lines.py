"""Cutting bytes into lines."""

from hypothesis import given
from hypothesis import strategies as st

from runner_core.lines import Lines


def _text(pieces: list[tuple[str, bool]]) -> str:
    return "".join(text if partial else f"{text}\n" for text, partial in pieces)


@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r")), st.integers(1, 9), st.integers(8, 40)
)
def test_any_cutting_of_the_input_gives_the_same_text(text: str, size: int, longest: int) -> None:
    data = text.encode()
    lines = Lines(longest)
    pieces = [piece for start in range(0, len(data), size) for piece in lines.feed(data[start : start + size])]
    pieces += lines.flush()
    assert _text(pieces).rstrip("\n") == text.rstrip("\n")
    assert all(len(piece.encode()) <= longest for piece, _ in pieces)


def test_a_long_line_goes_on_in_partial_pieces_and_never_inside_a_character() -> None:
    lines = Lines(8)
    assert lines.feed("ééééééé\nx".encode()) == [("éééé", True), ("ééé", False)]
    assert lines.flush() == [("x", False)]


def test_a_hundred_megabytes_without_a_newline_hold_no_more_than_one_line() -> None:
    lines = Lines(1024)
    count = sum(len(lines.feed(b"x" * 65536)) for _ in range(160))
    assert count == 160 * 64 - 1


def test_a_carriage_return_before_the_newline_is_dropped_and_bad_bytes_are_shown() -> None:
    assert Lines().feed(b"ab\r\n\xff\n") == [("ab", False), ("\ufffd", False)]
