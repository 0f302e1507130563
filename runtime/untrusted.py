"""Report text is data from outside: what a person cannot see is taken out, and said; fences for models. Pure.

Invisible text is how an instruction reaches a model without reaching the person who approves the plan: zero-width
characters, bidirectional controls (Trojan Source, CVE-2021-42574), the Unicode tags block (ASCII smuggling), variation
selectors used as bytes, HTML comments and other markup that a forge does not render.
"""

import re
import unicodedata
from typing import Final

import msgspec

_TAGS: Final = (0xE0000, 0xE007F)
_SELECTORS: Final = ((0xFE00, 0xFE0E), (0xE0100, 0xE01EF))  # FE0F is common in emoji and shows nothing else
_KEPT_CONTROLS: Final = "\n\t"
_FILLERS: Final = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0"
_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_HIDDEN_TAG: Final = re.compile(
    r"<(script|style|template|noscript)\b.*?(?:</\1\s*>|\Z)"
    r"|<(\w+)\b[^<>]{0,300}?(?:\bhidden\b|display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0)[^<>]{0,300}>.*?(?:</\2\s*>|\Z)",
    re.S | re.I,
)
_LINK_COMMENT: Final = re.compile(r"^[ \t]*\[[^\]\n]*\]:[ \t]*(?:#|<>)?[ \t]*[(\"'][^\n]*[)\"'][ \t]*$", re.M)
_IMAGE: Final = re.compile(r"!\[([^\]\n]{0,300})\]\([^)\n]{0,2000}\)|<img\b[^<>]{0,2000}>", re.I)
_SHOWN: Final = 160


class Cleaned(msgspec.Struct, frozen=True):
    """``text`` as a person would see it; ``findings`` say what was taken out."""

    text: str
    findings: list[str]


def clean(text: str, limit: int = 50_000) -> Cleaned:
    """Text without anything invisible, at most ``limit`` characters."""
    findings: list[str] = []
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if len(text) > limit:
        findings.append(f"{len(text) - limit} characters beyond the first {limit} were left out")
        text = text[:limit]
    text = _without_invisible(text, findings)
    text = _without(_COMMENT, text, "an HTML comment", findings)
    text = _without(_HIDDEN_TAG, text, "hidden markup", findings)
    text = _without(_LINK_COMMENT, text, "a Markdown comment", findings)
    text = _IMAGE.sub(lambda match: f"[image: {match[1] or ''}]", text)
    return Cleaned(text, findings)


def clean_line(text: str, limit: int = 300) -> str:
    """One visible line for titles and names."""
    return re.sub(r"\s+", " ", clean(text, 10 * limit).text).strip()[:limit]


def fenced(label: str, text: str, fence: str) -> str:
    """Text as data inside a question to a model. ``fence`` is random for each question, so that no text can end it."""
    return f"<<<{fence}-BEGIN {label}>>>\n{text.replace(fence, '')}\n<<<{fence}-END>>>"


def invisible(character: str) -> bool:
    """Whether a character shows nothing or changes how its neighbours show."""
    point = ord(character)
    if character in _KEPT_CONTROLS:
        return False
    if _TAGS[0] <= point <= _TAGS[1] or any(low <= point <= high for low, high in _SELECTORS):
        return True
    return character in _FILLERS or unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs", "Cn", "Zl", "Zp")


def _without_invisible(text: str, findings: list[str]) -> str:
    unseen = {character for character in set(text) if invisible(character)}
    if not unseen:
        return text
    removed = sum(text.count(character) for character in unseen)
    tagged = "".join(chr(ord(c) - _TAGS[0]) for c in text if _TAGS[0] + 0x20 <= ord(c) <= _TAGS[0] + 0x7E)
    said = f", spelling “{_short(tagged)}”" if tagged else ""
    findings.append(f"{removed} invisible character{'s' if removed > 1 else ''}{said}")
    return text.translate(dict.fromkeys(map(ord, unseen)))


def _without(pattern: re.Pattern[str], text: str, what: str, findings: list[str]) -> str:
    matches = list(pattern.finditer(text))[:5]
    findings += [f"{what}: “{_short(re.sub('<!--|-->|<[^>]*>', ' ', match[0]))}”" for match in matches]
    return pattern.sub(" ", text)


def _short(text: str) -> str:
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= _SHOWN else line[: _SHOWN - 1] + "…"
