"""A plan from evidence alone: what a careful engineer can say before anyone has run or read the code."""

from __future__ import annotations

import time
from collections.abc import Sequence

import msgspec

from services.planner.grounding.commands import discover_commands, for_language
from services.planner.grounding.hypotheses import Findings, build_hypotheses, is_request, main_symbol, place
from services.planner.grounding.messages import message_sites
from services.planner.grounding.model import PlanDraft, Report, ReportSaid
from services.planner.grounding.neartests import nearest_tests
from services.planner.grounding.reproduction import write_reproduction
from services.planner.grounding.spans import with_exact_symbols
from services.planner.grounding.suspects import is_regression, suspect_commits
from services.planner.grounding.writing import (
    with_commands,
    write_risks,
    write_size,
    write_steps,
    write_validation,
)
from services.planner.localise.frames import Frame
from services.planner.localise.fusion import rank_query
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.query import Query, read_issue
from services.planner.localise.results import Candidate

_REPORTS_READ = 25


def read_reports(reports: Sequence[Report], frames: Sequence[Frame] = ()) -> Query:
    """One query for all reports of a cluster: the first title leads, other titles and bodies follow once each."""
    titles = list(dict.fromkeys(r.title.strip() for r in reports[:_REPORTS_READ] if r.title.strip()))
    bodies = list(dict.fromkeys(r.body.strip() for r in reports[:_REPORTS_READ] if r.body.strip()))
    each = max(2000, 50_000 // max(1, len(bodies)))
    text = "\n\n".join([*titles[1:], *(body[:each] for body in bodies)])
    return read_issue(text, titles[0] if titles else (bodies[0].splitlines()[0] if bodies else ""), list(frames))


def draft_plan(
    index: RepositoryIndex,
    reports: Sequence[Report],
    *,
    frames: Sequence[Frame] = (),
    since: int | None = None,
    limit: int = 20,
) -> PlanDraft:
    """The plan of one or several reports of the same problem at the index's commit.

    `frames` (outermost first) are those a source delivered as data; `since` (unix seconds) is when the problem was
    first seen. Always returns a plan: what could not be found is said in `notes` and `risks`.
    """
    clock = _Clock()
    query = read_reports(reports, frames)
    candidates = with_exact_symbols(index, rank_query(index, query, limit))
    clock.mark("rank")
    commands = for_language(discover_commands(index), _language(index, candidates))
    tests = with_commands(index, commands, nearest_tests(index, candidates, query))
    text = "\n".join(f"{r.title}\n{r.body}" for r in reports)
    suspects = suspect_commits(index, candidates, query, text, since=since)
    sites = message_sites(index, query)
    clock.mark("ground")
    found = Findings(query, candidates, sites, suspects, tests, is_regression(text), len(reports))
    similar = [n for n, _ in index.history_of(index.sources).similar_commits(query.mix)]
    hypotheses = build_hypotheses(found)
    suite = [c for c in commands if c.kind == "test"]
    draft = PlanDraft(
        title=query.title[:200] or "Untitled report",
        summary=_summary(index, found),
        base_commit=index.commit,
        grounded="evidence",
        confidence=hypotheses[0].confidence if hypotheses else 0.0,
        candidate_files=candidates,
        reports=[ReportSaid(r.title[:300], r.id, r.source, r.trust) for r in reports],
        hypotheses=hypotheses,
        suspect_commits=suspects,
        reproduction=write_reproduction(found, list(reports)),
        steps=write_steps(index, found),
        validation_steps=write_validation(commands, tests),
        setup_commands=[c.command for c in commands if c.kind == "setup"][:1],
        test_command=suite[0].command if suite else None,
        nearest_tests=tests,
        risks=write_risks(index, found, commands),
        expected_size=write_size(index, similar, found),
        notes=_notes(index, found),
        timings_ms={},
    )
    clock.mark("write")
    return msgspec.structs.replace(draft, timings_ms=clock.spans)


def _language(index: RepositoryIndex, candidates: list[Candidate]) -> str:
    """The language the fix will be in: that of the first candidate."""
    number = index.sources.number.get(candidates[0].path) if candidates else None
    return index.sources.files[number].language if number is not None else ""


class _Clock:
    def __init__(self) -> None:
        self.spans: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, name: str) -> None:
        now = time.perf_counter()
        self.spans[name] = round((now - self._last) * 1000, 1)
        self._last = now


def _summary(index: RepositoryIndex, found: Findings) -> str:
    count = f"{found.report_count} reports say" if found.report_count > 1 else "The report says"
    asks = "The report asks" if found.report_count == 1 else f"{found.report_count} reports ask"
    opening = f"{asks if is_request(found.query) else count}: “{found.query.title[:200]}”."
    if not found.candidates:
        return f"{opening} No code in the repository at {index.commit[:10]} matches it."
    first = found.candidates[0]
    reasons = [e.detail for e in first.evidence if e.weight > 0][:2]
    because = f": {'; '.join(reasons)}" if reasons else ""
    sure = "clearly" if first.share >= 0.6 else "most strongly" if first.share >= 0.3 else "only weakly"
    others = [c.path for c in found.candidates[1:3]]
    more = f" Next come {' and '.join(f'`{p}`' for p in others)}." if others and first.share < 0.6 else ""
    return f"{opening} The evidence points {sure} at {place(first, main_symbol(first))}{because}.{more}"


def _notes(index: RepositoryIndex, found: Findings) -> list[str]:
    notes = [
        "Made from repository evidence alone: no model read the code and nothing was run. Confidence is how sure the"
        " ranking is, not a proof."
    ]
    if not len(index.sources):
        notes.append("The repository holds no source code that can be read (empty, binary or vendored only).")
    if index.tree.submodules:
        notes.append(f"Submodules were not searched: {', '.join(index.tree.submodules[:5])}.")
    if index.unreadable:
        notes.append(f"{len(index.unreadable)} files are missing from this clone and were not searched.")
    if index.shallow:
        notes.append("Shallow clone: only part of the history was seen.")
    if not found.suspects:
        notes.append("No commit of the last 180 days before the base changed the first candidate files.")
    return notes
