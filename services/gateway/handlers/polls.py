"""How far the sources that are polled have been read, and what went wrong."""

from typing import Any

from schemas import subjects
from schemas.collector import PollState
from services.gateway.shapes.feedback import Polls
from services.gateway.table import Call, Route


async def list_polls(call: Call) -> dict[str, Any]:
    """One entry a repository, subreddit or PostHog project, by source and name."""
    states = await call.gateway.bus.state(subjects.KV_COLLECTOR, PollState).items(call.project_id)
    found = [entry.value for entry in states if entry.value is not None]
    return {
        "items": sorted(found, key=lambda state: (state.source, state.name)),
        "project_id": call.project_id,
    }


ROUTES = (
    Route(
        method="GET",
        path="/polls",
        handler=list_polls,
        summary="Polled sources: progress, last error, when next",
        tag="operations",
        role="viewer",
        answer=Polls,
        also=(503,),
    ),
)
