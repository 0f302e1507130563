"""Whether two fixes are about the same work. Pure: the gateway asks before it accepts, the orchestrator as well.

Files are compared within one repository. A pull request says what it changed. A job that runs says only what its plan
expects, so there one of the two best candidates has to be shared: the third candidates of two plans share hub files.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from schemas.clusters import Cluster, ClusterStatus, Evidence
from schemas.jobs import Similar
from schemas.plans import Plan

TOP_FILES: Final = 3
_CHANGED_KEPT: Final = 20
_LIKE: Final = 20
_SHOWN: Final = 3
_MARKS: Final = 40
#: Most changes touch them, so sharing one says nothing about the work.
_COMMON: Final = re.compile(
    r"(^|/)(tests?|testing|spec|specs|__tests__|docs?)/|(^|/)(test_[^/]*|[^/]*[._-](test|spec)s?\.\w+)$"
    r"|(^|/)(changelog|changes|history|news|readme|authors)[^/]*$|\.(md|rst|lock|snap)$|(^|/)package-lock\.json$",
    re.IGNORECASE,
)


class Footprint(msgspec.Struct, frozen=True, kw_only=True):
    """What a fix is about: ``files`` best first (``pr_url`` set: the files it changed), ``marks`` of its reports."""

    job_id: str
    cluster_id: str
    project_id: str
    repo_url: str = ""
    files: list[str] = []
    marks: list[str] = []
    pr_url: str | None = None


def planned_files(plan: Plan | None) -> list[str]:
    """The files a plan most expects to change."""
    return [candidate.path for candidate in plan.candidate_files[:TOP_FILES]] if plan else []


def changed_files(paths: Iterable[str]) -> list[str]:
    """The files of a patch that tell its work from others': no tests, documents or lock files."""
    return [path for path in paths if not _COMMON.search(path)][:_CHANGED_KEPT]


def marks_of(cluster: Cluster) -> list[str]:
    """What two clusters share only when their reports tell of one problem: a report, its page, the crash."""
    found = dict.fromkeys(mark for evidence in cluster.evidence for mark in _marks(evidence))
    return list(found)[:_MARKS]


def _marks(evidence: Evidence) -> Iterator[str]:
    yield f"report {evidence.feedback_id}"
    if evidence.url and evidence.source in ("sentry", "datadog", "github"):
        yield f"page {evidence.url[:300]}"
    ours = [frame for frame in evidence.frames if frame.in_app and (frame.file or frame.module)]
    if evidence.exception_type and ours:
        place = ours[-1]  # innermost
        where = "/".join((place.file or place.module).replace("\\", "/").split("/")[-2:])
        yield f"crash {evidence.exception_type[:100]} in {where[-150:]} {place.function[:100]}".rstrip()


def address(repo_url: str) -> str:
    """A repository's address in the form in which two spellings of it are equal."""
    return repo_url.strip().removeprefix("file://").rstrip("/").removesuffix(".git").lower()


def reason(mine: Footprint, other: Footprint) -> str | None:
    """Why ``other`` is open work of the same kind, None when it is not."""
    what = "has an open pull request" if other.pr_url else "is being worked on"
    if mine.cluster_id == other.cluster_id:
        return f"this cluster {what}"
    shared = next((mark for mark in mine.marks if mark in other.marks), None)
    if shared is not None:
        return f"a cluster with the same {_told(shared)} {what}"
    if address(mine.repo_url) != address(other.repo_url):
        return None
    files = [path for path in mine.files if path in other.files]
    best = (*mine.files[:1], *other.files[:1])
    if not files or (other.pr_url is None and not any(path in best for path in files)):
        return None
    verb = "changes" if other.pr_url else "is expected to change"
    return f"it {verb} {', '.join(files)}, which this plan names as well"


class _Head(msgspec.Struct, frozen=True):
    status: ClusterStatus = "new"


def still_open(cluster: bytes | None) -> bool:
    """Whether a cluster's last message says that its pull request waits. Nobody could close one that triage forgot.

    ``fixing``: triage has not yet read that the pull request was opened.
    """
    return cluster is not None and msgspec.json.decode(cluster, type=_Head).status in ("fixing", "pr_opened")


def _told(mark: str) -> str:
    kind, _, what = mark.partition(" ")
    return {"report": "report", "page": f"page of its source ({what})"}.get(kind, f"crash ({what})")


def refusal(found: list[Similar]) -> str:
    """Similar work in one sentence for people."""
    parts = [f"job {one.job_id} ({one.pr_url or 'running'}): {one.reason}" for one in found[:_SHOWN]]
    more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"Similar work is open: {'; '.join(parts)}{more}."


class OpenWork:
    """Footprints of live jobs and pull requests, found by what they share: many others cost nothing."""

    def __init__(self) -> None:
        self._known: dict[str, Footprint] = {}
        self._places: dict[tuple[str, str], set[str]] = defaultdict(set)

    def put(self, work: Footprint) -> None:
        """Learn of open work, or what changed about it."""
        if self._known.get(work.job_id) == work:
            return
        self.drop(work.job_id)
        self._known[work.job_id] = work
        for token in _tokens(work):
            self._places[work.project_id, token].add(work.job_id)

    def drop(self, job_id: str) -> None:
        """It is over, or was never known."""
        work = self._known.pop(job_id, None)
        if work is None:
            return
        for token in _tokens(work):
            place = self._places[work.project_id, token]
            place.discard(job_id)
            if not place:
                del self._places[work.project_id, token]

    def like(self, mine: Footprint) -> list[Similar]:
        """Work of the same kind, at most 20. Whether a pull request is still open is for the caller to find out."""
        near = {job for token in _tokens(mine) for job in self._places.get((mine.project_id, token), ())}
        found = []
        for job_id in sorted(near - {mine.job_id}, reverse=True):
            other = self._known[job_id]
            why = reason(mine, other)
            if why is not None:
                found.append(Similar(job_id=job_id, cluster_id=other.cluster_id, pr_url=other.pr_url, reason=why))
            if len(found) == _LIKE:
                break
        return found


def _tokens(work: Footprint) -> list[str]:
    return [f"cluster {work.cluster_id}", *work.marks, *(f"file {path}" for path in work.files)]
