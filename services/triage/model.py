"""Pure rules: how bad a cluster is, how it is called, what a job or a new report makes of its status."""

import re
from collections import Counter
from datetime import datetime
from typing import Any, Final

import msgspec

from schemas.clusters import ClusterStatus, Severity
from schemas.feedback import Frame
from schemas.jobs import JobEvent
from services.triage.rows import ClusterRow, EvidenceRow, Facts

_WORST: Final = ("fatal", "critical", "emergency", "alert", "panic", "crit")
_BAD: Final = ("error", "err", "severe", "major")
_MILD: Final = ("info", "debug", "success", "notice", "trace", "informational")
_LEVELS: Final = dict.fromkeys(_WORST, 4) | dict.fromkeys(_BAD, 2) | dict.fromkeys(_MILD, 0)  # any other: 1
_SEVERITIES: Final[tuple[Severity, ...]] = ("low", "medium", "medium", "high", "critical")
_TRUST: Final = ("public", "authenticated", "staff")
_WORDS: Final = re.compile(r"\w+")


def severity(levels: dict[str, int], users: int, count: int) -> Severity:
    """From the worst level told (none told: between warning and error), one step up for many, two for very many."""
    base = max((_LEVELS.get(level, 1) for level in levels), default=1)
    more = int(users >= 5 or count >= 10) + int(users >= 50 or count >= 100)
    return _SEVERITIES[min(4, base + more)]


def least_trusted(trusts: list[str]) -> Any:
    """The trust label of the least trusted report."""
    return min(trusts, key=_TRUST.index, default="public")


def repository(repositories: dict[str, int]) -> str | None:
    """The repository that most reports name; None when none names one: there is no default."""
    return max(repositories, key=lambda url: (repositories[url], url), default=None)


def title(evidence: list[EvidenceRow]) -> str:
    """The title most reports share, the earliest when all differ; one with an exception goes first."""
    if not evidence:
        return "(no reports)"
    known = [row for row in evidence if row.exception_type] or evidence
    counts = Counter(_folded(row.title) for row in known)
    best = max(counts.values())
    return next(row.title for row in known if counts[_folded(row.title)] == best)


def _folded(text: str) -> str:
    return " ".join(_WORDS.findall(text.lower()))


def summary(facts: Facts, said: str | None = None) -> str:
    """What breaks, where, for whom, since when, how often: sentences from the evidence alone.

    ``said``: what a model wrote leads instead of the exception and a quotation; numbers are always counted here.
    """
    lines = [said or _what(facts.evidence), _extent(facts)]
    where = _places(facts.evidence)
    quote = "" if said else _quote(facts.evidence)
    return "\n".join(line for line in [*lines, where, quote] if line)


def _what(evidence: list[EvidenceRow]) -> str:
    kinds = Counter(row.exception_type for row in evidence if row.exception_type)
    tops = Counter(frame for row in evidence if (frame := top_frame(row.frames)))
    if kinds and tops:
        return f"{kinds.most_common(1)[0][0]} at {tops.most_common(1)[0][0]}."
    if kinds:
        return f"{kinds.most_common(1)[0][0]}."
    return f"Breaks at {tops.most_common(1)[0][0]}." if tops else ""


def top_frame(frames: list[Frame]) -> str:
    """The innermost frame of the application's own code (of any code when none is marked), as words."""
    own = [frame for frame in frames if frame.in_app] or frames
    if not own:
        return ""
    frame = own[-1]
    place = f"{frame.file or frame.module}:{frame.line}" if frame.line else frame.file or frame.module
    return f"{place} in {frame.function}" if frame.function else place


def _extent(facts: Facts) -> str:
    reports = "1 report" if facts.count == 1 else f"{facts.count} reports"
    users = "" if not facts.users else f", {facts.users} user{'s' if facts.users > 1 else ''} affected"
    since = f"{facts.first_seen:%Y-%m-%d %H:%M} UTC"
    when = f"at {since}" if facts.count == 1 else f"since {since}, last {facts.last_seen:%Y-%m-%d %H:%M} UTC"
    return f"{reports} from {', '.join(facts.sources)} {when}{users}."


def _places(evidence: list[EvidenceRow]) -> str:
    releases = [name for name, _ in Counter(row.release for row in evidence if row.release).most_common(3)]
    environments = [name for name, _ in Counter(row.environment for row in evidence if row.environment).most_common(3)]
    parts = [f"release {', '.join(map(str, releases))}"] if releases else []
    parts += [f"environment {', '.join(map(str, environments))}"] if environments else []
    return f"Seen in {'; '.join(parts)}." if parts else ""


