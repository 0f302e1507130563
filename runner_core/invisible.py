"""Text from outside without what a person cannot see. Pure.

Zero-width characters, bidirectional controls (Trojan Source, CVE-2021-42574), the Unicode tags block and HTML comments
carry instructions to a model past the person who approved the plan.
"""

import re
import unicodedata
from typing import Final

_COMMENT: Final = re.compile(r"<!--.*?(?:-->|\Z)", re.S)
_FILLERS: Final = "\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180e\u2800\u3164\uffa0"
_SELECTORS: Final = ((0xFE00, 0xFE0E), (0xE0100, 0xE01EF))


def visible(text: str, limit: int) -> str:
    """``text`` as a person would see it, at most ``limit`` characters, cut with a note."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    cut = len(text) > limit
    text = _COMMENT.sub("", "".join(character for character in text[:limit] if _shows(character)))
    return f"{text.rstrip()}\n[cut]" if cut else text


def visible_line(text: str, limit: int = 300) -> str:
    """One line for titles and names."""
    return re.sub(r"\s+", " ", visible(text, 10 * limit)).strip()[:limit]


def _shows(character: str) -> bool:
    if character in "\n\t":
        return True
    point = ord(character)
    if character in _FILLERS or any(low <= point <= high for low, high in _SELECTORS):
        return False
    return unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cn", "Cs")
