"""Names of failing tests in what test runners print."""

import pytest

from runner_core.failing import LONGEST, MOST, FailingTests


def names(output: str, size: int = 7) -> list[str]:
    reader, data = FailingTests(), output.encode()
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    return sorted(reader.close())


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param(
            "FAILED tests/test_a.py::test_one[a b] - AssertionError: assert 1\nERROR tests/test_b.py - ImportError\n",
            ["tests/test_a.py::test_one[a b]", "tests/test_b.py"],
            id="pytest",
        ),
        pytest.param("FAIL: test_adds (tests.test_p.Total.test_adds)\n", ["test_adds (tests.test_p.Total.test_adds)"]),
        pytest.param("    --- FAIL: TestAdd/two (0.00s)\nFAIL\tshop\t0.01s\n", ["TestAdd/two"], id="go"),
        pytest.param("test shop::adds ... FAILED\ntest other ... ok\n", ["shop::adds"], id="cargo"),
        pytest.param("ok 1 - fine\nnot ok 2 - adds\nnot ok 3 - later # TODO\n", ["adds"], id="tap"),
        pytest.param("  \x1b[31m● Total › adds\x1b[0m\n", ["Total › adds"], id="jest, coloured"),
        pytest.param(" FAIL  src/p.test.ts > total > adds 12ms\n", ["src/p.test.ts > total > adds"], id="vitest"),
        pytest.param("rspec ./spec/p_spec.rb:12 # adds\n", ["./spec/p_spec.rb:12"], id="rspec"),
        pytest.param("all is well\nFAILED (failures=1)\n", [], id="no names"),
        pytest.param("FAILED tests/a.py::b", ["tests/a.py::b"], id="no newline at the end"),
    ],
)
def test_each_runner_s_failures_are_read_wherever_the_output_is_cut(output: str, expected: list[str]) -> None:
    assert names(output) == expected


def test_neither_a_flood_of_names_nor_an_endless_line_is_kept() -> None:
    assert len(names("".join(f"FAILED t.py::n{n}\n" for n in range(3 * MOST)), 4096)) == MOST
    assert names("FAILED " + "x" * (10 * LONGEST), 4096) == []
