"""Jobs, their logs and what they left behind."""

import asyncio
from typing import Any

import msgspec
from aiohttp import web

from messaging.ports import Stored
from schemas import subjects
from schemas.base import decode
from schemas.jobs import Report
from schemas.logs import LogChunk
from services.gateway import fixing
from services.gateway.agent_jobs import agent_job
from services.gateway.handlers.fixes import view_of
from services.gateway.job_index import JobView, Place, place_of
from services.gateway.problems import invalid, not_found, unavailable
from services.gateway.shapes import fixes as shapes
from services.gateway.shapes.base import Page
from services.gateway.table import Answer, Call, Route

RAW_PAGE = 500


async def list_jobs(call: Call) -> Answer:
    """All jobs of the project, newest first: a bare list, ``X-Next-Cursor`` when there are more."""
    query: shapes.JobQuery = call.query
    return await _list(call, query.limit, query.cursor, query.status, query.cluster_id)


async def cluster_jobs(call: Call) -> Answer:
    """Jobs of a cluster, newest first."""
    query: Page = call.query
    return await _list(call, query.limit, query.cursor, None, call.path("cluster_id"))


async def _list(call: Call, limit: int, cursor: str | None, status: str | None, cluster: str | None) -> Answer:
    index = call.gateway.jobs
    try:
        await asyncio.wait_for(index.ready.wait(), 10)
    except TimeoutError as why:
        raise unavailable("jobs", "The list of jobs is still being read.") from why

    def keep(view: JobView) -> bool:
        return (status is None or view.status == status) and (cluster is None or view.cluster_id == cluster)

    views, rest = index.page(call.project_id, limit=limit, after=_place(cursor), keep=keep)
    return Answer([agent_job(view) for view in views], headers={"X-Next-Cursor": rest} if rest else {})


def _place(cursor: str | None) -> Place | None:
    if not cursor:
        return None
    try:
        return place_of(cursor)
    except ValueError as why:
        raise invalid("cursor", str(why)) from why


async def get_job(call: Call) -> dict[str, Any]:
    """A job as stored now."""
    return agent_job(await view_of(call))


async def job_logs(call: Call) -> dict[str, Any]:
    """A part of the log after ``cursor``; ask again with ``next_cursor``, also while the job runs."""
    query: shapes.LogQuery = call.query
    view = await view_of(call)
    subject = subjects.logs(call.project_id, view.id)
    stored = await call.gateway.bus.page(subjects.LOGS, subject, after=query.cursor, limit=query.limit + 1)
    if not stored and view.terminal:
        archived = await _archive(call, view)
        if archived:
            return _page(call, view, "archive", archived, query, query.cursor)
    entries = [(message.sequence, message.data) for message in stored]
    return _page(call, view, "stream", entries, query, 0)


async def _archive(call: Call, view: JobView) -> list[tuple[int, bytes]]:
    """The archived log, when the stream holds nothing of the job any more; cursors are then line numbers."""
    if await call.gateway.bus.last(subjects.LOGS, subjects.logs(call.project_id, view.id)) is not None:
        return []
    data = await call.gateway.bus.objects().get(f"logs/{call.project_id}/{view.id}.ndjson")
    return [(number, line) for number, line in enumerate((data or b"").splitlines(), 1) if line.strip()]


def _page(
    call: Call, view: JobView, source: str, found: list[tuple[int, bytes]], query: shapes.LogQuery, after: int
) -> dict[str, Any]:
    rest = [(number, data) for number, data in found if number > after]
    entries = rest[: query.limit]
    chunks = [decode(data, LogChunk) for _, data in entries]
    return {
        "job_id": view.id,
        "project_id": call.project_id,
        "source": source,
        "chunks": [text_of(chunk) for chunk in chunks],
        "entries": [
            {"id": number, **msgspec.to_builtins(chunk)} for (number, _), chunk in zip(entries, chunks, strict=True)
        ],
        "cursor": query.cursor,
        "next_cursor": entries[-1][0] if entries else query.cursor,
        "has_more": len(rest) > len(entries),
    }


