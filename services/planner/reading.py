"""A cluster as the planner reads it: cleaned reports, frames, and what had to be taken out. Pure."""

from typing import Final

import msgspec

from runtime.untrusted import clean, clean_line
from schemas.clusters import Cluster, Evidence
from schemas.feedback import Frame
from services.planner.grounder import At, Said

_REPORTS: Final = 20
_BODY: Final = 16_000
_FRAMES: Final = 60


class Reports(msgspec.Struct, frozen=True, kw_only=True):
    """``title`` of the cluster; ``notes`` name each report that held something no person sees."""

    title: str
    said: list[Said]
    frames: list[At]
    notes: list[str]


def read_cluster(cluster: Cluster) -> Reports:
    """The cluster's evidence, or its own title and description when it has none."""
    notes: list[str] = []
    evidence = cluster.evidence[:_REPORTS] or [_own_words(cluster)]
    said = [_read(report, notes) for report in evidence]
    frames = next((report.frames for report in evidence if report.frames), [])
    return Reports(
        title=clean_line(cluster.issue_title or cluster.title) or "Untitled cluster",
        said=said,
        frames=[at for frame in frames[-_FRAMES:] if (at := _frame(frame)) is not None],
        notes=notes,
    )


def _own_words(cluster: Cluster) -> Evidence:
    title = cluster.issue_title or cluster.title
    body = cluster.issue_description or cluster.summary
    source = cluster.sources[0] if cluster.sources else "manual"
    return Evidence(feedback_id=cluster.id, source=source, title=title, body=body, trust=cluster.trust)


def _read(report: Evidence, notes: list[str]) -> Said:
    title, body = clean(report.title, 1000), clean(report.body, _BODY)
    findings = [*title.findings, *body.findings]
    if findings:
        notes.append(
            f"Taken out of report {report.feedback_id} ({report.source}, {report.trust}) before it was read: "
            + "; ".join(findings[:6])
            + "."
        )
    return Said(
        id=report.feedback_id,
        source=report.source,
        title=clean_line(report.title),
        body=_with_exception(report, body.text),
        trust=report.trust,
    )


def _with_exception(report: Evidence, body: str) -> str:
    """The exception's type joins the words when a source delivered it apart from them."""
    name = clean_line(report.exception_type or "", 200)
    return body if not name or name in body else f"{body}\n\n{name}"


def _frame(frame: Frame) -> At | None:
    path = clean_line(frame.file or frame.module.replace(".", "/"), 400)
    if not path or frame.in_app is False:
        return None
    return At(path=path, line=max(0, frame.line or 0), function=clean_line(frame.function, 200))
