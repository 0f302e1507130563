"""Reading JSON bodies from strangers: pure, bounded in depth, exact about the field that is wrong."""

import json
import re
from typing import Any, Final, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from services.gateway.problems import Problem, invalid

MAX_DEPTH: Final = 64
MIB: Final = 1024 * 1024
M = TypeVar("M", bound=BaseModel)

_STRUCTURE: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{}]|"', re.DOTALL)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def depth(data: bytes, limit: int = MAX_DEPTH) -> int:
    """How deep arrays and objects nest, counted without recursion; stops counting above ``limit``."""
    level = deepest = 0
    for match in _STRUCTURE.finditer(data):
        mark = data[match.start()]
        if mark in b"[{":
            level += 1
            deepest = max(deepest, level)
            if deepest > limit:
                break
        elif mark in b"]}":
            level -= 1
    return deepest


def parse(data: bytes, *, nul: bool = False) -> Any:
    """The JSON value of a body. Problem 400 for anything that is not UTF-8 JSON, 422 for depth and NUL.

    Lone surrogates (half an emoji, cut by a sender that counts UTF-16 units) become U+FFFD; so do NULs where ``nul``
    allows them: a program's event may hold its memory, and its vendor would not send it again.
    """
    if not data.strip():
        raise Problem(400, "empty_body", "The body is empty; send a JSON document.")
    if depth(data) > MAX_DEPTH:
        raise invalid("body", f"is nested deeper than {MAX_DEPTH} levels")
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as why:
        value = _without_surrogates(data, why)
    field = nul_field(value)
    if field is None:
        return value
    if not nul:
        raise invalid(field or "body", "contains a NUL character")
    return _without_nuls(value)


def _without_nuls(value: Any) -> Any:
    """Recursive: the depth of the value is known to be small."""
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, dict):
        return {_without_nuls(key): _without_nuls(inner) for key, inner in value.items()}
    return [_without_nuls(inner) for inner in value] if isinstance(value, list) else value


def _without_surrogates(data: bytes, why: Exception) -> Any:
    if b"\\ud" not in data.lower():
        raise Problem(400, "bad_json", f"The body is not valid JSON: {why}") from why
    try:
        text = json.dumps(json.loads(data), ensure_ascii=False, allow_nan=False)
        return msgspec.json.decode(_SURROGATE.sub("\ufffd", text))
    except (ValueError, UnicodeError, msgspec.MsgspecError) as again:
        raise Problem(400, "bad_json", f"The body is not valid JSON: {again}") from again


def nul_field(value: Any) -> str | None:
    """The path of the first text that holds a NUL, which no database and no file name can keep; else None."""
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, str):
            if "\x00" in item:
                return path
        elif isinstance(item, dict):
            for key, inner in item.items():
                if "\x00" in key:
                    return path or "body"
                stack.append((f"{path}.{key}" if path else key, inner))
        elif isinstance(item, list):
            stack.extend((f"{path}[{index}]", inner) for index, inner in enumerate(item))
    return None


def model(type_: type[M], value: Any) -> M:
    """The value as ``type_``; Problem 422 naming every field that is wrong."""
    try:
        return type_.model_validate_json(msgspec.json.encode(value), strict=True)
    except ValidationError as why:
        raise validation_problem(why) from why


def query(type_: type[M], values: dict[str, str]) -> M:
    """Query parameters as ``type_``, numbers read from text."""
    field = nul_field(dict(values))
    if field is not None:
        raise invalid(field, "contains a NUL character")
    try:
        return type_.model_validate(values, strict=False)
    except ValidationError as why:
        raise validation_problem(why) from why


def validation_problem(why: ValidationError) -> Problem:
    """Pydantic's findings as ``errors[]`` with dotted field paths; the values themselves are not repeated."""
    errors = [{"field": _path(item["loc"]) or "body", "reason": item["msg"]} for item in why.errors(include_url=False)]
    first = errors[0]
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return Problem(422, "invalid", f"{first['field']}: {first['reason']}{more}", errors=errors[:50])


def _path(parts: tuple[int | str, ...]) -> str:
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else (f".{part}" if text else part)
    return text[:200]
