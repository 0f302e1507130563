"""Users and projects."""

from typing import Any, Final

import msgspec

from messaging.ports import Conflict
from runtime import ids
from schemas import triage_results as results
from schemas.projects import Project, User
from services.gateway import repositories
from services.gateway.dispatch import authorise_in
from services.gateway.erasure import erase
from services.gateway.handlers.config import change_project
from services.gateway.problems import Problem, invalid
from services.gateway.shapes import house as shapes
from services.gateway.shapes.base import Ok
from services.gateway.source_settings import changed, stored
from services.gateway.table import Call, Route

FIX: Final = ("runner", "agent", "concurrency", "fork", "follow_ups", "budget")  # what ``settings.fix`` holds


def shown(project: Project) -> dict[str, Any]:
    """A project without its settings."""
    return {
        "id": project.id,
        "user_id": project.user_id,
        "name": project.name,
        "created_at": project.created_at,
        "default_repo_url": project.default_repo_url,
        **{name: stored(project, "fix").get(name) for name in FIX},
    }


async def create_user(call: Call) -> dict[str, Any]:
    """A user with a first project; the same again for the same e-mail address or GitHub id."""
    body: shapes.NewUser = call.body
    if body.email is None and body.github_id is None:
        raise invalid("email", "email or github_id is required")
    directory, now = call.gateway.directory, call.gateway.clock.now()
    user_id = ids.derived("user", f"github:{body.github_id}" if body.github_id else f"mail:{str(body.email).lower()}")
    user = await directory.users.find(user_id)
    if user is None:
        user = User(id=user_id, email=body.email, github_id=body.github_id, created_at=now, default_project_id=user_id)
        await directory.users.put(user_id, user)
    project = await directory.projects.find(user.default_project_id)
    if project is None:
        project = Project(id=user.default_project_id, name="My Project", user_id=user_id, created_at=now)
        await directory.projects.put(project.id, project)
    return {
        "user": {"id": user.id, "email": user.email, "github_id": user.github_id, "created_at": user.created_at},
        "default_project": shown(project),
    }


async def list_projects(call: Call) -> dict[str, Any]:
    """Projects that the caller's key reaches, of one user or of all."""
    query: shapes.ProjectQuery = call.query
    found = [
        project
        for project in call.gateway.directory.projects.values.values()
        if (query.user_id is None or project.user_id == query.user_id)
        and (call.principal is None or call.principal.sees(project.id))
    ]
    return {"projects": [shown(project) for project in sorted(found, key=lambda item: (item.created_at, item.id))]}


async def create_project(call: Call) -> dict[str, Any]:
    """A project; the same again for the same owner, 409 for another."""
    body: shapes.NewProject = call.body
    if body.default_repo_url:
        _check_repository(call, body.default_repo_url)
    project = Project(
        id=body.project_id or body.user_id,
        name=body.name,
        user_id=body.user_id,
        created_at=call.gateway.clock.now(),
        default_repo_url=body.default_repo_url,
    )
    shelf = call.gateway.directory.projects
    try:
        await shelf.create(project.id, project)
    except Conflict:
        entry = await shelf.state.get(shelf.key(project.id))
        held = entry.value if entry else None
        if held is None or held.user_id != body.user_id:
            raise Problem(409, "project_taken", "This project belongs to another user.") from None
        project = held
    return {"project": shown(project)}


async def edit_project(call: Call) -> dict[str, Any]:
    """Rename a project, or choose how it is fixed: repository, runner, agent, concurrency, forks and so on."""
    body: shapes.ProjectEdit = call.body
    values = body.model_dump(exclude_unset=True)
    if "name" in values and values["name"] is None:
        raise invalid("name", "must not be null")
    if values.get("default_repo_url"):
        _check_repository(call, values["default_repo_url"])
    await scope(call)
    fix: dict[str, Any] = {name: values.pop(name) for name in FIX if name in values}
    project = await change_project(call, lambda held: changed(msgspec.structs.replace(held, **values), "fix", fix))
    return {"project": shown(project)}


async def delete_project(call: Call) -> dict[str, Any]:
    """Remove a project with every report and cluster it has."""
    await scope(call)
    if call.project_id == call.gateway.settings.default_project:
        raise Problem(409, "default_project", "The default project cannot be deleted; set DEFAULT_PROJECT first.")
    live = call.gateway.jobs.count({call.project_id}, lambda view: not view.terminal)
    if live:
        raise Problem(409, "jobs_running", f"{live} jobs of the project are still running; cancel them first.")
    deleted: results.Deleted = await call.gateway.triage.value(
        "delete_project", call.project_id, actor=call.who, seconds=60.0
    )
    deleted = msgspec.structs.replace(
        deleted, messages=deleted.messages + await erase(call.gateway.bus, call.project_id)
    )
    directory = call.gateway.directory
    for key in [key for key in directory.keys.values.values() if key.project_id == call.project_id]:
        await directory.keys.drop(key.id)
    await directory.projects.drop(call.project_id)
    return {"status": "ok", "project_id": call.project_id, **msgspec.to_builtins(deleted)}


async def scope(call: Call) -> None:
    """The project is the one in the path."""
    call.project_id = call.path("project_id")
    if call.principal is None or not call.principal.sees(call.project_id):
        raise Problem(404, "project_not_found", "Project not found")
    await call.gateway.project(call.project_id)
    authorise_in(call, call.project_id)


def _check_repository(call: Call, url: str) -> None:
    repositories.check(url, local=call.gateway.settings.allows_local_repositories, field="default_repo_url")


ROUTES = (
    Route(
        method="POST",
        path="/users",
        handler=create_user,
        summary="Make or find a user",
        tag="projects",
        role="admin",
        project=False,
        instance=True,
        body=shapes.NewUser,
        answer=shapes.UserMade,
    ),
    Route(
        method="GET",
        path="/projects",
        handler=list_projects,
        summary="List projects",
        tag="projects",
        role="viewer",
        project=False,
        query=shapes.ProjectQuery,
        answer=shapes.Projects,
    ),
    Route(
        method="POST",
        path="/projects",
        handler=create_project,
        summary="Make a project",
        tag="projects",
        role="admin",
        project=False,
        instance=True,
        body=shapes.NewProject,
        answer=shapes.ProjectMade,
        also=(409,),
    ),
    Route(
        method="PATCH",
        path="/projects/{project_id}",
        handler=edit_project,
        summary="Change a project",
        tag="projects",
        role="admin",
        project=False,
        body=shapes.ProjectEdit,
        answer=shapes.ProjectMade,
        also=(404,),
    ),
    Route(
        method="DELETE",
        path="/projects/{project_id}",
        handler=delete_project,
        summary="Delete a project and all it holds",
        tag="projects",
        role="admin",
        project=False,
        answer=Ok,
        also=(404, 409, 503),
    ),
)
