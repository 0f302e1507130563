"""What the runs of the test command say together. Pure."""

import re
from dataclasses import dataclass

from schemas.jobs import Check, Verdict, Verification

ABSENT = (126, 127)  # POSIX sh: found but not executable, not found
NO_TOOL = re.compile(
    r"No module named '?(?:pytest|tox|nox|nose)\b|(?:command not found|: not found)\s*$"
    r"|[Cc]annot find module '(?:jest|vitest|mocha)",
    re.M,
)
NAMED = 5  # tests that a sentence names


@dataclass(frozen=True, slots=True)
class Runs:
    """The command on the base commit, there with the patch's own tests as well (None: not run), and on the patch.

    ``tests`` are the test files that the patch adds or changes; ``troubled`` is what went wrong with the set-up.
    """

    on_base: Check
    with_tests: Check | None
    on_patch: Check
    tests: tuple[str, ...] = ()
    troubled: str = ""

    @property
    def checks(self) -> list[Check]:
        return [self.on_base, *([self.with_tests] if self.with_tests else []), self.on_patch]


def judge(runs: Runs) -> Verification:
    """The verdict and, in words, why. A command that cannot run here at all says nothing about the patch.

    ``reproduced``: some test fails on the base commit and passes with the patch, and none that passed fails now. Tests
    that fail before and after are no fault of the patch, where the test runner names them.
    """
    verdict, reason = _verdict(runs)
    flaky = sorted({name for check in runs.checks for name in check.flaky})
    if flaky:
        reason += f" Flaky, passed when run again: {_listed(flaky)}."
    return Verification(checks=runs.checks, verdict=verdict, reason=reason.strip(), tests=list(runs.tests), flaky=flaky)


def _verdict(runs: Runs) -> tuple[Verdict, str]:
    base, patch = runs.on_base, runs.on_patch
    if not patch.passed and (reason := _could_not_run(base, patch, runs.troubled)):
        return "not_run", reason
    before, after = set(base.failing), set(patch.failing)
    if not patch.passed and not (before and after and after <= before):
        return _failing(base, patch, sorted(after - before))
    rest = "" if patch.passed else f" Fail before and after, not counted: {_listed(sorted(after))}."
    if (shown := _shown(runs)) is not None:
        return "reproduced", f"{shown}{rest}"
    if not patch.passed:
        return "still_failing", f"Fails on the base commit and with the patch: {_listed(sorted(after))}."
    why = (
        f"the patch's tests ({_listed(list(runs.tests))}) pass there as well"
        if runs.with_tests is not None
        else "the patch brings no test that shows the defect"
    )
    return "unreproduced", f"The tests pass with the patch, and passed on the base commit too; {why}."


def _failing(base: Check, patch: Check, new: list[str]) -> tuple[Verdict, str]:
    if base.passed:
        named = f": {_listed(new)}" if new else ""
        return "regressed", f"Passed on the base commit, fails with the patch{named}."
    if base.failing and new:
        return "regressed", f"Tests fail with the patch that do not fail on the base commit: {_listed(new)}."
    return "still_failing", "Fails on the base commit and with the patch."


def _shown(runs: Runs) -> str | None:
    """That a test shows the defect, in words; None when none does."""
    after = set(runs.on_patch.failing)
    if not runs.on_base.passed:
        fixed = sorted(set(runs.on_base.failing) - after)
        if runs.on_patch.passed or fixed:
            return f"Fails on the base commit, passes with the patch{_colon(fixed)}."
    if runs.with_tests is not None and not runs.with_tests.passed:
        fixed = sorted(set(runs.with_tests.failing) - after)
        if runs.on_patch.passed or fixed:
            return (
                f"The patch's tests ({_listed(list(runs.tests))}) fail on the base commit and pass with the "
                f"patch{_colon(fixed)}."
            )
    return None


def _could_not_run(base: Check, patch: Check, troubled: str) -> str:
    if base.passed:
        return ""
    if {base.exit_code, patch.exit_code} <= set(ABSENT) or (_lacks_tool(base) and _lacks_tool(patch)):
        return f"The sandbox does not have what the test command needs: {tail(patch.output_tail, 200)}"
    if troubled:
        return f"The tests could not be set up: {troubled}"
    return ""


def _lacks_tool(check: Check) -> bool:
    return NO_TOOL.search(check.output_tail) is not None


def twice(first: Check, second: Check) -> Check:
    """A failed check and its repetition as one: what passed the second time is flaky, the rest fails for certain."""
    if second.passed:
        flaky = first.failing or [second.command]
        return _replaced(second, first, failing=[], flaky=flaky)
    sure = sorted(set(first.failing) & set(second.failing))
    if not sure:  # names are missing, or each run failed with others: nothing can be told apart
        return _replaced(second, first, failing=[], flaky=[])
    return _replaced(second, first, failing=sure, flaky=sorted(set(first.failing) ^ set(second.failing)))


def _replaced(second: Check, first: Check, *, failing: list[str], flaky: list[str]) -> Check:
    return Check(
        command=second.command,
        on=second.on,
        with_tests=second.with_tests,
        exit_code=second.exit_code,
        passed=second.passed,
        seconds=round(first.seconds + second.seconds, 2),
        output_tail=second.output_tail,
        failing=failing,
        flaky=flaky,
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _colon(names: list[str]) -> str:
    return f": {_listed(names)}" if names else ""


def tail(text: str, most: int) -> str:
    """The end of ``text``, at a line's start where one is near."""
    text = text.strip()
    if len(text) <= most:
        return text
    cut = text[-most:]
    line = cut.find("\n")
    return cut[line + 1 :] if 0 <= line < most // 2 else cut
