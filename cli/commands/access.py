"""``projects``, ``keys`` and ``access``: who may do what where."""

from typing import Annotated, Any

import typer

from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, Yes, confirm, output_format, with_gateway
from cli.output import emit, say

ROLES = ("ingest", "viewer", "triager", "operator", "admin")
keys = typer.Typer(no_args_is_help=True, help="API keys: list, make, revoke.")
access = typer.Typer(no_args_is_help=True, help="Who may sign in with GitHub to a project, and as what.")
RoleOption = Annotated[str, typer.Option("--role", help=f"{', '.join(ROLES)}.")]


def _role(value: str) -> str:
    if value in ROLES:
        return value
    raise CliError(f"there is no role {value}", next_step=f"one of {', '.join(ROLES)}", code=Exit.USAGE)


def projects(output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Projects that you may see."""
    found = with_gateway(gateway, api_key, project, lambda session: session.call("GET", "/projects"))
    columns = [("ID", "id"), ("Name", "name"), ("Repository", "default_repo_url"), ("Runner", "runner")]
    emit(found["projects"], fmt=output_format(output), columns=columns, empty="No project is open to you.")


def whoami(output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Who you are to the gateway, and your role."""
    found = with_gateway(gateway, api_key, project, lambda session: session.call("GET", "/session"))
    columns = [("Name", "name"), ("Role", "role"), ("Project", "project_id"), ("May", "may")]
    emit(found, fmt=output_format(output), columns=columns)


@keys.command("list")
def keys_list(output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Keys, newest first; never the keys themselves."""
    found = with_gateway(gateway, api_key, project, lambda session: session.call("GET", "/keys"))
    columns = [("ID", "id"), ("Name", "name"), ("Role", "role"), ("Project", "project_id")]
    columns += [("Expires", "expires_at"), ("Revoked", "revoked")]
    emit(found["items"], fmt=output_format(output), columns=columns, empty="No keys but the admin key.")


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="What it is for.")],
    role: RoleOption = "viewer",
    days: Annotated[int, typer.Option(min=1, max=365, help="How long it works.")] = 365,
    everywhere: Annotated[bool, typer.Option("--all-projects", help="For every project, not only this one.")] = False,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Make a key and print it, this once: it is stored as a hash."""
    fmt = output_format(output)
    wanted = _role(role)

    async def act(session: Any) -> dict[str, Any]:
        scope = None if everywhere else session.target.project
        body = {"name": name, "role": wanted, "days": days, "project_id": scope}
        made: dict[str, Any] = await session.call("POST", "/keys", body=body)
        return made

    made = with_gateway(gateway, api_key, project, act)
    if fmt == "table":
        typer.echo(made["key"])
        where = f"project {made['project_id']}" if made["project_id"] else "all projects"
        say(f"Key {made['id']}: {made['role']} in {where} until {str(made['expires_at'])[:10]}. It is not shown again.")
    else:
        emit(made, fmt=fmt)


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="The key's id, as listed.")],
    yes: Yes = False,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """End a key, and every session made with it."""
    confirm(f"Revoke key {key_id}?", yes=yes)
    with_gateway(gateway, api_key, project, lambda session: session.call("DELETE", f"/keys/{key_id}"))
    say(f"Revoked {key_id}.")


def _members(found: dict[str, Any], output: str) -> None:
    columns = [("Kind", "kind"), ("Name", "name"), ("Role", "role"), ("From", "from")]
    emit(found["items"], fmt=output_format(output), columns=columns, empty="Nobody is on this project's list.")
    if "github" not in found["sign_in"]:
        say("GitHub sign-in is not configured here (GITHUB_OAUTH_CLIENT_ID): the list opens nothing yet.")


def _who(name: str) -> tuple[str, str]:
    return ("org", name[4:]) if name.lower().startswith("org:") else ("user", name)


Who = Annotated[str, typer.Argument(help="A GitHub login, or org:NAME.")]


@access.command("list")
def access_list(output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Who may sign in to the project; `installation` means GITHUB_ALLOWED_LOGINS."""

    async def act(session: Any) -> dict[str, Any]:
        found: dict[str, Any] = await session.call("GET", f"/projects/{session.target.project}/access")
        return found

    _members(with_gateway(gateway, api_key, project, act), output)


@access.command("grant")
def access_grant(
    name: Who,
    role: RoleOption = "viewer",
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Let a person or an organisation in, or change its role."""
    kind, login = _who(name)
    body = {"kind": kind, "name": login, "role": _role(role)}

    async def act(session: Any) -> dict[str, Any]:
        path = f"/projects/{session.target.project}/access"
        found: dict[str, Any] = await session.call("POST", path, body=body)
        return found

    _members(with_gateway(gateway, api_key, project, act), output)


@access.command("revoke")
def access_revoke(
    name: Who, output: Output = "table", gateway: Url = None, api_key: Key = None, project: Project = None
) -> None:
    """Take a name off the project's list; open sessions end."""
    kind, login = _who(name)

    async def act(session: Any) -> dict[str, Any]:
        path = f"/projects/{session.target.project}/access/{kind}/{login}"
        found: dict[str, Any] = await session.call("DELETE", path)
        return found

    _members(with_gateway(gateway, api_key, project, act), output)
