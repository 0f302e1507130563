"""API keys: shown once, stored as hashes, revoked at once."""

from datetime import timedelta
from typing import Any

import msgspec

from schemas.projects import ApiKey
from services.gateway import auth
from services.gateway.problems import Problem, not_found
from services.gateway.shapes import house as shapes
from services.gateway.shapes.base import Ok
from services.gateway.table import Call, Route


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
    project_id = body.project_id or (call.principal.only_project if call.principal else None)
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
    """An admin of some projects manages the keys of those; of all projects, all."""
    return call.principal is None or call.principal.may("admin", project_id)


ROUTES = (
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
