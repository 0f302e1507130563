"""The rules of a plan's record: what each request does to it. Pure: no async, no clock, no broker.

A request is found by its id in ``outcomes``. Once it is settled nothing it asks for happens again, so a message that
is delivered twice, or worked on by two planners at once, changes the record once.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import structs

from runtime.ids import derived
from schemas import budgets
from schemas.errors import Failure
from schemas.plans import Plan, PlanOutcome, PlanRecord, PlanRequest, Stale
from schemas.spending import Spend
from services.planner import differences
from services.planner.differences import changed_fields
from services.planner.merging import merged

KEPT_OUTCOMES: Final = 20
SETTLED: Final = frozenset({"done", "failed", "conflict"})
STALE: Final = "Stale: "


class Finding(msgspec.Struct, frozen=True):
    """Whether files of a plan changed since it was made (None: could not be seen), a note when there is one, and
    which of its files they are."""

    stale: bool | None
    note: str = ""
    files: tuple[str, ...] = ()


def outcome_of(record: PlanRecord | None, request_id: str) -> PlanOutcome | None:
    """What is known of a request; None when it was never begun (or is older than the last 20)."""
    return next((o for o in (record.outcomes if record else []) if o.request_id == request_id), None)


def settled(record: PlanRecord | None, request_id: str) -> bool:
    """Whether the request is finished, well or not."""
    outcome = outcome_of(record, request_id)
    return outcome is not None and outcome.status in SETTLED


def progressed(record: PlanRecord | None, request: PlanRequest, progress: str, now: datetime) -> PlanRecord | None:
    """The record with the request pending at ``progress``; None when it is settled already."""
    if settled(record, request.id):
        return None
    return _with(record, request, PlanOutcome(request_id=request.id, status="pending", progress=progress, at=now), now)


def failed(record: PlanRecord | None, request: PlanRequest, failure: Failure, now: datetime) -> PlanRecord | None:
    """The record with the request failed; the current plan stays as it was. None when it is settled already."""
    if settled(record, request.id):
        return None
    return _with(record, request, PlanOutcome(request_id=request.id, status="failed", failure=failure, at=now), now)


def planned(
    record: PlanRecord | None,
    request: PlanRequest,
    proposal: Plan,
    bases: Mapping[str, Any],
    now: datetime,
    found: Finding | None = None,
) -> PlanRecord | None:
    """The record with ``proposal`` as its next version, a person's edits kept. None when it is settled already.

    ``bases`` holds, for each edited field, what the planner had written before a person changed it; ``found`` is what
    made a check ask for the new version.
    """
    if settled(record, request.id):
        return None
    current = record.current if record else None
    plan = numbered(merged(current, proposal, bases), request, current, "planner", now)
    plan = structs.replace(plan, checked_at=now)
    done = _done(record, request, plan, f"version {plan.version}: {told_changes(current, plan)}", now)
    return done if found is None else _with_finding(done, request.id, found)


def edited(
    record: PlanRecord | None, request: PlanRequest, changes: Mapping[str, Any], now: datetime
) -> PlanRecord | None:
    """The record after a person's edit: a new version by its author, never approved. None when settled already.

    ``changes`` are validated values (``editing.read_changes``); ``edited_fields`` among them gives fields back to the
    planner. An edit that changes nothing makes no version.
    """
    if settled(record, request.id):
        return None
    refused = _refused(record, request, now)
    if refused is not None or record is None or record.current is None:
        return refused
    current = record.current
    written = [field for field in changes if field != "edited_fields" and changes[field] != getattr(current, field)]
    kept = changes.get("edited_fields", current.edited_fields)
    if not written and kept == current.edited_fields:
        return _done(record, request, current, f"version {current.version}: nothing to change", now)
    values = {field: changes[field] for field in written}
    plan = structs.replace(
        current,
        **values,
        edited_fields=sorted({*kept, *written}),
        conflicts=[c for c in current.conflicts if _field_of(c) in kept and _field_of(c) not in changes],
    )
    plan = numbered(plan, request, current, request.requested_by, now)
    return _done(record, request, plan, f"version {plan.version}: {told_changes(current, plan)}", now)


def approved(
    record: PlanRecord | None, request: PlanRequest, found: Finding | None, now: datetime
) -> PlanRecord | None:
    """The record with its current version approved. ``found`` about its files is noted; None when settled."""
    if settled(record, request.id):
        return None
    refused = _refused(record, request, now)
    if refused is not None or record is None or record.current is None:
        return refused
    current = record.current
    plan = structs.replace(
        noted(current, found, now), approved_by=request.requested_by, approved_at=now, updated_at=now
    )
    return _done(record, request, plan, f"version {plan.version}: approved by {request.requested_by}", now)


def checked(record: PlanRecord | None, request: PlanRequest, found: Finding, now: datetime) -> PlanRecord | None:
    """The record with what a check found about a version; noted in the plan when it is the current one."""
    if settled(record, request.id):
        return None
    if record is None or record.current is None:
        return _refused(record, request, now)
    current = record.current
    about = request.expected_version or current.version
    plan = noted(current, found, now) if about == current.version else current
    said = {True: "stale", False: "not stale", None: "not checked"}[found.stale]
    return _with_finding(_done(record, request, plan, f"version {about}: {said}", now), request.id, found)


def noted(plan: Plan, found: Finding | None, now: datetime) -> Plan:
    """The plan with what is said of its staleness replaced by what was found now; what could not be seen changes
    only the note."""
    if found is None:
        return plan
    notes = [note for note in plan.notes if not note.startswith(STALE)]
    notes += [f"{STALE}{found.note}"] if found.note else []
    checked_at = plan.checked_at if found.stale is None else now
    stale = plan.stale if found.stale is None else _stale(plan.stale, found, now)
    return structs.replace(plan, notes=notes, checked_at=checked_at, stale=stale)


def _stale(before: Stale | None, found: Finding, now: datetime) -> Stale | None:
    if not found.stale:
        return None
    return Stale(since=before.since if before else now, reason=found.note, files=list(found.files))


def _with_finding(record: PlanRecord, request_id: str, found: Finding) -> PlanRecord:
    outcomes = [
        structs.replace(one, stale=found.stale, note=found.note) if one.request_id == request_id else one
        for one in record.outcomes
    ]
    return structs.replace(record, outcomes=outcomes)


def charged(record: PlanRecord | None, request: PlanRequest, spend: Spend, now: datetime) -> PlanRecord:
    """The record with so much more paid to the model. Not bound to the request's outcome: each call costs anew."""
    base = record or PlanRecord(project_id=request.project_id, cluster_id=request.cluster_id, updated_at=now)
    spending = budgets.recent(budgets.charged(base.spending, spend, now), now)
    return structs.replace(base, spending=spending, updated_at=now)


