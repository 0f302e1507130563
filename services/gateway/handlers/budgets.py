"""What a project has spent on its agents, and what is left."""

from typing import Any

import msgspec

from schemas.budgets import budget_of, is_spent
from schemas.projects import Project
from services.gateway.context import Gateway
from services.gateway.handlers.projects import scope
from services.gateway.shapes.house import ProjectBudget
from services.gateway.table import Call, Route


def shown(gateway: Gateway, project: Project) -> dict[str, Any]:
    """The budget now, from the jobs' own books."""
    budget = budget_of(project.settings.get("fix"))
    periods = gateway.jobs.ledger.standing(project.id, budget, gateway.clock.now())
    spent = any(is_spent(period) for period in periods)
    return {"project_id": project.id, "spent": spent, "periods": msgspec.to_builtins(periods)}


async def get_budget(call: Call) -> dict[str, Any]:
    """The day's and the month's tokens and money: spent, limit, left."""
    await scope(call)
    return shown(call.gateway, await call.gateway.project(call.project_id))


ROUTES = (
    Route(
        method="GET",
        path="/projects/{project_id}/budget",
        handler=get_budget,
        summary="What the project has spent and has left",
        tag="projects",
        role="viewer",
        project=False,
        answer=ProjectBudget,
        also=(404,),
    ),
)
