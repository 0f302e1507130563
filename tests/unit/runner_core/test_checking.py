"""What two runs of the test command say together."""

import pytest

from runner_core.checking import judge, tail
from schemas.jobs import Check


def check(on: str, code: int | None, output: str = "") -> Check:
    return Check(command="make test", on=on, exit_code=code, passed=code == 0, seconds=1.0, output_tail=output)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("base", "patch", "verdict"),
    [
        (1, 0, "reproduced"),
        (0, 0, "unreproduced"),
        (0, 1, "regressed"),
        (1, 1, "still_failing"),
        (None, None, "still_failing"),
        (127, 127, "not_run"),
        (127, 126, "not_run"),
        (127, 1, "still_failing"),
    ],
)
def test_each_pair_of_exits_has_its_verdict(base: int | None, patch: int | None, verdict: str) -> None:
    found = judge(check("base", base), check("patch", patch), "")
    assert found.verdict == verdict
    assert found.reason
    assert [c.on for c in found.checks] == ["base", "patch"]


@pytest.mark.parametrize(
    "said", ["/usr/bin/python3: No module named pytest", "sh: 1: tox: not found", "make: uv: command not found"]
)
def test_a_tool_that_the_sandbox_lacks_says_nothing_about_the_patch(said: str) -> None:
    assert judge(check("base", 1, said), check("patch", 1, said), "").verdict == "not_run"
    assert judge(check("base", 1, said), check("patch", 1, "assert 1 == 2"), "").verdict == "still_failing"


def test_a_failed_set_up_excuses_only_what_fails_in_both() -> None:
    assert judge(check("base", 1), check("patch", 1), "pip failed").verdict == "not_run"
    assert judge(check("base", 1), check("patch", 0), "pip failed").verdict == "reproduced"
    assert judge(check("base", 0), check("patch", 1), "pip failed").verdict == "regressed"


def test_the_tail_begins_with_a_line() -> None:
    assert tail("first\nab\nthird text", 14) == "ab\nthird text"
    assert tail("short", 12) == "short"
