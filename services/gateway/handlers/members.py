"""Who may sign in with GitHub to a project, and with which role; edited by the project's admins."""

from collections.abc import Callable, Sequence
from typing import Any

from schemas.projects import Project
from services.gateway import access
from services.gateway.access import Grant
from services.gateway.handlers.config import change_project
from services.gateway.handlers.projects import scope
from services.gateway.problems import Problem, not_found
from services.gateway.shapes import house as shapes
from services.gateway.source_settings import changed
from services.gateway.table import Call, Route


def shown(call: Call) -> dict[str, Any]:
    """The project's own list and what the whole installation's adds to it."""
    project = call.gateway.directory.projects.values[call.project_id]
    wide = [
        grant
        for grant in access.parse(call.gateway.settings.github_allowed_logins)
        if grant.project in (None, call.project_id)
    ]
    own = [(grant, "project") for grant in access.of_project(project)]
    rows = [*own, *((grant, "installation") for grant in wide)]
    return {
        "items": [{"kind": g.kind, "name": g.name, "role": g.role, "from": source} for g, source in rows],
        "project_id": call.project_id,
        "sign_in": call.gateway.settings.sign_in_ways,
    }


async def list_members(call: Call) -> dict[str, Any]:
    """People and organisations that may sign in with GitHub; ``from`` says which list names them."""
    await scope(call)
    return shown(call)


async def grant_role(call: Call) -> dict[str, Any]:
    """Let a login or an organisation in, or change its role; it holds from the next request on."""
    body: shapes.NewMember = call.body
    await scope(call)
    one = Grant(kind=body.kind, name=body.name.lower(), role=body.role)
    await _change(call, lambda held: access.granted(held, one))
    return shown(call)


async def revoke_role(call: Call) -> dict[str, Any]:
    """Take a name off the project's list; open sessions and streams of theirs end."""
    await scope(call)
    kind, name = call.path("kind"), call.path("name").lower()
    project = await call.gateway.project(call.project_id)
    if not any((held.kind, held.name) == (kind, name) for held in access.of_project(project)):
        raise not_found(f"{name} is not on this project's list.")
    await _change(call, lambda held: access.revoked(held, kind, name))
    return shown(call)


async def _change(call: Call, decide: Callable[[Sequence[Grant]], list[Grant]]) -> None:
    def decided(project: Project) -> Project:
        grants = decide(access.of_project(project))
        if len(grants) > 500:
            raise Problem(409, "too_many", "A project's list holds at most 500 names; grant an organisation instead.")
        kept = [{"kind": grant.kind, "name": grant.name, "role": grant.role} for grant in grants]
        return changed(project, access.ACCESS, {"grants": kept})

    await change_project(call, decided)


ROUTES = (
    Route(
        method="GET",
        path="/projects/{project_id}/access",
        handler=list_members,
        summary="Who may sign in with GitHub",
        tag="projects",
        role="admin",
        project=False,
        answer=shapes.Members,
        also=(404,),
    ),
    Route(
        method="POST",
        path="/projects/{project_id}/access",
        handler=grant_role,
        summary="Let a GitHub login or organisation in",
        tag="projects",
        role="admin",
        project=False,
        body=shapes.NewMember,
        answer=shapes.Members,
        also=(404, 409),
    ),
    Route(
        method="DELETE",
        path="/projects/{project_id}/access/{kind}/{name}",
        handler=revoke_role,
        summary="Take a GitHub login or organisation off the list",
        tag="projects",
        role="admin",
        project=False,
        answer=shapes.Members,
        also=(404,),
    ),
)
