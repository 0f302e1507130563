"""What a model is asked to answer, and how its answer is read. Pure."""

import json
import re
from typing import Any, Final

import msgspec


class Supposed(msgspec.Struct, frozen=True):
    """A cause the model supposes; evidence as ids (R1, F2, S1) or words."""

    statement: str
    confidence: float = 0.0
    evidence_for: list[str] = []
    evidence_against: list[str] = []
    refuted_by: str = ""


class Picked(msgspec.Struct, frozen=True):
    """A file of the list: ``file`` is its id or path."""

    file: str
    reason: str = ""
    symbols: list[str] = []


class Checked(msgspec.Struct, frozen=True):
    """A way to see that the fix works: ``command`` is the id of a command of the list, or empty."""

    title: str
    command: str | None = None


class Written(msgspec.Struct, frozen=True):
    """A whole answer. Only ``hypotheses`` and ``steps`` must be there."""

    hypotheses: list[Supposed]
    steps: list[str]
    summary: str = ""
    files: list[Picked] = []
    checks: list[Checked] = []
    reproduction: str = ""
    risks: list[str] = []
    expected_size: str = ""
    confidence: float = 0.0


class Unreadable(ValueError):
    """An answer that is not the asked-for JSON; the message says what is wrong, for the model and for people."""


_TEXT: Final[dict[str, Any]] = {"type": "string"}
_TEXTS: Final[dict[str, Any]] = {"type": "array", "items": _TEXT}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    # OpenAI's strict mode: every property required, none else allowed.
    return {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}


SCHEMA: Final[dict[str, Any]] = _object(
    summary=_TEXT,
    hypotheses={
        "type": "array",
        "items": _object(
            statement=_TEXT,
            confidence={"type": "number"},
            evidence_for=_TEXTS,
            evidence_against=_TEXTS,
            refuted_by=_TEXT,
        ),
    },
    files={"type": "array", "items": _object(file=_TEXT, reason=_TEXT, symbols=_TEXTS)},
    steps=_TEXTS,
    checks={"type": "array", "items": _object(title=_TEXT, command=_TEXT)},
    reproduction=_TEXT,
    risks=_TEXTS,
    expected_size=_TEXT,
    confidence={"type": "number"},
)

_THOUGHT: Final = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>", re.S | re.I)


def read_answer(text: str) -> Written:
    """The answer in ``text``: bare JSON, in a fence, or the first whole object within prose. Raises Unreadable."""
    text = _THOUGHT.sub("", text).strip()
    if not text:
        raise Unreadable("the answer is empty")
    problem = "it holds no JSON object"
    for candidate in _objects(text):
        try:
            written = msgspec.convert(candidate, Written, strict=False)
        except msgspec.ValidationError as error:
            problem = str(error)
            continue
        if not any(step.strip() for step in written.steps) or not written.hypotheses:
            problem = "it names no steps or no hypotheses"
            continue
        return written
    raise Unreadable(f"the answer cannot be used: {problem}")


def _objects(text: str) -> list[dict[str, Any]]:
    """JSON objects in the text, outermost first, at most three."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder(strict=False)
    at, tries = text.find("{"), 0
    while at >= 0 and len(found) < 3 and tries < 50:
        tries += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            end = at + 1
        else:
            if isinstance(value, dict):
                found.append(value)
        at = text.find("{", end)
    return found
