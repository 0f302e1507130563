"""Definitions by regular expression: fast, forgiving, good enough to rank (spans shown come from tree-sitter)."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import NamedTuple


class Definition(NamedTuple):
    """`line` is 1-based; `depth` 0 for top-level names."""

    name: str
    kind: str
    line: int
    depth: int


_KEYWORDS = """
    if for while switch catch function return else do try new throw typeof await super constructor sizeof using lock
    foreach elseif elsif unless until with when match loop defined assert static_assert decltype alignas
"""
_NOT_NAMES = frozenset(_KEYWORDS.split())
_JS_MODIFIERS = r"(?:(?:public|private|protected|static|async|get|set|readonly|override|abstract|declare)\s+)*"
_JVM_MODIFIERS = (
    r"(?:(?:public|private|protected|internal|static|final|abstract|synchronized|native|default|async|override"
    r"|virtual"
    r"|sealed|partial|readonly|unsafe|extern|new|open|suspend|inline|data|strictfp)[ \t]+)"
)

_PATTERNS: dict[str, list[tuple[str, str]]] = {
    "python": [
        (r"^(?P<indent>[ \t]*)(?:async[ \t]+|cp|c)?(?P<kind>def|class)[ \t]+(?P<name>\w+)", ""),
        (r"^(?P<indent>)(?P<name>[A-Z][A-Z0-9_]{2,})[ \t]*(?::[^=\n]{1,80})?=(?!=)", "constant"),
    ],
    "javascript": [
        (
            r"^(?P<indent>[ \t]*)(?:export[ \t]+)?(?:default[ \t]+)?(?:declare[ \t]+)?(?:abstract[ \t]+)?"
            r"(?:async[ \t]+)?"
            r"(?P<kind>function|class|interface|type|enum|namespace)\b[ \t]*\*?[ \t]*(?P<name>[\w$]+)",
            "",
        ),
        (
            r"^(?P<indent>[ \t]*)(?:export[ \t]+)?(?:const|let|var)[ \t]+(?P<name>[\w$]+)[ \t]*(?::[^=\n]{1,120})?="
            r"[ \t]*(?:async[ \t]*)?(?:function\b|\(|[\w$]+[ \t]*=>|class\b)",
            "function",
        ),
        (r"^(?P<indent>)(?:export[ \t]+)?const[ \t]+(?P<name>[\w$]+)[ \t]*=", "constant"),
        (rf"^(?P<indent>[ \t]+){_JS_MODIFIERS}\*?(?P<name>#?[\w$]+)[ \t]*\([^;\n]{{0,200}}\{{[ \t]*$", "method"),
        (r"^(?P<indent>[ \t]+)(?P<name>[\w$]+)[ \t]*[:=][ \t]*(?:async[ \t]+)?(?:function\b|\([\w$, \t]*\)"
         r"[ \t]*=>)", "method"),
        (r"^(?P<indent>)(?:module\.)?exports\.(?P<name>[\w$]+)[ \t]*=", "function"),
        (r"^(?P<indent>[ \t]*)[\w$.]+\.(?:prototype\.)?(?P<name>[\w$]+)[ \t]*=[ \t]*(?:async"
         r"[ \t]+)?function\b", "method"),
    ],
    "java": [
        (
            rf"^(?P<indent>[ \t]*){_JVM_MODIFIERS}*(?P<kind>class|interface|enum|record|@interface|object"
            rf"|trait)[ \t]+(?P<name>\w+)",
            "",
        ),
        (rf"^(?P<indent>[ \t]+){_JVM_MODIFIERS}+(?:<[^>\n]+>[ \t]+)?[\w<>\[\],.?& \t]*?(?P<name>\w+)"
         rf"[ \t]*\(", "method"),
        (r"^(?P<indent>[ \t]+)(?:<[^>\n]+>[ \t]+)?[\w<>\[\],.?]+[ \t]+(?P<name>\w+)[ \t]*\([^;\n]*\{"
         r"[ \t]*$", "method"),
        (rf"^(?P<indent>[ \t]*){_JVM_MODIFIERS}*(?:fun|def)[ \t]+(?:<[^>\n]+>[ \t]*)?(?:[\w<>?]+\.)?"
         rf"(?P<name>\w+)", "method"),
        (r"^(?P<indent>[ \t]+)(?:public|private|protected)?[ \t]*static[ \t]+final[ \t]+[\w<>\[\], ?]+[ \t]+"
         r"(?P<name>\w+)[ \t]*=", "constant"),
    ],
    "go": [
        (r"^(?P<indent>)func[ \t]+(?:\([^)\n]*\)[ \t]*)?(?P<name>\w+)", "function"),
        (r"^(?P<indent>)(?P<kind>type|var|const)[ \t]+(?P<name>\w+)", ""),
        (r"^(?P<indent>\t)(?P<name>[A-Z]\w+)[ \t]+(?:struct|interface)[ \t]*\{", "type"),
    ],
    "rust": [
        (
            r"^(?P<indent>[ \t]*)(?:pub(?:\([^)\n]*\))?[ \t]+)?(?:default[ \t]+)?(?:const[ \t]+)?(?:async[ \t]+)?"
            r"(?:unsafe[ \t]+)?(?:extern[ \t]+\"[^\"\n]*\"[ \t]+)?(?P<kind>fn|struct|enum|trait|type|mod|union"
            r"|static|const)"
            r"[ \t]+(?P<name>\w+)",
            "",
        ),
        (r"^(?P<indent>[ \t]*)(?P<kind>macro_rules!)[ \t]*(?P<name>\w+)", "macro"),
    ],
    "ruby": [
        (r"^(?P<indent>[ \t]*)(?P<kind>def|class|module)[ \t]+(?:self\.)?(?P<name>[\w:]+[?!=]?)", ""),
        (r"^(?P<indent>[ \t]*)(?P<name>[A-Z][A-Z0-9_]{2,})[ \t]*=", "constant"),
    ],
    "c": [
        (r"^(?P<indent>)(?!\s|#|//|\*|return\b|else\b)[^\n;={}#\"]{0,160}?\b(?P<name>~?[A-Za-z_]\w*)[ \t]*\((?!"
         r"[^\n]*;[ \t]*$)", "function"),
        (r"^(?P<indent>[ \t]*)#[ \t]*define[ \t]+(?P<name>\w+)", "macro"),
        (
            r"^(?P<indent>[ \t]*)(?:template[ \t]*<[^\n]*>[ \t]*)?(?:typedef[ \t]+)?(?P<kind>struct|class|enum"
            r"|union|namespace|concept)"
            r"[ \t]+(?:class[ \t]+)?(?:[A-Z_]+[ \t]+)?(?P<name>\w+)[^;\n]*$",
            "",
        ),
        (r"^(?P<indent>[ \t]+)[\w:<>&*,~ \t\[\]]{0,120}?(?P<name>~?[A-Za-z_]\w*)\([^;\n]*\)[^;\n]*\{", "method"),
    ],
    "php": [
        (
            r"^(?P<indent>[ \t]*)(?:(?:abstract|final|public|private|protected|static|readonly)[ \t]+)*"
            r"(?P<kind>function|class|interface|trait|enum)[ \t]+&?(?P<name>\w+)",
            "",
        ),
    ],
    "other": [
        (
            r"^(?P<indent>[ \t]*)(?:(?:public|private|internal|static|local|export|override|open|pub|inline)[ \t]+)*"
            r"(?P<kind>func|function|fun|fn|def|defp|defmodule|class|struct|enum|protocol|extension|message"
            r"|service|rpc|sub"
            r"|actor|primitive|interface|trait|module|type)[ \t]+(?P<name>[\w.:]+)",
            "",
        ),
        (r"^(?P<indent>)(?P<name>\w+)[ \t]*\(\)[ \t]*\{", "function"),
    ],
}  # fmt: skip
_PATTERNS["typescript"] = _PATTERNS["javascript"]
_PATTERNS["cpp"] = _PATTERNS["c"]
_PATTERNS["csharp"] = _PATTERNS["java"] + [
    (r"^(?P<indent>[ \t]*)(?:\w+[ \t]+)*(?P<kind>namespace|struct|delegate)[ \t]+(?P<name>[\w.]+)", "")
]
_COMPILED = {
    language: [(re.compile(pattern, re.MULTILINE), kind) for pattern, kind in patterns]
    for language, patterns in _PATTERNS.items()
}
_LONG_LINE = re.compile(r"[^\n]{1000,}")
# kinds that wrap members without making them private to a function
_CONTAINERS = frozenset({"namespace", "module", "mod"})


def find_definitions(text: str, language: str) -> list[Definition]:
    """Definitions in line order, one per line and name; an unknown language gives none."""
    patterns = _COMPILED.get(language)
    if not patterns:
        return []
    text = _LONG_LINE.sub("", text)  # no definition is that long, and a pattern may be slow on one
    starts = [0]
    starts.extend(match.end() for match in re.finditer("\n", text))
    found: dict[tuple[int, str], Definition] = {}
    for pattern, fixed in patterns:
        for match in pattern.finditer(text):
            name = match["name"]
            if name in _NOT_NAMES or len(name) > 80 or not any(c.isalpha() for c in name):
                continue
            groups = match.groupdict()
            line = bisect_right(starts, match.start("name"))
            depth = len(groups["indent"].expandtabs(4))
            kind = fixed or (groups.get("kind") or "symbol")
            found.setdefault((line, name), Definition(name, kind, line, depth))
    ordered = sorted(found.values(), key=lambda d: (d.line, d.depth))
    return _with_depths(ordered)


def _with_depths(ordered: list[Definition]) -> list[Definition]:
    """Replaces columns by nesting: 0 top-level, 1 inside a type, 2 deeper; namespaces do not count."""
    result: list[Definition] = []
    stack: list[tuple[int, str]] = []
    for definition in ordered:
        while stack and stack[-1][0] >= definition.depth:
            stack.pop()
        nesting = sum(1 for _, kind in stack if kind not in _CONTAINERS)
        result.append(definition._replace(depth=nesting if stack or definition.depth == 0 else 1))
        stack.append((definition.depth, definition.kind))
    return result
