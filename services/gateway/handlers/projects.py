"""Users, projects and API keys."""

from datetime import timedelta
from typing import Any

import msgspec

from messaging.ports import Conflict
from runtime import ids
from schemas import triage_results as results
from schemas.projects import ApiKey, Project, User
from services.gateway import auth, repositories
from services.gateway.handlers.config import change_project
from services.gateway.problems import Problem, invalid, not_found
from services.gateway.shapes import house as shapes
from services.gateway.shapes.base import Ok
from services.gateway.source_settings import changed, stored
from services.gateway.table import Call, Route


def shown(project: Project) -> dict[str, Any]:
    """A project without its settings."""
    return {
        "id": project.id,
        "user_id": project.user_id,
        "name": project.name,
        "created_at": project.created_at,
        "default_repo_url": project.default_repo_url,
        "runner": stored(project, "fix").get("runner"),
        "concurrency": stored(project, "fix").get("concurrency"),
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
    """Rename a project, or choose repository, runner and concurrency of its fixes."""
    body: shapes.ProjectEdit = call.body
    values = body.model_dump(exclude_unset=True)
    if "name" in values and values["name"] is None:
        raise invalid("name", "must not be null")
    if values.get("default_repo_url"):
        _check_repository(call, values["default_repo_url"])
    await _scope(call)
    fix: dict[str, Any] = {name: values.pop(name) for name in ("runner", "concurrency") if name in values}
    project = await change_project(call, lambda held: changed(msgspec.structs.replace(held, **values), "fix", fix))
    return {"project": shown(project)}


async def delete_project(call: Call) -> dict[str, Any]:
    """Remove a project with every report and cluster it has."""
    await _scope(call)
    if call.project_id == call.gateway.settings.default_project:
        raise Problem(409, "default_project", "The default project cannot be deleted; set DEFAULT_PROJECT first.")
    live = call.gateway.jobs.count({call.project_id}, lambda view: not view.terminal)
    if live:
        raise Problem(409, "jobs_running", f"{live} jobs of the project are still running; cancel them first.")
    deleted: results.Deleted = await call.gateway.triage.value(
        "delete_project", call.project_id, actor=call.who, seconds=60.0
    )
    directory = call.gateway.directory
    for key in [key for key in directory.keys.values.values() if key.project_id == call.project_id]:
        await directory.keys.drop(key.id)
    await directory.projects.drop(call.project_id)
    return {"status": "ok", "project_id": call.project_id, **msgspec.to_builtins(deleted)}


async def _scope(call: Call) -> None:
    """The project is the one in the path."""
    call.project_id = call.path("project_id")
    if call.principal is None or not call.principal.sees(call.project_id):
        raise Problem(404, "project_not_found", "Project not found")
    await call.gateway.project(call.project_id)


def _check_repository(call: Call, url: str) -> None:
    repositories.check(url, local=call.gateway.settings.allows_local_repositories, field="default_repo_url")


def key_shown(key: ApiKey) -> dict[str, Any]:
    """A key without its digest."""
    return {name: getattr(key, name) for name in shapes.Key.model_fields}


async def list_keys(call: Call) -> dict[str, Any]:
    """Keys, newest first."""
    found = [key for key in call.gateway.directory.keys.values.values() if _manages(call, key.project_id)]
    return {"items": [key_shown(key) for key in sorted(found, key=lambda key: key.created_at, reverse=True)]}


async def create_key(call: Call) -> dict[str, Any]:
    """A key; shown this once, stored as a hash."""
    body: shapes.NewKey = call.body
    gateway = call.gateway
    gateway.sealing()
    assert gateway.pepper is not None
    project_id = body.project_id or (call.principal.project if call.principal else None)
    if not _manages(call, project_id):
        raise Problem(404, "project_not_found", "Project not found")
    if project_id is not None:
        await gateway.project(project_id)
    key_id, secret = auth.new_key()
    now = gateway.clock.now()
    key = ApiKey(
        id=key_id,
        digest=auth.digest(gateway.pepper, secret),
        project_id=project_id,
        role=body.role,
        name=body.name,
        created_at=now,
        expires_at=now + timedelta(days=body.days),
    )
    await gateway.directory.keys.create(key_id, key)
    return {**key_shown(key), "key": secret}


async def revoke_key(call: Call) -> dict[str, Any]:
    """A key that opens nothing any more, on every replica within milliseconds."""
    shelf = call.gateway.directory.keys
    key = await shelf.find(call.path("key_id"))
    if key is None or not _manages(call, key.project_id):
        raise not_found("Key not found")
    await shelf.put(key.id, msgspec.structs.replace(key, revoked=True))
    return {"status": "ok"}


def _manages(call: Call, project_id: str | None) -> bool:
    """An admin of one project manages that project's keys; of all projects, all."""
    mine = call.principal.project if call.principal else None
    return mine is None or mine == project_id


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
    Route(
        method="GET",
        path="/keys",
        handler=list_keys,
        summary="List API keys",
        tag="keys",
        role="admin",
        project=False,
        answer=shapes.Keys,
    ),
    Route(
        method="POST",
        path="/keys",
        handler=create_key,
        summary="Make an API key",
        tag="keys",
        role="admin",
        project=False,
        body=shapes.NewKey,
        answer=shapes.KeyMade,
        status=201,
        also=(404, 503),
    ),
    Route(
        method="DELETE",
        path="/keys/{key_id}",
        handler=revoke_key,
        summary="Revoke an API key",
        tag="keys",
        role="admin",
        project=False,
        answer=Ok,
        also=(404,),
    ),
)
