"""A plausible value of any wire struct, every field filled: what the golden samples are made of. Deterministic."""

from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import inspect

T = TypeVar("T")
MOMENT: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def sample(type_: type[T]) -> T:
    """A value of the type with no field left at its default where that could be avoided."""
    return msgspec.convert(_value(inspect.type_info(type_), "value"), type_)


def _value(info: inspect.Type, name: str) -> Any:
    if isinstance(info, inspect.StructType):
        return {field.name: _field(field) for field in info.fields}
    if isinstance(info, inspect.UnionType):
        return _value(next(kind for kind in info.types if not isinstance(kind, inspect.NoneType)), name)
    if isinstance(info, inspect.ListType | inspect.VarTupleType):
        return [_value(info.item_type, name)]
    if isinstance(info, inspect.DictType):
        return {"key": _value(info.value_type, name)}
    if isinstance(info, inspect.LiteralType):
        return info.values[0]
    return _scalar(info, name)


def _field(field: inspect.Field) -> Any:
    return 1 if field.name == "v" else _value(field.type, field.name)


def _scalar(info: inspect.Type, name: str) -> Any:
    match info:
        case inspect.BoolType():
            return True
        case inspect.IntType():
            return 7
        case inspect.FloatType():
            return 0.5
        case inspect.DateTimeType():
            return MOMENT
        case inspect.StrType():
            return f"{name} é 🐛"
        case inspect.RawType():
            return msgspec.Raw(b'{"key":1}')
        case inspect.AnyType():
            return {"nested": [1, "two", None, True]}
        case inspect.NoneType():
            return None
        case _:
            raise TypeError(f"no sample is known for {info}")
