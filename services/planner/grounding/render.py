"""A plan as Markdown, for a terminal and for people."""

from __future__ import annotations

from collections.abc import Iterable

from services.planner.grounding.model import PlanDraft

_FILES_SHOWN = 8


def as_text(plan: PlanDraft) -> str:
    """The whole plan; candidate files beyond the first eight by path only."""
    parts = [f"# {plan.title}", plan.summary, f"Base commit {plan.base_commit}. Confidence {plan.confidence:.0%}."]
    parts.append("## Candidate files\n" + "\n".join(_candidates(plan)))
    parts.append("## Hypotheses\n" + "\n".join(_hypotheses(plan)))
    if plan.suspect_commits:
        parts.append(
            _section(
                "Suspect commits",
                (f"{c.sha[:10]} “{c.title}” by {c.author}: {c.reason}." for c in plan.suspect_commits),
            )
        )
    parts.append("## Reproduction to write first\n" + plan.reproduction)
    parts.append("## Steps\n" + "\n".join(f"{n}. {step}" for n, step in enumerate(plan.steps, 1)))
    checks = (f"{v.title}: `{v.command}`" if v.command else v.title for v in plan.validation_steps)
    parts.append(_section("Validation", checks))
    if plan.setup_commands:
        parts.append(_section("Set up", (f"`{c}`" for c in plan.setup_commands)))
    if plan.nearest_tests:
        parts.append(_section("Nearest tests", (f"`{t.path}`: {t.reason}" for t in plan.nearest_tests)))
    parts.append(_section("Risks", plan.risks))
    parts.append(f"## Expected size\n{plan.expected_size}")
    parts.append(_section("Notes", plan.notes))
    return "\n\n".join(parts)


def _section(title: str, lines: Iterable[str]) -> str:
    return f"## {title}\n" + "\n".join(f"- {line}" for line in lines)


def _candidates(plan: PlanDraft) -> list[str]:
    lines: list[str] = []
    for number, candidate in enumerate(plan.candidate_files[:_FILES_SHOWN], 1):
        symbols = ", ".join(f"{s.name} {s.start_line}-{s.end_line}" for s in candidate.symbols[:4])
        lines.append(f"{number}. `{candidate.path}` ({_share(candidate.share)}){f': {symbols}' if symbols else ''}")
        lines += [f"   - {e.detail}" for e in candidate.evidence[:3]]
    rest = plan.candidate_files[_FILES_SHOWN:]
    if rest:
        lines.append("Then: " + ", ".join(f"`{c.path}`" for c in rest))
    return lines or ["None."]


def _hypotheses(plan: PlanDraft) -> list[str]:
    lines: list[str] = []
    for number, one in enumerate(plan.hypotheses, 1):
        lines.append(f"{number}. ({one.confidence:.0%}) {one.statement}")
        lines += [f"   - for: {text}" for text in one.evidence_for]
        lines += [f"   - against: {text}" for text in one.evidence_against]
        lines.append(f"   - refuted if: {one.refuted_by}")
    return lines or ["None: nothing in the repository matches the report."]


def _share(value: float) -> str:
    """A share of the belief in percent; what rounds to nothing is said as little, not as none."""
    return f"{value:.0%}" if value >= 0.005 else "under 1%"
