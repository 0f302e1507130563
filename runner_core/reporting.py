"""The report of an attempt, from what was verified and what the gate saw. Pure."""

from runner_core.gate import outside_plan
from runner_core.patch import Patch
from schemas.errors import Failure
from schemas.jobs import GateFinding, Report, Verification
from schemas.plans import Plan

SUMMARY = 4_000
SHOWN_FILES = 500
KILLED = 137  # by SIGKILL, as the kernel does when memory runs out


def report(
    patch: Patch,
    plan: Plan,
    verification: Verification,
    findings: list[GateFinding],
    summary: str,
) -> Report:
    """What the job's page and the pull request show."""
    return Report(
        verification=verification,
        findings=findings,
        changed_files=patch.paths[:SHOWN_FILES],
        outside_plan=outside_plan(patch, plan)[:SHOWN_FILES],
        additions=patch.additions,
        deletions=patch.deletions,
        summary=summary[:SUMMARY],
    )


def unverified(verification: Verification) -> Failure | None:
    """Why the patch must not be published; None when the tests pass with it or could not be run."""
    if verification.verdict not in ("still_failing", "regressed"):
        return None
    check = verification.checks[-1]
    return Failure(
        kind="verification",
        reason=f"`{check.command}` fails with the patch. {verification.reason}",
        action="Read the test's output below and the patch, make the plan more precise, and start the fix again.",
        detail=check.output_tail[-2000:],
    )


def for_agent(verification: Verification) -> str:
    """What the agent is told of failing tests; empty where no test failed but time or memory ran out."""
    check = verification.checks[-1] if verification.checks else None
    if unverified(verification) is None or check is None or check.exit_code in (None, KILLED):
        return ""
    named = "".join(f"\n- {name}" for name in check.failing[:20])
    return f"`{check.command}` fails with your changes. {verification.reason}{named}\n\n{check.output_tail}"


def blocked(findings: list[GateFinding]) -> Failure:
    return Failure(
        kind="gate",
        reason=f"The patch was refused: {_named(findings, 'block')}",
        action="Look at the patch; if the change is wanted, make it by hand or narrow the plan.",
    )


def held(findings: list[GateFinding]) -> Failure:
    return Failure(
        kind="gate",
        reason=f"The patch waits for a person: {_named(findings, 'hold')}",
        action="Look at the patch, then approve the job to publish exactly this patch, or retry it.",
    )


def _named(findings: list[GateFinding], verdict: str) -> str:
    named = [
        f"{finding.path or finding.rule}" + (f" ({finding.detail})" if finding.detail else "")
        for finding in findings
        if finding.verdict == verdict
    ]
    more = f", and {len(named) - 5} more" if len(named) > 5 else ""
    return "; ".join(named[:5]) + more + "."
