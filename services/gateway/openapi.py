"""OpenAPI 3.1 from the route table. ``python -m services.gateway.openapi`` prints it, ``--write F``, ``--check F``."""

import argparse
import json
import re
import sys
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import msgspec
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.gateway.problems import CONTENT_TYPE, title
from services.gateway.routes import TABLE
from services.gateway.shapes.base import ProblemDocument
from services.gateway.table import NoQuery, Route

VERSION: Final = "0.1.0"
REFS: Final = "#/components/schemas/"
_PARAMETER: Final = re.compile(r"{(\w+)}")
REQUEST_HEADERS: Final = {
    "X-GitHub-Token": "A GitHub token for this request's repository. Sealed, given to the runner once, then gone.",
    "If-Match": "The ETag of the version you have seen; 412 when there is a newer one.",
    "Last-Event-ID": "The last event id you have seen; the stream goes on after it.",
    "Idempotency-Key": "1 to 255 printable ASCII characters. The same key and body gives the same answer for 24 hours.",
}
ABOUT: Final = (
    "Every error is an RFC 9457 problem document. `project_id` scopes everything. Lists are newest first. "
    "Event streams resume with `Last-Event-ID`."
)


def document(table: Iterable[Route] = TABLE) -> dict[str, Any]:
    """The whole document."""
    routes = list(table)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Soulcaster", "version": VERSION, "description": ABOUT},
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in dict.fromkeys(route.tag for route in routes)],
        "paths": paths,
        "components": {
            "schemas": schemas(routes),
            "responses": problems(routes),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "An API key."},
                "session": {"type": "apiKey", "in": "cookie", "name": "soulcaster_session"},
            },
        },
    }


def operation(route: Route) -> dict[str, Any]:
    """One operation object."""
    found: dict[str, Any] = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": _description(route),
        "tags": [route.tag],
        "parameters": parameters(route),
        "responses": responses(route),
        "security": [{"key": []}, {"session": []}] if route.role else [],
    }
    if route.signed:
        found["security"] = [{}, {"key": []}]
    if route.reads_body:
        schema = _ref(route.body) if route.body else {"type": "object"}
        found["requestBody"] = {
            "required": not route.body_optional,
            "content": {"application/json": {"schema": schema}},
        }
    return found


def operation_id(route: Route) -> str:
    """Unique: the handler's name where one handler serves one path, else with the path."""
    shared = sum(1 for other in TABLE if other.handler is route.handler) > 1
    tail = re.sub(r"\W+", "_", route.path).strip("_")
    return f"{route.name}_{tail}" if shared else route.name


def _description(route: Route) -> str:
    text = " ".join((route.handler.__doc__ or "").split())
    role = f"Least role: `{route.role}`." if route.role else "Open to all."
    return f"{text} {'Signed by its source, or with an API key.' if route.signed else role}".strip()


def parameters(route: Route) -> list[dict[str, Any]]:
    """Path, query and header parameters."""
    found: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.path)
    ]
    if route.project:
        found.append(
            {
                "name": "project_id",
                "in": "query",
                "required": False,
                "description": "The project; the default project when missing, 400 when there is none.",
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
            }
        )
    if route.query is not NoQuery:
        found += _query(route.query)
    names = (*route.takes, *(("Idempotency-Key",) if route.starts_work else ()))
    return found + [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": REQUEST_HEADERS[name],
            "schema": {"type": "string"},
        }
        for name in names
    ]


def _query(model: type[BaseModel]) -> list[dict[str, Any]]:
    schema = model.model_json_schema()
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "in": "query",
            "required": name in required,
            **({"description": part["description"]} if "description" in part else {}),
            "schema": {key: value for key, value in part.items() if key not in ("description", "title")},
        }
        for name, part in schema.get("properties", {}).items()
    ]


def responses(route: Route) -> dict[str, Any]:
    """The success and every problem the table names."""
    found: dict[str, Any] = {str(route.status): _success(route)}
    for status in problem_statuses(route):
        found[str(status)] = {"$ref": f"#/components/responses/Problem{status}"}
    if route.path.endswith("/plan") and route.method == "POST":
        found["201"] = _success(route)
    if route.media == "text/event-stream":
        found["204"] = {"description": "Nothing will follow; do not reconnect."}
    return found


