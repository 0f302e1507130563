"""Settings: one documented frozen struct per process, read once from the environment. No other code reads it."""

import os
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)


class SettingsError(Exception):
    """A variable is missing or does not fit; the message names every one of them."""


def load(settings: type[S], environ: Mapping[str, str] | None = None) -> S:
    """The struct with each ``some_name`` read from ``SOME_NAME``; unset and empty variables take the default.

    Text becomes int, float, bool (``true false 1 0``) or a choice as the field's type says; lists are split at commas.
    Raises SettingsError naming all bad variables at once, never their values.
    """
    source = os.environ if environ is None else environ
    values: dict[str, Any] = {}
    problems: list[str] = []
    for field in msgspec.structs.fields(settings):
        variable = field.name.upper()
        raw = source.get(variable, "")
        if raw == "":
            if field.required:
                problems.append(f"{variable} is not set{_hint(field.type)}")
            continue
        try:
            values[field.name] = _convert(raw, field.type)
        except msgspec.ValidationError as error:
            problems.append(f"{variable}: {_without_value(str(error))}")
    if problems:
        raise SettingsError("Settings do not fit: " + "; ".join(problems) + ". See docs/reference/settings.md.")
    return settings(**values)


def describe(settings: type[msgspec.Struct]) -> list[tuple[str, str, str, str]]:
    """``(variable, type, default, meaning)`` of each field in order; a required field has the default ``required``."""
    rows = []
    for field in msgspec.structs.fields(settings):
        default = "required" if field.required else _default_text(field)
        rows.append((field.name.upper(), _type_text(field.type), default, _hint(field.type).removeprefix(": ")))
    return rows


def _convert(raw: str, type_: Any) -> Any:
    if _is_list(type_):
        return msgspec.convert([part.strip() for part in raw.split(",") if part.strip()], type_, strict=False)
    return msgspec.convert(raw, type_, strict=False)


def _bare(type_: Any) -> Any:
    return get_args(type_)[0] if get_origin(type_) is Annotated else type_


def _is_list(type_: Any) -> bool:
    return get_origin(_bare(type_)) in (list, tuple, set, frozenset)


def _hint(type_: Any) -> str:
    for extra in getattr(type_, "__metadata__", ()):
        if isinstance(extra, msgspec.Meta) and extra.description:
            return f": {extra.description}"
    return ""


def _default_text(field: msgspec.structs.FieldInfo) -> str:
    default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
    return str(default).lower() if isinstance(default, bool) else str(default)


def _type_text(type_: Any) -> str:
    bare = _bare(type_)
    origin = get_origin(bare)
    if origin is typing.Literal:
        return " | ".join(str(value) for value in get_args(bare))
    if origin in (Union, types.UnionType):
        return " | ".join(_type_text(part) for part in get_args(bare) if part is not type(None))
    if _is_list(bare):
        return "comma-separated " + _type_text(get_args(bare)[0])
    return getattr(bare, "__name__", str(bare))


def _without_value(message: str) -> str:
    # msgspec quotes the bad text of a wrong choice; a value pasted into the wrong variable may be a secret.
    return message.split(" '", 1)[0] if message.startswith("Invalid enum value") else message
