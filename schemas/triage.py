"""Calls to triage: ``triage.<operation>`` request/reply. ``OPERATIONS`` names each with its request and result type.

A reply is ``{"ok": <result>}`` or ``{"error": <CallError>}``; ``result_of`` reads one. A reply stays below the broker's
payload limit: a page may hold fewer items than ``limit`` while ``next_cursor`` is set; ask again with that cursor.
``actor`` is who did it, as the history will show it (``user:<id>``, ``key:<name>``).
"""

from typing import Any, Final

import msgspec

from schemas import triage_results as results
from schemas.base import Message, Part, decode


class CallError(Part, frozen=True, kw_only=True):
    """Why a call failed. ``status`` is the HTTP status the gateway answers with, ``retry_after`` seconds."""

    status: int
    code: str
    detail: str
    errors: list[results.FieldError] = []
    retry_after: float | None = None


class Reply(Message, frozen=True, kw_only=True):
    """What comes back from every ``triage.<operation>``."""

    ok: msgspec.Raw = msgspec.Raw(b"null")
    error: CallError | None = None


class CallFailed(Exception):
    """Raised by ``result_of`` when triage answered with an error."""

    def __init__(self, error: CallError) -> None:
        super().__init__(f"{error.status} {error.code}: {error.detail}")
        self.error = error


def result_of(operation: str, data: bytes) -> Any:
    """The typed result of a reply to ``operation``; raises CallFailed with triage's error."""
    reply = decode(data, Reply)
    if reply.error is not None:
        raise CallFailed(reply.error)
    return msgspec.json.decode(reply.ok, type=OPERATIONS[operation][1])


class Call(Message, frozen=True, kw_only=True):
    """Every request names its project; used as it is by ``stats``, ``clustering_status``, ``analyze``."""

    project_id: str


class FeedbackListCall(Call, frozen=True, kw_only=True):
    """``q`` is full text; ``cursor`` wins over ``offset``; ``clustered`` False gives only reports without a cluster."""

    source: str | None = None
    status: str | None = None
    cluster_id: str | None = None
    level: str | None = None
    environment: str | None = None
    clustered: bool | None = None
    q: str | None = None
    limit: int = 100
    offset: int = 0
    cursor: str | None = None


class IdCall(Call, frozen=True, kw_only=True):
    """One thing by its id: ``feedback_get``, ``cluster_job_get``."""

    id: str


class EditCall(Call, frozen=True, kw_only=True):
    """``feedback_update`` (title, body, raw_text, metadata, repo, github_repo_url, status) and ``cluster_edit``
    (title, summary, github_repo_url, status, dismissed_reason, snooze_more: int | None; ``reason`` is told with them).

    Only the keys present in ``changes`` change; a bad one is answered 422 with its field, and nothing is stored.
    """

    id: str
    changes: dict[str, Any]
    actor: str = "user"


class ClusterListCall(Call, frozen=True, kw_only=True):
    """Newest cluster first. ``limit`` None means all (the kept route); pages follow ``next_cursor``."""

    status: str | None = None
    source: str | None = None
    severity: str | None = None
    q: str | None = None
    min_count: int = 1
    include_snoozed: bool = True
    limit: int | None = None
    cursor: str | None = None


class ClusterGetCall(Call, frozen=True, kw_only=True):
    """``limit`` reports of the cluster from ``cursor`` on."""

    id: str
    limit: int = 200
    cursor: str | None = None


class MergeCall(Call, frozen=True, kw_only=True):
    """``cluster_ids`` become part of ``id``; remembered as must-link."""

    id: str
    cluster_ids: list[str]
    actor: str = "user"


class SplitCall(Call, frozen=True, kw_only=True):
    """``feedback_ids`` leave ``id`` for a new cluster; remembered as cannot-link."""

    id: str
    feedback_ids: list[str]
    title: str | None = None
    actor: str = "user"


class MoveCall(Call, frozen=True, kw_only=True):
    """``feedback_id`` leaves ``id`` for the cluster ``to`` (``new``: a cluster of its own)."""

    id: str
    feedback_id: str
    to: str
    actor: str = "user"


class UndoCall(Call, frozen=True, kw_only=True):
    """Revert the newest manual change of this cluster, or the one named."""

    id: str
    entry_id: str | None = None
    actor: str = "user"


class PageCall(Call, frozen=True, kw_only=True):
    """A page of something: ``cluster_history`` (``id`` set), ``cluster_job_list``, ``export``."""

    id: str | None = None
    limit: int = 100
    cursor: str | None = None


class CleanupCall(Call, frozen=True, kw_only=True):
    """Merge near-duplicate clusters; ``preview`` only tells which."""

    preview: bool = False
    actor: str = "user"


class ActorCall(Call, frozen=True, kw_only=True):
    """``cluster_job_create``, ``delete_project``."""

    actor: str = "user"


class ProposalCall(Call, frozen=True, kw_only=True):
    """Accept a proposal (merge, or split), or refuse it for ever: remembered as cannot-link, or must-link."""

    id: str
    accept: bool
    actor: str = "user"


class ImportCall(Call, frozen=True, kw_only=True):
    """Lines of an export (any project's): up to 900 kB a call. Ids are derived anew for ``project_id``."""

    lines: list[str]
    actor: str = "user"


class SearchCall(Call, frozen=True, kw_only=True):
    """Full text over reports and clusters."""

    q: str
    limit: int = 20


class QuotaCall(Message, frozen=True, kw_only=True):
    """How much the named projects (one user's) hold together."""

    project_ids: list[str]


class Nothing(Message, frozen=True, kw_only=True):
    """A request without parameters."""


OPERATIONS: Final[dict[str, tuple[type[Any], type[Any]]]] = {
    "feedback_list": (FeedbackListCall, results.FeedbackPage),
    "feedback_get": (IdCall, results.FeedbackView),
    "feedback_update": (EditCall, results.FeedbackView),
    "stats": (Call, results.Stats),
    "quota": (QuotaCall, results.Quota),
    "search": (SearchCall, results.SearchResult),
    "cluster_list": (ClusterListCall, results.ClusterPage),
    "cluster_get": (ClusterGetCall, results.ClusterDetail),
    "cluster_edit": (EditCall, results.ClusterView),
    "cluster_merge": (MergeCall, results.ClustersChanged),
    "cluster_split": (SplitCall, results.ClustersChanged),
    "cluster_move": (MoveCall, results.ClustersChanged),
    "cluster_undo": (UndoCall, results.ClustersChanged),
    "cluster_history": (PageCall, results.HistoryPage),
    "proposal_list": (PageCall, results.ProposalPage),
    "proposal_decide": (ProposalCall, results.ClustersChanged),
    "analyze": (Call, results.Analysis),
    "cleanup": (CleanupCall, results.Cleanup),
    "cluster_job_create": (ActorCall, results.ClusterJob),
    "cluster_job_list": (PageCall, results.ClusterJobPage),
    "cluster_job_get": (IdCall, results.ClusterJob),
    "clustering_status": (Call, results.ClusteringStatus),
    "export": (PageCall, results.ExportPage),
    "import": (ImportCall, results.ImportResult),
    "delete_project": (ActorCall, results.Deleted),
    "health": (Nothing, results.Health),
}
