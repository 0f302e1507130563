"""Which people may sign in with GitHub, and what they may do in which project. Pure.

Two lists: the setting GITHUB_ALLOWED_LOGINS for the whole installation, and one list a project, kept in
``Project.settings["access"]`` and edited by its admins. Both are read at each request, so a name taken off a list is
out at once; membership of an organisation is read from GitHub at sign-in.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from schemas.base import Part
from schemas.projects import Project
from services.gateway.auth import ROLES, higher

ACCESS: Final = "access"
NAME: Final = re.compile(r"^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,38})\Z", re.ASCII)
Kind = Literal["user", "org"]


class Grant(Part, frozen=True, kw_only=True):
    """A login or an organisation, lower case, and its role in ``project`` (None: in every project)."""

    kind: Kind
    name: str
    role: str
    project: str | None = None


def parse(text: str) -> tuple[Grant, ...]:
    """``ann=admin, org:acme=viewer, bob=operator@shop``; raises ValueError that names the wrong item.

    A name without a role is a viewer, a role without a project holds in all.
    """
    return tuple(_grant(item.strip()) for item in text.split(",") if item.strip())


def _grant(item: str) -> Grant:
    who, _, what = item.partition("=")
    role, _, project = what.partition("@")
    who, role, project = who.strip(), role.strip() or "viewer", project.strip()
    kind: Kind = "org" if who.lower().startswith("org:") else "user"
    name = who[4:] if kind == "org" else who
    if not NAME.match(name):
        raise ValueError(f"`{item}` does not begin with a GitHub login or org:NAME")
    if role not in ROLES:
        raise ValueError(f"`{item}`: {role} is none of {', '.join(ROLES)}")
    return Grant(kind=kind, name=name.lower(), role=role, project=project or None)


def of_project(project: Project) -> tuple[Grant, ...]:
    """The list a project keeps."""
    kept = project.settings.get(ACCESS)
    found = kept.get("grants") if isinstance(kept, dict) else None
    try:
        grants = msgspec.convert(found or [], list[Grant])
    except msgspec.ValidationError:
        return ()
    return tuple(msgspec.structs.replace(grant, project=project.id) for grant in grants)


def granted(grants: Sequence[Grant], one: Grant) -> list[Grant]:
    """A list with one name's role set."""
    return [*revoked(grants, one.kind, one.name), one]


def revoked(grants: Sequence[Grant], kind: str, name: str) -> list[Grant]:
    """A list without one name."""
    return [held for held in grants if (held.kind, held.name) != (kind, name.lower())]


def roles_of(login: str, orgs: Iterable[str], grants: Iterable[Grant]) -> tuple[str, dict[str, str]]:
    """The role a person holds in every project (empty for none), and the roles held in single ones."""
    names = {("user", login.lower()), *(("org", org.lower()) for org in orgs)}
    wide, roles = "", dict[str, str]()
    for grant in grants:
        if (grant.kind, grant.name) not in names:
            continue
        if grant.project is None:
            wide = higher(wide, grant.role)
        else:
            roles[grant.project] = higher(roles.get(grant.project, ""), grant.role)
    return wide, roles


def all_grants(setting: str, projects: Mapping[str, Project]) -> list[Grant]:
    """Both lists. The setting was checked at start."""
    return [*parse(setting), *(grant for project in projects.values() for grant in of_project(project))]


def admins(grants: Iterable[Grant], project: str | None) -> list[str]:
    """Whom to ask for a role: the people that are admin of a project; None: of every project."""
    found = {g.name for g in grants if g.role == "admin" and g.kind == "user" and g.project in (None, project)}
    return sorted(found)
