"""Possible causes: each from evidence that can be pointed at, with what speaks against it and what would refute it."""

from __future__ import annotations

import re

import msgspec

from services.planner.grounding.model import Hypothesis, MessageSite, NearTest, SuspectCommit
from services.planner.localise.query import Query
from services.planner.localise.results import Candidate, Evidence, Symbol

_REQUEST = re.compile(
    r"^\s*(?:(?:\[?feature\]?|enhancement|proposal|rfe)\b|add\b|allow\b|support\b|implement\b|introduce\b"
    r"|provide\b|make\b"
    r"|enable\b|improve\b|optimi[sz]e\b|rename\b|deprecate\b|remove\b|refactor\b|use\b)|feature request"
    r"|would be (?:nice|great|useful)"
    r"|(?:please|could you) add|should (?:support|allow)|add support",
    re.I,
)


#: Kinds of evidence that a person can check at a glance: the report names the file or something in it.
NAMED = frozenset({"path", "stack_frame", "dotted_name", "symbol", "literal"})


class Findings(msgspec.Struct, frozen=True):
    """All that was found for one plan, as the writing of it needs it."""

    query: Query
    candidates: list[Candidate]
    sites: list[MessageSite]
    suspects: list[SuspectCommit]
    tests: list[NearTest]
    regression: bool
    report_count: int


def is_request(query: Query) -> bool:
    """True when the report asks for something new rather than describing a failure."""
    return bool(_REQUEST.search(query.title)) and not query.errors


def place(candidate: Candidate, symbol: Symbol | None) -> str:
    """`name` in `path:first-last`, or the path."""
    if symbol is None:
        return f"`{candidate.path}`"
    return f"`{symbol.name}` (`{candidate.path}:{symbol.start_line}-{symbol.end_line}`)"


def main_symbol(candidate: Candidate) -> Symbol | None:
    """The symbol the issue points at most plainly; inside a long one, the next below it."""
    if not candidate.symbols:
        return None
    first = candidate.symbols[0]
    inner = [s for s in candidate.symbols[1:4] if first.start_line < s.start_line and s.end_line <= first.end_line]
    return inner[0] if inner and first.end_line - first.start_line > 120 else first


def build_hypotheses(found: Findings) -> list[Hypothesis]:
    """At most four, by falling confidence; empty when nothing in the repository matches the report."""
    made = [
        *_where_raised(found),
        *_below_frame(found),
        *_in_candidates(found),
        *_recent_change(found),
    ]
    return sorted(made, key=lambda h: -h.confidence)[:4]


def _where_raised(found: Findings) -> list[Hypothesis]:
    if not found.sites:
        return []
    site = found.sites[0]
    ranks = {c.path: n for n, c in enumerate(found.candidates)}
    known = site.path in ranks
    inside = f" in `{site.symbol}`" if site.symbol else ""
    shown = f"`{site.path}:{site.line}`{inside}"
    against = [
        "The place that raises a message is often not the place at fault: a caller may reach it in a wrong state."
    ]
    if not known:
        against.append("No other evidence points at this file.")
    return [
        Hypothesis(
            statement=f"The message comes from {shown}: either its condition is too strict for the reported case, or a"
            " caller gets there with a state that should have been prevented.",
            confidence=round(0.5 if known and ranks[site.path] < 5 else 0.3, 2),
            evidence_for=[
                f"{shown} holds the reported words “{site.phrase[:120]}”.",
                *(_sentence(e.detail) for e in _evidence_of(found, site.path)[:2]),
            ],
            evidence_against=against,
            refuted_by=f"The reproduction ends without passing `{site.path}:{site.line}` (set a breakpoint there).",
        )
    ]


def _evidence_of(found: Findings, path: str) -> list[Evidence]:
    return next((c.evidence for c in found.candidates if c.path == path), [])


def _below_frame(found: Findings) -> list[Hypothesis]:
    for candidate in found.candidates[:8]:
        if not _is_innermost(candidate):
            continue
        where = place(candidate, main_symbol(candidate))
        return [
            Hypothesis(
                statement=f"The failure arises in {where}, the innermost frame of this repository: either it mishandles"
                " the value it was given, or the frame above gave it a wrong one.",
                confidence=round(max(0.1, candidate.share), 2),
                evidence_for=[_sentence(e.detail) for e in candidate.evidence[:3]],
                evidence_against=["A stack trace shows where a program fails, not where the wrong value was made."],
                refuted_by="The reproduction fails in another frame, or the value is already wrong one frame up.",
            )
        ]
    return []


def _is_innermost(candidate: Candidate) -> bool:
    return any(e.kind == "stack_frame" and "innermost" in e.detail for e in candidate.evidence)


def _in_candidates(found: Findings) -> list[Hypothesis]:
    made: list[Hypothesis] = []
    request = is_request(found.query)
    for rank, candidate in enumerate(found.candidates[:3]):
        if rank and candidate.share < (0.02 if rank == 1 else 0.05):
            break
        if _is_innermost(candidate):
            continue  # `_below_frame` says it better
        symbol = main_symbol(candidate)
        where = place(candidate, symbol)
        if request:
            statement = f"What is asked for is not there yet; {where} is where the present behaviour is decided."
            refuted = f"The new test passes unchanged, or {where} is never reached by it."
        else:
            statement = f"The behaviour reported is decided in {where}, which does not handle the reported case."
            refuted = f"The reproduction never enters {where}, or its inputs and results there are right."
        made.append(
            Hypothesis(
                statement=statement,
                confidence=round(min(0.9, max(0.05, candidate.share)), 2),
                evidence_for=[_sentence(e.detail) for e in candidate.evidence[:4] if e.weight > 0],
                evidence_against=_against(found, candidate, rank),
                refuted_by=refuted,
            )
        )
    return made


def _against(found: Findings, candidate: Candidate, rank: int) -> list[str]:
    against: list[str] = []
    if not NAMED & {e.kind for e in candidate.evidence}:
        against.append("The report names neither this file nor anything defined in it: the match is by words only.")
    rivals = [c for c in found.candidates[:4] if c.path != candidate.path and c.share > 0.5 * candidate.share]
    if rivals:
        names = ", ".join(f"`{c.path}`" for c in rivals[:2])
        against.append(f"{names} match{'es' if len(rivals) == 1 else ''} nearly as well or better.")
    if rank == 0 and not found.query.frames and not found.query.code.strip():
        against.append("The report has no stack trace and no code to check this against.")
    if found.sites and found.sites[0].path != candidate.path:
        against.append(f"The quoted message stands in `{found.sites[0].path}:{found.sites[0].line}`, not here.")
    return against or ["Nothing found; nobody has run the code yet."]


def _recent_change(found: Findings) -> list[Hypothesis]:
    if not found.suspects or not (found.regression or "named in the report" in found.suspects[0].reason):
        return []
    suspect = found.suspects[0]
    said = "The report says that it used to work." if found.regression else "The report names the commit."
    return [
        Hypothesis(
            statement=f"Commit {suspect.sha[:10]} “{suspect.title[:100]}” brought the change in behaviour.",
            confidence=0.45 if "named in the report" in suspect.reason else 0.25,
            evidence_for=[said, _sentence(f"It {suspect.reason}")],
            evidence_against=["Nothing but time, files and words links it to the report; no bisection was run."],
            refuted_by=f"The reproduction fails on the parent, `{suspect.sha[:10]}^`, too.",
        )
    ]


def _sentence(text: str) -> str:
    """Evidence is told in clauses about a file that the statement has named."""
    text = text[:1].upper() + text[1:]
    return text if text.endswith(".") else f"{text}."
