"""What the runs of the test command say together."""

import pytest

from runner_core.checking import Runs, judge, tail, twice
from schemas.jobs import Check, Verification


def check(
    on: str, code: int | None, output: str = "", *, failing: list[str] | None = None, with_tests: bool = False
) -> Check:
    return Check(
        command="make test",
        on=on,  # type: ignore[arg-type]
        exit_code=code,
        passed=code == 0,
        seconds=1.0,
        output_tail=output,
        failing=failing or [],
        with_tests=with_tests,
    )


def judged(base: Check, patch: Check, tests: Check | None = None, troubled: str = "") -> Verification:
    return judge(Runs(base, tests, patch, ("tests/test_new.py",) if tests else (), troubled))


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
    found = judged(check("base", base), check("patch", patch))
    assert found.verdict == verdict
    assert found.reason
    assert [c.on for c in found.checks] == ["base", "patch"]


def test_the_patch_s_own_test_shows_the_defect_when_it_fails_on_the_base_commit() -> None:
    own = check("base", 1, failing=["test_new"], with_tests=True)
    found = judged(check("base", 0), check("patch", 0), own)
    assert (found.verdict, found.tests) == ("reproduced", ["tests/test_new.py"])
    assert "test_new" in found.reason
    assert [(c.on, c.with_tests) for c in found.checks] == [("base", False), ("base", True), ("patch", False)]


def test_a_test_of_the_patch_that_passes_without_it_shows_nothing() -> None:
    found = judged(check("base", 0), check("patch", 0), check("base", 0, with_tests=True))
    assert found.verdict == "unreproduced"
    assert "pass there as well" in found.reason
    assert "brings no test" in judged(check("base", 0), check("patch", 0)).reason


def test_tests_that_fail_before_and_after_are_no_fault_of_the_patch_where_they_are_named() -> None:
    base, patch = check("base", 1, failing=["old", "the defect"]), check("patch", 1, failing=["old"])
    found = judged(base, patch)
    assert found.verdict == "reproduced"
    assert "the defect" in found.reason
    assert "not counted: old" in found.reason
    assert judged(base, check("patch", 1, failing=["old", "new"])).verdict == "regressed"
    assert judged(base, check("patch", 1, failing=["old", "the defect"])).verdict == "still_failing"
    assert judged(base, check("patch", 1)).verdict == "still_failing"


def test_with_an_old_failure_the_patch_s_own_test_still_shows_the_defect() -> None:
    own = check("base", 1, failing=["new", "old"], with_tests=True)
    found = judged(check("base", 1, failing=["old"]), check("patch", 1, failing=["old"]), own)
    assert found.verdict == "reproduced", found


@pytest.mark.parametrize(
    "said", ["/usr/bin/python3: No module named pytest", "sh: 1: tox: not found", "make: uv: command not found"]
)
def test_a_tool_that_the_sandbox_lacks_says_nothing_about_the_patch(said: str) -> None:
    assert judged(check("base", 1, said), check("patch", 1, said)).verdict == "not_run"
    assert judged(check("base", 1, said), check("patch", 1, "assert 1 == 2")).verdict == "still_failing"


def test_a_failed_set_up_excuses_only_what_fails_in_both() -> None:
    assert judged(check("base", 1), check("patch", 1), troubled="pip failed").verdict == "not_run"
    assert judged(check("base", 1), check("patch", 0), troubled="pip failed").verdict == "reproduced"
    assert judged(check("base", 0), check("patch", 1), troubled="pip failed").verdict == "regressed"


def test_a_failure_that_passes_when_repeated_is_flaky_and_counts_as_passed() -> None:
    seen = twice(check("patch", 1, failing=["shaky"]), check("patch", 0))
    assert (seen.passed, seen.failing, seen.flaky, seen.seconds) == (True, [], ["shaky"], 2.0)
    assert twice(check("patch", 1), check("patch", 0)).flaky == ["make test"]
    found = judged(check("base", 0), seen)
    assert (found.verdict, found.flaky) == ("unreproduced", ["shaky"])
    assert "Flaky, passed when run again: shaky." in found.reason


def test_what_fails_both_times_fails_for_certain_and_the_rest_is_flaky() -> None:
    seen = twice(check("base", 1, failing=["a", "b"]), check("base", 1, failing=["b", "c"]))
    assert (seen.passed, seen.failing, seen.flaky) == (False, ["b"], ["a", "c"])
    assert twice(check("base", 1, failing=["a"]), check("base", 1, failing=["c"])).failing == []


def test_the_tail_begins_with_a_line() -> None:
    assert tail("first\nab\nthird text", 14) == "ab\nthird text"
    assert tail("short", 12) == "short"
