"""A new proposal of the planner meets what people wrote: their fields stay, and what they miss is shown. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import structs

from schemas.plans import Plan
from services.planner.differences import as_lines

_SHOWN: Final = 600  # characters of a proposal quoted in a conflict
_MISSING: Final = object()


def merged(current: Plan | None, proposal: Plan, bases: Mapping[str, Any]) -> Plan:
    """``proposal`` with the edited fields of ``current``; conflicts name each field the planner now sees differently.

    ``bases[field]`` is the planner's earlier value that the person changed: a proposal equal to it brings nothing new,
    so it is no conflict. Without a base every differing proposal is one.
    """
    if current is None or not current.edited_fields:
        return structs.replace(proposal, edited_fields=[], conflicts=[])
    kept = {field: getattr(current, field) for field in current.edited_fields}
    conflicts = [
        _conflict(field, getattr(proposal, field), current)
        for field, value in kept.items()
        if getattr(proposal, field) not in (value, bases.get(field, _MISSING))
    ]
    return structs.replace(proposal, **kept, edited_fields=list(current.edited_fields), conflicts=conflicts)


def missing_bases(current: Plan | None, found: Mapping[str, Any]) -> list[str]:
    """Edited fields whose base is still to be found in older versions."""
    return [field for field in (current.edited_fields if current else []) if field not in found]


def bases_in(older: Plan, wanted: list[str]) -> dict[str, Any]:
    """Those of ``wanted`` that ``older`` still holds as the planner wrote them."""
    return {field: getattr(older, field) for field in wanted if field not in older.edited_fields}


def _conflict(field: str, proposed: Any, current: Plan) -> str:
    text = " | ".join(as_lines(proposed)) or "nothing"
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return f"{field}: the edit of version {current.version} is kept; the planner now proposes: {shown}"
