"""Reports as triage keeps them."""

import msgspec

from schemas import triage_results as results
from services.gateway.problems import invalid
from services.gateway.shapes.clusters import SearchQuery
from services.gateway.shapes.feedback import FeedbackEdit, FeedbackEdited, FeedbackQuery
from services.gateway.table import Call, Route


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """FeedbackPage with items kept as JSON."""

    items: list[msgspec.Raw]
    total: int
    limit: int
    offset: int
    project_id: str
    next_cursor: str | None = None


async def list_feedback(call: Call) -> Page:
    """Newest first; ``cursor`` wins over ``offset``."""
    query: FeedbackQuery = call.query
    filters = query.model_dump(exclude={"limit", "cursor", "offset"}, exclude_none=True)
    if query.cursor is None and query.offset:
        filters["offset"] = query.offset
    page = await call.gateway.triage.collect(
        "feedback_list", call.project_id, query.limit, query.cursor, first_only=("offset",), **filters
    )
    return Page(
        items=page.items,
        total=page.total,
        limit=query.limit,
        offset=query.offset,
        project_id=call.project_id,
        next_cursor=page.next_cursor,
    )


async def get_feedback(call: Call) -> msgspec.Raw:
    """One report, whole."""
    return await call.gateway.triage.ask("feedback_get", call.project_id, id=call.path("feedback_id"))


async def update_feedback(call: Call) -> dict[str, object]:
    """Change fields of a report; only those sent."""
    body: FeedbackEdit = call.body
    changes = body.model_dump(exclude_unset=True)
    if not changes:
        raise invalid("body", "names nothing to change")
    item = await call.gateway.triage.ask(
        "feedback_update", call.project_id, id=call.path("feedback_id"), changes=changes, actor=call.who
    )
    return {"status": "ok", "item": item}


async def stats(call: Call) -> msgspec.Raw:
    """Counts."""
    return await call.gateway.triage.ask("stats", call.project_id)


async def search(call: Call) -> msgspec.Raw:
    """Full text over reports and clusters."""
    query: SearchQuery = call.query
    return await call.gateway.triage.ask("search", call.project_id, q=query.q, limit=query.limit)


ROUTES = (
    Route(
        method="GET",
        path="/feedback",
        handler=list_feedback,
        summary="List and search reports",
        tag="feedback",
        role="viewer",
        query=FeedbackQuery,
        answer=results.FeedbackPage,
        also=(503,),
    ),
    Route(
        method="GET",
        path="/feedback/{feedback_id}",
        handler=get_feedback,
        summary="One report",
        tag="feedback",
        role="viewer",
        answer=results.FeedbackView,
        also=(404, 503),
    ),
    Route(
        method="PUT",
        path="/feedback/{feedback_id}",
        handler=update_feedback,
        summary="Edit a report",
        tag="feedback",
        role="triager",
        body=FeedbackEdit,
        answer=FeedbackEdited,
        also=(404, 503),
    ),
    Route(
        method="GET",
        path="/stats",
        handler=stats,
        summary="Counts of the project",
        tag="feedback",
        role="viewer",
        answer=results.Stats,
        also=(503,),
    ),
    Route(
        method="GET",
        path="/search",
        handler=search,
        summary="Search reports and clusters",
        tag="feedback",
        role="viewer",
        query=SearchQuery,
        answer=results.SearchResult,
        also=(503,),
    ),
)
