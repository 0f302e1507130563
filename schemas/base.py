"""The base of all wire structs, and their one encoder."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
Timestamp = datetime  # timezone-aware, UTC; RFC 3339 on the wire


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A frozen, keyword-only struct with a schema version."""

    v: int = 1


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A struct that only travels inside a Message."""


def encode(message: Any) -> bytes:
    """The JSON bytes of a message."""
    return msgspec.json.encode(message)


def decode(data: bytes, type_: type[T]) -> T:
    """Read and validate JSON bytes; raises msgspec.DecodeError or msgspec.ValidationError naming the field."""
    return msgspec.json.decode(data, type=type_)
