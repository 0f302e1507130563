"""Whether a plan still stands on the ground it was made on. Pure; the changed paths come from ``repositories``."""

from collections.abc import Collection

import msgspec

from schemas.plans import Plan
from services.planner.model import Finding


class Staleness(msgspec.Struct, frozen=True, kw_only=True):
    """``stale`` when a file of the plan changed on its branch since ``base_commit``; ``tip`` is the branch now."""

    stale: bool
    base_commit: str
    tip: str
    changed: list[str] = []
    gone: bool = False


def staleness(plan: Plan, tip: str, changed: Collection[str] | None) -> Staleness:
    """``changed``: paths that differ between the plan's base and ``tip``; None when the base is no longer there."""
    if changed is None:
        return Staleness(stale=True, base_commit=plan.base_commit, tip=tip, gone=True)
    named = [c.path for c in plan.candidate_files] + plan.nearest_tests
    touched = [path for path in dict.fromkeys(named) if path in changed]
    return Staleness(stale=bool(touched), base_commit=plan.base_commit, tip=tip, changed=touched)


def told(found: Staleness, branch: str) -> Finding:
    """What people are told of it."""
    if not found.stale:
        return Finding(False)
    if found.gone:
        reason = f"commit {found.base_commit[:12]} is no longer part of {branch}"
    else:
        shown = ", ".join(found.changed[:5]) + (" and others" if len(found.changed) > 5 else "")
        reason = f"since {found.base_commit[:12]} these files of the plan changed on {branch}: {shown}"
    return Finding(True, f"{reason}. Generate again to ground the plan in {found.tip[:12]}.", tuple(found.changed))
