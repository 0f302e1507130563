"""Clusters: seen, corrected by hand, analysed."""

from typing import Any

import msgspec

from schemas import triage_results as results
from services.gateway import repositories
from services.gateway.problems import Problem, invalid
from services.gateway.shapes import clusters as shapes
from services.gateway.shapes.base import Page
from services.gateway.table import Answer, Call


async def list_clusters(call: Call) -> Answer:
    """A bare list, as ever; ``X-Next-Cursor`` when ``limit`` cut it."""
    query: shapes.ClusterQuery = call.query
    filters = query.model_dump(exclude={"limit", "cursor"}, exclude_none=True)
    page = await call.gateway.triage.collect("cluster_list", call.project_id, query.limit, query.cursor, **filters)
    headers = {"X-Total-Count": str(page.total)}
    if page.next_cursor:
        headers["X-Next-Cursor"] = page.next_cursor
    return Answer(page.items, headers=headers)


async def get_cluster(call: Call) -> msgspec.Raw:
    """A cluster with its reports."""
    query: shapes.DetailQuery = call.query
    return await call.gateway.triage.ask(
        "cluster_get", call.project_id, id=call.path("cluster_id"), limit=query.limit, cursor=query.cursor
    )


async def edit_cluster(call: Call) -> msgspec.Raw:
    """Write title, summary, repository or status; kept against later automatic updates."""
    body: shapes.ClusterEdit = call.body
    changes = body.model_dump(exclude_unset=True)
    reason = changes.pop("reason", None)
    if reason is not None:
        changes.setdefault("dismissed_reason", reason)
    for field in ("title", "summary", "status"):
        if field in changes and changes[field] is None:
            raise invalid(field, "must not be null")
    if changes.get("github_repo_url"):
        repositories.check(
            changes["github_repo_url"], local=call.gateway.settings.allows_local_repositories, field="github_repo_url"
        )
    if not changes:
        raise invalid("body", "names nothing to change")
    return await _change(call, "cluster_edit", changes=changes)


async def merge_clusters(call: Call) -> msgspec.Raw:
    """Take other clusters into this one."""
    body: shapes.Merge = call.body
    if call.path("cluster_id") in body.cluster_ids:
        raise invalid("cluster_ids", "names the cluster itself")
    return await _change(call, "cluster_merge", cluster_ids=body.cluster_ids)


async def split_cluster(call: Call) -> msgspec.Raw:
    """Take reports out into a cluster of their own."""
    body: shapes.Split = call.body
    return await _change(call, "cluster_split", feedback_ids=body.feedback_ids, title=body.title)


async def move_feedback(call: Call) -> msgspec.Raw:
    """Put one report into another cluster."""
    body: shapes.Move = call.body
    return await _change(call, "cluster_move", feedback_id=body.feedback_id, to=body.to)


async def undo_cluster(call: Call) -> msgspec.Raw:
    """Take back the newest manual change, or the one named."""
    body: shapes.Undo = call.body
    return await _change(call, "cluster_undo", entry_id=body.entry_id)


async def _change(call: Call, operation: str, **values: Any) -> msgspec.Raw:
    return await call.gateway.triage.ask(
        operation, call.project_id, id=call.path("cluster_id"), actor=call.who, **values
    )


async def cluster_history(call: Call) -> msgspec.Raw:
    """What happened to a cluster, newest first."""
    query: Page = call.query
    return await call.gateway.triage.ask(
        "cluster_history", call.project_id, id=call.path("cluster_id"), limit=query.limit, cursor=query.cursor
    )


async def list_proposals(call: Call) -> msgspec.Raw:
    """Merges and splits that late evidence proposes."""
    query: Page = call.query
    return await call.gateway.triage.ask("proposal_list", call.project_id, limit=query.limit, cursor=query.cursor)


async def decide_proposal(call: Call) -> msgspec.Raw:
    """Accept (it is done) or refuse (never again)."""
    body: shapes.Decision = call.body
    return await call.gateway.triage.ask(
        "proposal_decide", call.project_id, id=call.path("proposal_id"), accept=body.accept, actor=call.who
    )


async def analyze_clusters(call: Call) -> msgspec.Raw:
    """Cohesion of each cluster, and which to split how."""
    return await call.gateway.triage.ask("analyze", call.project_id, seconds=60.0)


async def cleanup_clusters(call: Call) -> msgspec.Raw:
    """Merge near-duplicates; ``preview`` only tells which."""
    body: shapes.CleanupWish = call.body
    return await call.gateway.triage.ask("cleanup", call.project_id, preview=body.preview, actor=call.who, seconds=60.0)


async def create_cluster_job(call: Call) -> dict[str, object]:
    """Cluster what waits, now."""
    job: results.ClusterJob = await call.gateway.triage.value("cluster_job_create", call.project_id, actor=call.who)
    return {"job_id": job.id, "status": job.status, "project_id": call.project_id}


async def list_cluster_jobs(call: Call) -> msgspec.Raw:
    """Runs of the clustering, newest first."""
    query: shapes.ClusterJobQuery = call.query
    return await call.gateway.triage.ask("cluster_job_list", call.project_id, limit=query.limit, cursor=query.cursor)


async def get_cluster_job(call: Call) -> msgspec.Raw:
    """One run of the clustering."""
    return await call.gateway.triage.ask("cluster_job_get", call.project_id, id=call.path("job_id"))


async def clustering_status(call: Call) -> msgspec.Raw:
    """What waits to be clustered."""
    return await call.gateway.triage.ask("clustering_status", call.project_id)


async def export_project(call: Call) -> Answer:
    """All reports, clusters, constraints and history, as JSON lines; ``X-Next-Cursor`` until it is whole."""
    query: Page = call.query
    page: results.ExportPage = await call.gateway.triage.value(
        "export", call.project_id, limit=query.limit, cursor=query.cursor
    )
    headers = {"X-Next-Cursor": page.next_cursor} if page.next_cursor else {}
    return Answer(page, headers=headers)


async def import_project(call: Call) -> dict[str, object]:
    """Take in lines of an export; ids are made anew for this project."""
    body: shapes.ImportLines = call.body
    total = results.ImportResult()
    for start, lines in _batches(body.lines, 700_000):
        part: results.ImportResult = await call.gateway.triage.value(
            "import", call.project_id, lines=lines, actor=call.who, seconds=60.0
        )
        total = results.ImportResult(
            feedback=total.feedback + part.feedback,
            clusters=total.clusters + part.clusters,
            constraints=total.constraints + part.constraints,
            skipped=total.skipped + part.skipped,
            errors=[*total.errors, *(_shifted(error, start) for error in part.errors)],
        )
    if total.errors and not (total.feedback or total.clusters or total.constraints or total.skipped):
        errors = [{"field": error.field, "reason": error.reason} for error in total.errors[:50]]
        raise Problem(422, "invalid", "No line could be read.", errors=errors)
    return msgspec.to_builtins(total)  # type: ignore[no-any-return]


def _batches(lines: list[str], size: int) -> list[tuple[int, list[str]]]:
    found: list[tuple[int, list[str]]] = []
    used = size
    for index, line in enumerate(lines):
        length = len(line.encode()) + 8
        if used + length > size:
            found.append((index, []))
            used = 0
        found[-1][1].append(line)
        used += length
    return found


def _shifted(error: results.FieldError, start: int) -> results.FieldError:
    return results.FieldError(
        field=error.field, reason=f"from line {start + 1}: {error.reason}" if start else error.reason
    )
