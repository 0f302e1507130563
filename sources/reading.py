"""Reading a stranger's JSON: every surprise is a Malformed with the path of the field, never another exception."""

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from sources.errors import Malformed

MAX_DEPTH: Final = 64
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_EARLIEST: Final = datetime(1995, 1, 1, tzinfo=UTC).timestamp()
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC).timestamp()


def parse(body: bytes) -> Any:
    """The JSON value of a delivery's raw body: UTF-8, at most 64 levels deep; raises Malformed on ``body``."""
    try:
        value = msgspec.json.decode(body)
    except RecursionError:
        raise Malformed("body", f"nested deeper than {MAX_DEPTH} levels") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed("body", f"not valid JSON: {error}") from None
    check_depth(value)
    return value


def check_depth(value: Any, limit: int = MAX_DEPTH) -> None:
    """Raise Malformed when containers nest deeper than ``limit``; walks level by level, so it cannot overflow."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise Malformed("body", f"nested deeper than {limit} levels")


def clean(text: str, limit: int | None = None) -> str:
    """Text without control characters and lone surrogates (PostgreSQL and UTF-8 refuse them), cut to ``limit``."""
    cut = text if limit is None else text[:limit]
    if cut.isprintable():  # most short texts are: a webhook's time is spent in here
        return cut
    return _CONTROL.sub(" ", cut.replace("\r\n", "\n"))


class Node:
    """A value somewhere inside a payload, which knows its path. ``null`` counts as missing everywhere."""

    __slots__ = ("_at", "value")

    def __init__(self, value: Any, path: "str | tuple[Node, str | int]" = "") -> None:
        """``path``: where the value is, as a text, or as the node above and the key in it."""
        self.value, self._at = value, path

    def __bool__(self) -> bool:
        return bool(self.value)

    @property
    def path(self) -> str:
        """Such as ``data.event.tags[2]``; put together only when a message needs it."""
        if isinstance(self._at, str):
            return self._at
        above, key = self._at[0].path, self._at[1]
        if isinstance(key, int):
            return f"{above}[{key}]"
        return f"{above}.{key}" if above else key

    def _child(self, key: str) -> "Node":
        value = self.value.get(key) if isinstance(self.value, dict) else None
        return Node(value, (self, key))

    def has(self, key: str) -> bool:
        """Whether the key is there and not null."""
        return isinstance(self.value, dict) and self.value.get(key) is not None

    def obj(self, key: str) -> "Node":
        """The object under ``key``, empty when missing."""
        child = self._child(key)
        if child.value is None:
            return Node({}, child.path)
        return child.as_object()

    def as_object(self) -> "Node":
        """Itself when it is an object, else Malformed."""
        if not isinstance(self.value, dict):
            raise Malformed(self.path or "body", f"expected an object, got {kind(self.value)}")
        return self

    def items(self, key: str, limit: int = 1000) -> list["Node"]:
        """The elements of the list under ``key``, at most ``limit``; empty when missing."""
        child = self._child(key)
        if child.value is None:
            return []
        if not isinstance(child.value, list):
            raise Malformed(child.path, f"expected a list, got {kind(child.value)}")
        return [Node(value, (child, index)) for index, value in enumerate(child.value[:limit])]

    def text(self, *keys: str, limit: int = 65536) -> str:
        """The first non-empty text under one of the keys; numbers are written out; "" when there is none."""
        if not isinstance(self.value, dict):
            return ""
        for key in keys:
            value = self.value.get(key)
            if value is None:
                continue
            found = clean(value, limit) if isinstance(value, str) else Node(value, (self, key)).as_text(limit)
            found = found.strip()
            if found:
                return found
        return ""

    def as_text(self, limit: int = 65536) -> str:
        """The scalar as text; an object or a list is Malformed."""
        if isinstance(self.value, str):
            return clean(self.value, limit)
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, int | float):
            return str(self.value)[:limit]
        raise Malformed(self.path, f"expected a text, got {kind(self.value)}")

    def number(self, key: str) -> int | None:
        """A whole number, also when written as text; None when missing or not representable."""
        child = self._child(key)
        if child.value is None or isinstance(child.value, bool):
            return None
        if isinstance(child.value, float) and not math.isfinite(child.value):
            return None
        if isinstance(child.value, str | int | float):
            try:
                found = int(child.value)
            except ValueError:
                return None
            return found if abs(found) < 2**53 else None
        raise Malformed(child.path, f"expected a number, got {kind(child.value)}")

    def flag(self, key: str) -> bool | None:
        """A boolean, None when it is anything else."""
        value = self._child(key).value
        return value if isinstance(value, bool) else None

    def moment(self, *keys: str) -> datetime | None:
        """The first date under one of the keys; Malformed when there is one that is no date."""
        for key in keys:
            child = self._child(key)
            if child.value is None or child.value == "":
                continue
            return moment(child)
        return None


def moment(node: Node) -> datetime:
    """ISO 8601, or seconds, milliseconds, microseconds or nanoseconds since the epoch, as number or text."""
    value = node.value
    if isinstance(value, str):
        value = value.strip()
        found = _iso(value)
        if found is not None:
            return found
        try:
            value = float(value)
        except ValueError:
            raise Malformed(node.path, f"not a date: {clean(value, 60)!r}") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Malformed(node.path, f"expected a date, got {kind(value)}")
    return _epoch(value, node.path)


def _iso(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        return found if _EARLIEST <= found.timestamp() <= _LATEST else None
    except (ValueError, OverflowError):
        return None


def _epoch(value: float, path: str) -> datetime:
    for unit in (1, 10**3, 10**6, 10**9):
        try:
            seconds = value / unit
        except OverflowError:
            break
        if _EARLIEST <= seconds <= _LATEST:
            return datetime.fromtimestamp(seconds, UTC)
    raise Malformed(path, f"not a date between 1995 and 2200: {str(value)[:40]}")


def kind(value: Any) -> str:
    """What a JSON value is, in JSON's words."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def pairs(node: Node) -> Iterator[tuple[str, str]]:
    """Tags in any of their shapes: ``{k: v}``, ``[[k, v]]``, ``[{key, value}]``, ``["k:v"]``; others are left out."""
    if isinstance(node.value, dict):
        entries: list[Any] = list(node.value.items())
    elif isinstance(node.value, list):
        entries = node.value
    else:
        return
    for entry in entries[:200]:
        key, value = _pair(entry)
        if isinstance(key, str) and key and isinstance(value, str | int | float):
            yield clean(key, 200), clean(str(value), 500)


def _pair(entry: Any) -> tuple[Any, Any]:
    if isinstance(entry, list | tuple) and len(entry) == 2:
        return entry[0], entry[1]
    if isinstance(entry, dict):
        return entry.get("key"), entry.get("value")
    if isinstance(entry, str) and ":" in entry:
        key, _, value = entry.partition(":")
        return key, value
    return None, None
