"""How the end of an agent is judged, and what the report says."""

import pytest

from runner_core.outcomes import agent_failure, no_changes
from runner_core.protocols import Exit, Verdict
from runner_core.reporting import blocked, held, unverified
from schemas.errors import Failure
from schemas.jobs import Check, GateFinding, Limits, Verification

OWN = Failure(kind="agent", reason="own words")
PROXY = Failure(kind="budget", reason="spent")


@pytest.mark.parametrize(
    ("exit", "verdict", "proxy", "stalled", "kind"),
    [
        (Exit(0), Verdict(), None, False, None),
        (Exit(1), Verdict(OWN), None, False, "agent"),
        (Exit(1), Verdict(OWN), PROXY, False, "budget"),
        (Exit(None, "timeout"), Verdict(), None, False, "budget"),
        (Exit(None, "memory"), Verdict(), None, False, "agent"),
        (Exit(None, "processes"), Verdict(), None, False, "agent"),
        (Exit(None, "disk"), Verdict(), None, False, "agent"),
        (Exit(None, "signal"), Verdict(OWN), None, False, "agent"),
        (Exit(None, "gone"), Verdict(), None, False, "infrastructure"),
        (Exit(None, "signal"), Verdict(), None, True, "agent"),
    ],
)
def test_each_end_of_an_agent_has_its_class(
    exit: Exit, verdict: Verdict, proxy: Failure | None, stalled: bool, kind: str | None
) -> None:
    failure = agent_failure(exit, verdict, Limits(), proxy, stalled)
    assert (failure.kind if failure else None) == kind
    assert failure is None or failure.reason


def test_no_change_repeats_what_the_agent_said() -> None:
    assert no_changes("it is no defect").reason == "The agent changed nothing. It said: it is no defect"


@pytest.mark.parametrize(
    ("verdict", "refused"), [("regressed", True), ("still_failing", True), ("not_run", False), ("reproduced", False)]
)
def test_only_failing_tests_refuse_a_patch(verdict: str, refused: bool) -> None:
    check = Check(command="make test", on="patch", exit_code=1, passed=False, seconds=1.0, output_tail="boom")
    failure = unverified(Verification(checks=[check], verdict=verdict, reason="So."))  # type: ignore[arg-type]
    assert (failure is not None) == refused
    assert failure is None or (failure.kind, failure.detail) == ("verification", "boom")


def test_findings_are_named_with_their_paths() -> None:
    findings = [GateFinding(rule="r", verdict="block", path=f"f{n}", detail="bad") for n in range(7)]
    assert blocked(findings).reason.endswith("f4 (bad), and 2 more.")
    assert "ci.yml" in held([GateFinding(rule="ci", verdict="hold", path="ci.yml")]).reason
