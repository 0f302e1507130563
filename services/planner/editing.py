"""Reading a person's edit: which fields may be written, and whether the values fit. Pure."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec

from schemas.plans import CandidateFile, Plan

EDITABLE: Final = (
    "title",
    "description",
    "summary",
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
    "expected_size",
)
_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(Plan) if field.name in EDITABLE}
_MAX_BYTES: Final = 256 * 1024
_MAX_ITEMS: Final = 200


class BadEdit(ValueError):
    """An edit that cannot be written; the message names the field."""


def read_changes(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Typed values of the fields to write. Raises BadEdit naming the first field that does not fit.

    ``edited_fields`` may be given as a list of field names: those missing from it are the planner's again.
    """
    if not changes:
        raise BadEdit("The edit names no field.")
    if len(msgspec.json.encode(changes)) > _MAX_BYTES:
        raise BadEdit(f"The edit is larger than {_MAX_BYTES // 1024} KiB.")
    found = {field: _value(field, value) for field, value in changes.items()}
    for candidate in found.get("candidate_files", []):
        _check_path(candidate)
    if "title" in found and not found["title"].strip():
        raise BadEdit("title must not be empty.")
    return found


def _value(field: str, value: Any) -> Any:
    if field == "edited_fields":
        return _fields(value)
    if field not in _TYPES:
        raise BadEdit(f"{field} cannot be edited. Editable are: {', '.join(EDITABLE)}.")
    try:
        typed = msgspec.convert(value, _TYPES[field])
    except msgspec.ValidationError as error:
        raise BadEdit(f"{field}: {error}") from None
    if isinstance(typed, list) and len(typed) > _MAX_ITEMS:
        raise BadEdit(f"{field} has more than {_MAX_ITEMS} items.")
    return typed


def _fields(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(name in EDITABLE for name in value):
        raise BadEdit(f"edited_fields must be a list of some of: {', '.join(EDITABLE)}.")
    return sorted(set(value))


def _check_path(candidate: CandidateFile) -> None:
    """A candidate file is compared with the patch, so it must be a plain path inside the repository."""
    path = candidate.path
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or ".." in parts or "\0" in path or "\n" in path or len(path) > 1000:
        raise BadEdit(f"candidate_files: {path[:200]!r} is no path inside the repository.")