def _quote(evidence: list[EvidenceRow]) -> str:
    for row in reversed(evidence):
        said = next((line.strip() for line in row.body.split("\n") if len(line.strip()) > 20), "")
        if said and _folded(said) != _folded(row.title):
            return f"“{said[:240]}{'…' if len(said) > 240 else ''}”"
    return ""


def refreshed(row: ClusterRow, facts: Facts | None, now: datetime) -> ClusterRow:
    """The row after its reports changed: everything automatic anew, what a person wrote kept."""
    found = msgspec.structs.replace(row, revision=row.revision + 1, updated_at=now)
    if facts is None or facts.count == 0:
        found.count, found.status = 0, "dismissed"
        found.dismissed_reason = f"merged into {row.merged_into}" if row.merged_into else "no reports are left in it"
        return found
    found.count, found.users_affected, found.sources = facts.count, facts.users, sorted(facts.sources)
    found.first_seen, found.last_seen = facts.first_seen, facts.last_seen
    found.severity = severity(facts.levels, facts.users, facts.count)
    found.trust = least_trusted(facts.trusts)
    found.suggested_repo_url = repository(facts.repositories)
    if "github_repo_url" not in row.edited:
        found.github_repo_url = repository(facts.chosen)  # a suggestion is never a default: a person confirms it
    if found.worded is not None and 2 * facts.count <= found.worded.count:
        found.worded = None  # most of what the model had read has left
    if "title" not in row.edited:
        found.title = found.worded.title if found.worded else title(facts.evidence)
    if "summary" not in row.edited:
        found.summary = summary(facts, found.worded.what if found.worded else None)
    found.issue_title = found.title
    found.issue_description = found.summary
    return found


def woken(row: ClusterRow) -> bool:
    """Whether a snooze has come to its end."""
    return row.snoozed_until is not None and row.count >= row.snoozed_until


def closed_by_source(row: ClusterRow, facts: Facts | None) -> bool:
    """Whether nothing is left to do because every report was closed where it came from."""
    return facts is not None and facts.count > 0 and facts.open == 0 and row.status in ("new", "failed")


class JobEffect(msgspec.Struct, frozen=True):
    """What a job's event makes of its cluster."""

    status: ClusterStatus
    job_id: str | None
    job_n: int
    pr_url: str | None
    error: str | None
    message: str


def job_effect(row: ClusterRow, event: JobEvent) -> JobEffect | None:
    """None when the event is old, of an older job, or changes nothing. What a person decided meanwhile stays."""
    live = event.status in ("pending", "running")
    if row.job_id == event.job_id:
        if event.n <= row.job_n:
            return None
    elif row.job_id is not None and not live:
        return None
    if event.follow_up_of is not None:
        return _after_follow_up(row, event)
    status, error, message = _after_job(event)
    decided = row.status in ("resolved", "dismissed") and not (live and row.job_id != event.job_id)
    kept = row.status if decided else status
    url = event.pr_url or row.github_pr_url
    return JobEffect(kept, event.job_id, event.n, url, error, message)


def _after_follow_up(row: ClusterRow, event: JobEvent) -> JobEffect:
    """The cluster stays what it is: its pull request is there whatever becomes of another commit on it."""
    reason = event.failure.reason if event.failure else event.message or "no reason was given"
    told = {
        "pending": f"A follow-up of the pull request is under way (job {event.job_id})",
        "running": f"A follow-up of the pull request is under way (job {event.job_id})",
        "success": f"Another commit was pushed to {event.pr_url}",
    }
    message = told.get(event.status, f"The follow-up made no commit: {reason}")
    return JobEffect(row.status, event.job_id, event.n, event.pr_url or row.github_pr_url, row.error_message, message)


def _after_job(event: JobEvent) -> tuple[ClusterStatus, str | None, str]:
    reason = event.failure.reason if event.failure else event.message or "no reason was given"
    match event.status:
        case "pending" | "running":
            return "fixing", None, f"A fix is under way (job {event.job_id})"
        case "success":
            return "pr_opened", None, f"A draft pull request was opened: {event.pr_url}"
        case "cancelled":
            return "new", None, "The fix was cancelled"
        case "needs_review":
            return "failed", f"The patch waits for your review: {reason}", "The patch waits for a person's review"
        case _:
            return "failed", reason, f"The fix failed: {reason}"
