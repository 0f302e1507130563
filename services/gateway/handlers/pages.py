"""Pages for people: the reference, local pull requests, and the dashboard's files."""

from functools import lru_cache
from typing import Any

import msgspec
from aiohttp import web

from services.gateway import pull_page, reference
from services.gateway.problems import Problem, not_found
from services.gateway.table import Answer, Call, Route


def html_page(text: str) -> web.Response:
    """A self-contained page under a policy that runs nothing."""
    response = web.Response(text=text, content_type="text/html", charset="utf-8")
    response.headers["Content-Security-Policy"] = reference.POLICY
    return response


@lru_cache(maxsize=1)
def _documents() -> tuple[bytes, str]:
    from services.gateway import openapi  # the document is made from the table this module is part of

    document = openapi.document()
    return msgspec.json.encode(document), reference.render(document)


async def openapi_json(call: Call) -> web.Response:
    """OpenAPI 3.1."""
    return web.Response(body=_documents()[0], content_type="application/json")


async def docs(call: Call) -> web.Response:
    """The reference page."""
    return html_page(_documents()[1])


async def pull(call: Call) -> Answer | web.Response:
    """A pull request of the local forge: a page for browsers, its record for others."""
    project, job_id = call.path("project_id"), call.path("job_id")
    if call.principal is not None and not call.principal.sees(project):
        raise Problem(404, "project_not_found", "Project not found")
    data = await call.gateway.bus.objects().get(f"pulls/{project}/{job_id}.json")
    if data is None:
        raise not_found("Pull request not found")
    record = _record(data)
    if "text/html" not in call.request.headers.get("Accept", ""):
        return Answer(record)
    return html_page(pull_page.render(record, await _diff(call, project, job_id, record)))


def _record(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except msgspec.MsgspecError as why:
        raise not_found("Pull request not found: its record cannot be read") from why


async def _diff(call: Call, project: str, job_id: str, record: dict[str, Any]) -> str:
    kept = record.get("diff") or record.get("patch")
    if isinstance(kept, str):
        return kept
    entry = await call.gateway.jobs.state.get(f"{project}.{job_id}")
    key = entry.value.patch_key if entry and entry.value else None
    data = await call.gateway.bus.objects().get(key) if key else None
    return (data or b"").decode("utf-8", "replace")


ROUTES = (
    Route(
        method="GET",
        path="/pulls/{project_id}/{job_id}",
        handler=pull,
        summary="A pull request of the local forge",
        tag="jobs",
        role="viewer",
        project=False,
        also=(404, 503),
    ),
    Route(
        method="GET",
        path="/openapi.json",
        handler=openapi_json,
        summary="This document",
        tag="health",
        role=None,
        project=False,
    ),
    Route(
        method="GET",
        path="/docs",
        handler=docs,
        summary="The reference page",
        tag="health",
        role=None,
        project=False,
        media="text/html",
    ),
)
