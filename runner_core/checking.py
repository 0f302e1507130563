"""What two runs of the test command say together. Pure."""

import re

from schemas.jobs import Check, Verification

ABSENT = (126, 127)  # POSIX sh: found but not executable, not found
NO_TOOL = re.compile(
    r"No module named '?(?:pytest|tox|nox|nose)\b|(?:command not found|: not found)\s*$"
    r"|[Cc]annot find module '(?:jest|vitest|mocha)",
    re.M,
)


def judge(on_base: Check, on_patch: Check, setup_trouble: str) -> Verification:
    """The verdict and, in words, why. A command that cannot run here at all says nothing about the patch."""
    checks = [on_base, on_patch]
    if not on_patch.passed and (reason := _could_not_run(on_base, on_patch, setup_trouble)):
        return Verification(checks=checks, verdict="not_run", reason=reason)
    match on_base.passed, on_patch.passed:
        case False, True:
            return Verification(
                checks=checks, verdict="reproduced", reason="Fails on the base commit, passes with the patch."
            )
        case True, True:
            return Verification(
                checks=checks,
                verdict="unreproduced",
                reason="Passes with the patch, and passed on the base commit too.",
            )
        case True, False:
            return Verification(
                checks=checks, verdict="regressed", reason="Passed on the base commit, fails with the patch."
            )
    return Verification(checks=checks, verdict="still_failing", reason="Fails on the base commit and with the patch.")


def _could_not_run(on_base: Check, on_patch: Check, setup_trouble: str) -> str:
    if on_base.passed:
        return ""
    if {on_base.exit_code, on_patch.exit_code} <= set(ABSENT) or (_lacks_tool(on_base) and _lacks_tool(on_patch)):
        return f"The sandbox does not have what the test command needs: {tail(on_patch.output_tail, 200)}"
    if setup_trouble:
        return f"The tests could not be set up: {setup_trouble}"
    return ""


def _lacks_tool(check: Check) -> bool:
    return NO_TOOL.search(check.output_tail) is not None


def tail(text: str, most: int) -> str:
    """The end of ``text``, at a line's start where one is near."""
    text = text.strip()
    if len(text) <= most:
        return text
    cut = text[-most:]
    line = cut.find("\n")
    return cut[line + 1 :] if 0 <= line < most // 2 else cut