def problems(routes: list[Route]) -> dict[str, Any]:
    """The problem responses that operations refer to."""
    content = {CONTENT_TYPE: {"schema": {"$ref": f"{REFS}ProblemDocument"}}}
    used = sorted({status for route in routes for status in problem_statuses(route)})
    return {f"Problem{status}": {"description": title(status), "content": content} for status in used}


def _success(route: Route) -> dict[str, Any]:
    found: dict[str, Any] = {"description": title(route.status)}
    if route.status not in (204, 302):
        json_ = route.media == "application/json"
        schema = answer_schema(route.answer) if json_ else {"type": "string"}
        found["content"] = {route.media: {"schema": schema}}
    if route.headers:
        found["headers"] = {
            name: {"description": text, "schema": {"type": "string"}} for name, text in route.headers.items()
        }
    return found


def problem_statuses(route: Route) -> list[int]:
    """Statuses above 399 that the route may answer with."""
    found = set(route.also) | {500}
    if route.project:
        found |= {400, 404, 422}
    if route.role or route.signed:
        found |= {401, 403}
    if route.reads_body:
        found |= {400, 408, 413, 415, 422}
    if "{" in route.path:
        found |= {404}
    if route.query is not NoQuery or route.takes or route.starts_work:
        found |= {422}
    if route.starts_work:
        found |= {409}
    if route.role is None and not route.signed:
        found |= {400, 401, 403}  # a bad key or a cross-site session is refused everywhere
    return sorted(found)


def answer_schema(answer: Any) -> dict[str, Any]:
    """The schema of a success."""
    if answer is None:
        return {}
    if typing.get_origin(answer) is list:
        return {"type": "array", "items": _ref(typing.get_args(answer)[0])}
    return _ref(answer)


def _ref(type_: Any) -> dict[str, Any]:
    return {"$ref": f"{REFS}{type_.__name__}"}


def schemas(routes: list[Route]) -> dict[str, Any]:
    """Every model named by the table. A name that two different models share is an error, not a silent merge."""
    answers = [_bare(route.answer) for route in routes if route.answer is not None]
    bodies = [route.body for route in routes if route.body is not None]
    structs = list(dict.fromkeys(type_ for type_ in answers if issubclass(type_, msgspec.Struct)))
    models = [type_ for type_ in answers if issubclass(type_, BaseModel)]
    wanted: list[tuple[type[BaseModel], typing.Literal["validation", "serialization"]]] = []
    wanted += [(type_, "serialization") for type_ in dict.fromkeys([*models, ProblemDocument])]
    wanted += [(type_, "validation") for type_ in dict.fromkeys(bodies)]
    _, pydantic_part = models_json_schema(wanted, ref_template=REFS + "{model}")
    _, struct_part = msgspec.json.schema_components(structs, ref_template=REFS + "{name}")
    ours = pydantic_part.get("$defs", {})
    if both := set(ours) & set(struct_part):
        raise ValueError(f"two models share a name: {sorted(both)}")
    merged: dict[str, Any] = {**ours, **struct_part}
    return {name: merged[name] for name in sorted(merged)}


def _bare(answer: Any) -> Any:
    return typing.get_args(answer)[0] if typing.get_origin(answer) is list else answer


def text() -> str:
    """The document as it is kept in ``docs/reference/openapi.json``."""
    return json.dumps(document(), indent=1, ensure_ascii=False, sort_keys=False) + "\n"


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m services.gateway.openapi", description=__doc__)
    parser.add_argument("--write", type=Path)
    parser.add_argument("--check", type=Path)
    options = parser.parse_args(argv)
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        options.write.write_text(text(), encoding="utf-8")
    elif options.check:
        if not options.check.is_file() or options.check.read_text(encoding="utf-8") != text():
            sys.stderr.write(f"{options.check} is not what the routes say; run with --write {options.check}\n")
            return 1
    else:
        sys.stdout.write(text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
