"""What changed between two versions of a plan. Pure."""

import difflib
from typing import Any, Final

import msgspec
from msgspec import structs

from schemas.plans import Plan

#: Fields that say what a plan is, in the order a reader meets them.
CONTENT: Final = (
    "title",
    "summary",
    "description",
    "reports",
    "hypotheses",
    "candidate_files",
    "suspect_commits",
    "steps",
    "validation_steps",
    "setup_commands",
    "test_command",
    "nearest_tests",
    "reproduction",
    "risks",
    "confidence",
    "expected_size",
    "repo_url",
    "base_branch",
    "base_commit",
    "grounded",
)

_DIFF_KEPT: Final = 16_000  # characters: the plan with its diff must fit in a message


class FieldChange(msgspec.Struct, frozen=True):
    """One field that differs: ``removed`` and ``added`` are its lines (an item of a list is a line)."""

    field: str
    removed: list[str]
    added: list[str]


def changed_fields(old: Plan, new: Plan) -> list[str]:
    """Names of the content fields that differ."""
    return [field for field in CONTENT if getattr(old, field) != getattr(new, field)]


def difference(old: Plan, new: Plan) -> list[FieldChange]:
    """Field by field, only what differs, in reading order."""
    return [_change(field, getattr(old, field), getattr(new, field)) for field in changed_fields(old, new)]


def unified(old: Plan, new: Plan) -> str:
    """The same as one unified diff for terminals and logs."""
    lines: list[str] = []
    for field in changed_fields(old, new):
        before, after = as_lines(getattr(old, field)), as_lines(getattr(new, field))
        names = (f"v{old.version}/{field}", f"v{new.version}/{field}")
        lines += difflib.unified_diff(before, after, *names, lineterm="", n=1)
    return "\n".join(lines)


def told(old: Plan | None, new: Plan) -> Plan:
    """``new`` with what differs from the version before it; a first plan differs from nothing."""
    if old is None:
        return structs.replace(new, changed_fields=[], diff="")
    text = unified(old, new)
    cut = text.rfind("\n", 0, _DIFF_KEPT)
    shown = text if len(text) <= _DIFF_KEPT else f"{text[:cut]}\n(shortened)"
    return structs.replace(new, changed_fields=changed_fields(old, new), diff=shown)


def _change(field: str, old: Any, new: Any) -> FieldChange:
    before, after = as_lines(old), as_lines(new)
    removed, added = [], []
    for tag, a, b, c, d in difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        if tag != "equal":
            removed += before[a:b]
            added += after[c:d]
    return FieldChange(field, removed, added)


def as_lines(value: Any) -> list[str]:
    """A field's value as lines: text by line, a list by item, structs as compact JSON."""
    if value is None or value in ("", []):
        return []
    if isinstance(value, str):
        return value.splitlines()
    if isinstance(value, list):
        return [item if isinstance(item, str) else msgspec.json.encode(item).decode() for item in value]
    return [msgspec.json.encode(value).decode()]
