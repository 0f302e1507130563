"""Which function answers which ``triage.<operation>``."""

from typing import Final

from services.triage.advice import analyze, cleanup
from services.triage.calls import Operation
from services.triage.cluster_queries import (
    cluster_get,
    cluster_history,
    cluster_job_create,
    cluster_job_get,
    cluster_job_list,
    cluster_list,
    clustering_status,
    health,
    proposal_list,
)
from services.triage.corrections import cluster_merge, cluster_move, cluster_split
from services.triage.deciding import proposal_decide
from services.triage.edits import cluster_edit, cluster_undo, feedback_update
from services.triage.erasure import delete_project
from services.triage.importing import import_
from services.triage.queries import feedback_get, feedback_list, quota, search, stats
from services.triage.transfer import export

TABLE: Final[dict[str, Operation]] = {
    "feedback_list": feedback_list,
    "feedback_get": feedback_get,
    "feedback_update": feedback_update,
    "stats": stats,
    "quota": quota,
    "search": search,
    "cluster_list": cluster_list,
    "cluster_get": cluster_get,
    "cluster_edit": cluster_edit,
    "cluster_merge": cluster_merge,
    "cluster_split": cluster_split,
    "cluster_move": cluster_move,
    "cluster_undo": cluster_undo,
    "cluster_history": cluster_history,
    "proposal_list": proposal_list,
    "proposal_decide": proposal_decide,
    "analyze": analyze,
    "cleanup": cleanup,
    "cluster_job_create": cluster_job_create,
    "cluster_job_list": cluster_job_list,
    "cluster_job_get": cluster_job_get,
    "clustering_status": clustering_status,
    "export": export,
    "import": import_,
    "delete_project": delete_project,
    "health": health,
}