def text_of(chunk: LogChunk) -> str:
    """The chunk as it was printed: a line that goes on in the next chunk has no newline yet."""
    text = "\n".join(chunk.lines)
    return text if chunk.partial or not chunk.lines else text + "\n"


async def raw_log(call: Call) -> web.StreamResponse:
    """The whole log as text, streamed."""
    view = await view_of(call)
    response = web.StreamResponse(headers={"Content-Disposition": f'inline; filename="{view.id}.log"'})
    response.content_type, response.charset = "text/plain", "utf-8"
    await response.prepare(call.request)
    archived = await _archive(call, view) if view.terminal else []
    for _, line in archived:
        await response.write(text_of(decode(line, LogChunk)).encode("utf-8", "replace"))
    after = 0
    while page := await _next(call, view, after):
        after = page[-1].sequence
        text = "".join(text_of(decode(message.data, LogChunk)) for message in page)
        await response.write(text.encode("utf-8", "replace"))
    await response.write_eof()
    return response


async def _next(call: Call, view: JobView, after: int) -> list[Stored]:
    return await call.gateway.bus.page(
        subjects.LOGS, subjects.logs(call.project_id, view.id), after=after, limit=RAW_PAGE
    )


async def patch(call: Call) -> web.Response:
    """The newest diff that an attempt made or saved, also of a job that failed, was cancelled or still runs."""
    view = await view_of(call)
    data = await call.gateway.bus.objects().get(view.patch_key) if view.patch_key else None
    if data is None:
        raise not_found("The job has no patch", "no_patch")
    return web.Response(
        body=data,
        headers={
            "Content-Type": "text/x-diff; charset=utf-8",
            "Content-Disposition": f'inline; filename="{view.id}.diff"',
        },
    )


async def report(call: Call) -> dict[str, Any]:
    """What was verified, and what the patch gate found."""
    job = await fixing.job_of(call.gateway, call.project_id, call.path("job_id"))
    if job.report is None:
        raise not_found("The job has no report yet", "no_report")
    return msgspec.to_builtins(job.report)  # type: ignore[no-any-return]


ROUTES = (
    Route(
        method="GET",
        path="/jobs",
        handler=list_jobs,
        summary="List jobs, newest first",
        tag="jobs",
        role="viewer",
        query=shapes.JobQuery,
        answer=list[shapes.AgentJob],
        also=(503,),
        headers={"X-Next-Cursor": "Cursor of the next page; absent on the last."},
    ),
    Route(
        method="GET",
        path="/clusters/{cluster_id}/jobs",
        handler=cluster_jobs,
        summary="Jobs of a cluster, newest first",
        tag="jobs",
        role="viewer",
        query=Page,
        answer=list[shapes.AgentJob],
        also=(503,),
        headers={"X-Next-Cursor": "Cursor of the next page; absent on the last."},
    ),
    Route(
        method="GET",
        path="/jobs/{job_id}",
        handler=get_job,
        summary="A job",
        tag="jobs",
        role="viewer",
        answer=shapes.AgentJob,
        also=(404,),
    ),
    Route(
        method="GET",
        path="/jobs/{job_id}/logs",
        handler=job_logs,
        summary="A part of a job's log",
        tag="logs",
        role="viewer",
        query=shapes.LogQuery,
        answer=shapes.LogPage,
        also=(404,),
    ),
    Route(
        method="GET",
        path="/jobs/{job_id}/logs/raw",
        handler=raw_log,
        summary="The whole log as text",
        tag="logs",
        role="viewer",
        media="text/plain",
        also=(404,),
    ),
    Route(
        method="GET",
        path="/jobs/{job_id}/patch",
        handler=patch,
        summary="The diff: what the job has done, also one that runs, failed or was cancelled",
        tag="jobs",
        role="viewer",
        media="text/x-diff",
        also=(404,),
    ),
    Route(
        method="GET",
        path="/jobs/{job_id}/report",
        handler=report,
        summary="Verification and gate report",
        tag="jobs",
        role="viewer",
        answer=Report,
        also=(404,),
    ),
)