def kept_version(stored: Plan | None, plan: Plan) -> Plan | None:
    """What to write to the archive key of a version; None when it already says as much.

    A version only ever gains an approval, so a slow writer that has not seen it cannot take it away.
    """
    if stored is None or (stored.approved_at is None and plan.approved_at is not None):
        return plan
    return None


def numbered(plan: Plan, request: PlanRequest, current: Plan | None, author: str, now: datetime) -> Plan:
    """``plan`` as the version after ``current``: not approved, whoever approved the one before."""
    version = current.version + 1 if current else 1
    plan = structs.replace(
        plan,
        id=derived("plan", request.project_id, request.cluster_id, str(version)),
        project_id=request.project_id,
        cluster_id=request.cluster_id,
        version=version,
        author=author,
        approved_by=None,
        approved_at=None,
        created_at=now,
        updated_at=now,
    )
    return differences.told(current, plan)


def told_changes(old: Plan | None, new: Plan) -> str:
    """What differs from the version before, in one line."""
    if old is None:
        return "first plan"
    fields = changed_fields(old, new)
    return "changed " + ", ".join(fields) if fields else "nothing changed"


def _refused(record: PlanRecord | None, request: PlanRequest, now: datetime) -> PlanRecord | None:
    """The record with the refusal of an edit or approval that does not fit the current version; None when it fits."""
    if record is None or record.current is None:
        failure = Failure(
            kind="planning", reason="The cluster has no plan.", action="Generate one, then edit or approve it."
        )
        return _with(record, request, PlanOutcome(request_id=request.id, status="failed", failure=failure, at=now), now)
    version = record.current.version
    if request.expected_version is None or request.expected_version == version:
        return None
    failure = Failure(
        kind="planning",
        reason=f"The plan is at version {version}; the request was made for version {request.expected_version}.",
        action="Read the plan again and repeat the change on it.",
    )
    outcome = PlanOutcome(request_id=request.id, status="conflict", version=version, failure=failure, at=now)
    return _with(record, request, outcome, now)


def _field_of(conflict: str) -> str:
    return conflict.split(":", 1)[0]


def _done(record: PlanRecord | None, request: PlanRequest, plan: Plan, told: str, now: datetime) -> PlanRecord:
    outcome = PlanOutcome(request_id=request.id, status="done", version=plan.version, progress=told, at=now)
    return structs.replace(_with(record, request, outcome, now), current=plan)


def _with(record: PlanRecord | None, request: PlanRequest, outcome: PlanOutcome, now: datetime) -> PlanRecord:
    """The record with this outcome last; the oldest settled ones make room, a pending one is never forgotten."""
    base = record or PlanRecord(project_id=request.project_id, cluster_id=request.cluster_id, updated_at=now)
    outcomes = [o for o in base.outcomes if o.request_id != outcome.request_id]
    while len(outcomes) >= KEPT_OUTCOMES:
        oldest = next((i for i, o in enumerate(outcomes) if o.status in SETTLED), 0)
        del outcomes[oldest]
    return structs.replace(base, outcomes=[*outcomes, outcome], updated_at=now)
