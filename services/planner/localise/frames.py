"""Stack frames, as many languages print them, and their way back to files of the repository."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Frame(NamedTuple):
    """One frame as reported: path as printed, 1-based line (0 unknown), function name ("" unknown)."""

    path: str
    line: int = 0
    function: str = ""


_EXT = r"(?:py|pyx|[cm]?[jt]sx?|svelte|vue|go|java|kt|scala|rs|rb|c|h|cc|cpp|cxx|hpp|cs|php|swift|lua|ex|exs|dart)"
_PYTHON = re.compile(r'File "(?P<path>[^"\n]{1,400})", line (?P<line>\d+)(?:, in (?P<function>[\w<>.]+))?')
_IPYTHON = re.compile(r"^(?P<path>[~\w/\\:.\- ]{1,300}\.py[x]?) in (?P<function>[\w<>]+)\(", re.M)
_IPYTHON_NEW = re.compile(r"^File (?P<path>[~\w/\\:.\- ]{1,300}\.py):(?P<line>\d+), in (?P<function>[\w<>.]+)", re.M)
_JAVA = re.compile(
    r"\bat (?:[\w.@]+/)*(?P<package>(?:[\w$]+\.)+)(?P<function>[\w$<>]+)\((?P<file>\w+\.(?:java|kt|scala"
    r"|groovy)):?(?P<line>\d+)?\)"
)
_JS = re.compile(
    rf"\bat (?:async )?(?:(?:new )?(?P<function>[\w$.<>\[\] ]{{1,100}}?) )?\(?(?P<path>"
    rf"[^\s()]{{1,400}}?\.{_EXT}(?:\?[^:\s)]*)?)"
    r":(?P<line>\d+)(?::\d+)?\)?"
)
_FIREFOX = re.compile(rf"^(?P<function>[\w$./<>]*)@(?P<path>\S{{1,400}}?\.{_EXT}(?:\?[^:\s]*)?):(?P<line>\d+)", re.M)
_CSHARP = re.compile(
    r"\bat (?P<function>[\w.`<>\[\],+]+)\([^)\n]*\) in (?P<path>[^\n]{1,300}?\.cs):line "
    r"(?P<line>\d+)"
)
_PHP = re.compile(
    r"(?P<path>[\w/\\:.\-]{1,300}\.php)(?:\((?P<line>\d+)\)|:(?P<line2>\d+)| on line (?P<line3>\d+))(?:: "
    r"(?P<function>[\w\\>:\-]+)\()?"
)
_RUBY = re.compile(r"(?P<path>[\w/.\-]{1,300}\.rb):(?P<line>\d+):in [`'](?P<function>[^'\n]{1,100})'")
_GO = re.compile(
    r"^(?:created by )?(?P<function>[\w./()*\-\[\]]{1,200}?)(?:\([^()\n]{0,200}\))?(?: in goroutine \d+)?\n"
    r"[ \t]+(?P<path>[^\s:]{1,300}\.go):(?P<line>\d+)",
    re.M,
)
_RUST = re.compile(
    r"^[ \t]*\d{1,4}: (?P<function>[^\n]{1,200})\n[ \t]+at (?P<path>[^\s:]{1,300}\.rs):(?P<line>\d+)", re.M
)
_GENERIC = re.compile(rf"(?P<path>[\w@~$+./\\:\-]{{1,300}}?\.{_EXT}):(?P<line>\d+)\b")
_INNERMOST_LAST = (_PYTHON, _IPYTHON, _IPYTHON_NEW)
_INNERMOST_FIRST = (_GO, _RUST, _JAVA, _JS, _FIREFOX, _CSHARP, _RUBY, _PHP)
_ARROW = re.compile(r"^-+> (\d+)", re.M)
_MAX_FRAMES = 200


def _innermost_first(frames: list[Frame]) -> bool:
    return bool(frames) and frames[0].path.endswith((".go", ".rs", ".c", ".cc", ".cpp", ".h", ".ex", ".exs", ".rb"))


def find_frames(text: str) -> list[Frame]:
    """Frames in the text, outermost first whatever the language's habit; at most 200."""
    frames: list[Frame] = []
    seen: set[tuple[int, int]] = set()
    for pattern in (*_INNERMOST_LAST, *_INNERMOST_FIRST, _GENERIC):
        found: list[Frame] = []
        for match in pattern.finditer(text):
            if any(start < match.end() and match.start() < end for start, end in seen):
                continue
            seen.add(match.span())
            found.append(_frame(match))
            if len(found) >= _MAX_FRAMES:
                break
        first = pattern in _INNERMOST_FIRST or (pattern is _GENERIC and _innermost_first(found))
        frames += found[::-1] if first else found
    return frames[:_MAX_FRAMES]


def without_frames(text: str) -> str:
    """The text with every frame cut out, so that a frame's path is not also a mention of that path."""
    for pattern in (*_INNERMOST_LAST, *_INNERMOST_FIRST):
        text = pattern.sub(" ", text)
    return text


def _frame(match: re.Match[str]) -> Frame:
    groups = match.groupdict()
    if match.re is _IPYTHON and (arrow := _ARROW.search(match.string, match.end(), match.end() + 800)):
        groups["line"] = arrow[1]
    line = groups.get("line") or groups.get("line2") or groups.get("line3")
    if groups.get("file"):
        package = re.split(r"\$", groups["package"].rstrip("."))[0].split(".")
        path = "/".join([*package[:-1], groups["file"]])
    else:
        path = groups["path"]
    function = (groups.get("function") or "").strip()
    return Frame(
        path, int(line) if line else 0, re.split(r"[.:>\\]", re.sub(r"::h[0-9a-f]{16}$", "", function))[-1].strip("()*")
    )


_PACKAGE_DIRS = ("site-packages", "dist-packages", "node_modules", "gems")
_BUNDLE_SUFFIX = re.compile(r"(?:[.\-](?:min|bundle|chunk|prod|development|production))+$")
_BUNDLE_HASH = re.compile(r"[.\-_~](?=[0-9a-zA-Z]*\d)[0-9a-zA-Z_]{6,32}$")
_SCRIPT = re.compile(r"\.(?:[cm]?[jt]sx?|svelte|vue)$")
_COMMON_NAMES = frozenset(
    {"__init__.py", "index.js", "index.ts", "index.tsx", "mod.rs", "lib.rs", "main.py", "utils.py"}
)


def split_path(path: str) -> list[str]:
    """Parts of a path as printed anywhere: URL, webpack scheme, drive letter, `~`, query string removed."""
    path = re.sub(r"[?#].*$", "", path.replace("\\", "/"))
    path = re.sub(r"^(?:webpack(?:-internal)?:/+(?:\(\w+\)/)?|file:/+|\w+://[^/]+/)", "", path)
    return [p for p in path.split("/") if p not in ("", ".", "..", "~", "_N_E") and not re.fullmatch(r"[A-Za-z]:", p)]


def names_folder(path: str, found: str) -> bool:
    """True when the printed path agrees with the file's folder too, or the file lies at the top."""
    printed, own = split_path(path), found.split("/")
    return len(own) == 1 or (len(printed) > 1 and printed[-2].lower() == own[-2].lower())


def match_path(path: str, basenames: Mapping[str, Sequence[int]], paths: Sequence[str]) -> list[tuple[int, float]]:
    """Files that a printed path may mean, with a share of certainty each (sums to at most 1).

    The longest common suffix decides, so container, virtualenv and build-machine prefixes do not matter. A path
    inside an installed package must agree with the package's own folder; another project's `utils.py` is no match.
    """
    parts = split_path(path)
    if not parts:
        return []
    name = parts[-1].lower()
    candidates = basenames.get(name, ())
    if candidates:
        return _longest_suffix(parts, candidates, paths)
    if _SCRIPT.search(name):
        return [(number, share * 0.6) for number, share in _bundled(parts, basenames, paths)]
    return []


def _longest_suffix(parts: list[str], candidates: Sequence[int], paths: Sequence[str]) -> list[tuple[int, float]]:
    required = _required_depth(parts)
    best, length = [], 0
    for number in candidates:
        own = paths[number].split("/")
        same = 0
        while same < min(len(own), len(parts)) and own[-1 - same].lower() == parts[-1 - same].lower():
            same += 1
        whole = same == len(own)
        if same < required or (same == 1 and len(parts) > 1 and parts[-1] in _COMMON_NAMES and not whole):
            continue
        if same > length:
            best, length = [number], same
        elif same == length:
            best.append(number)
    if not best:
        return []
    certainty = 1.0 if length > 1 or len(parts) == 1 else 0.6
    if len(best) > 1:  # prefer the shallowest when the path is nothing but a name
        certainty *= 0.8
    return [(number, certainty / len(best)) for number in best[:8]]


def _required_depth(parts: list[str]) -> int:
    for index in range(len(parts) - 1, -1, -1):
        if parts[index] in _PACKAGE_DIRS:
            return max(1, len(parts) - index - 1)
        if (
            re.fullmatch(r"lib(?:64)?|python[23](?:\.\d+)?", parts[index])
            and index
            and parts[index - 1].startswith("python")
        ):
            return max(1, len(parts) - index - 1)
    return 1


def _bundled(parts: list[str], basenames: Mapping[str, Sequence[int]], paths: Sequence[str]) -> list[tuple[int, float]]:
    """`static/app.3fa9c1d2.min.js` -> `app.js`, `app.ts`, ...: the bundle's name without hash and suffix."""
    stem = _SCRIPT.sub("", parts[-1])
    for _ in range(3):
        shorter = _BUNDLE_HASH.sub("", _BUNDLE_SUFFIX.sub("", stem))
        if shorter == stem or not shorter:
            break
        stem = shorter
    for extension in ("ts", "tsx", "js", "jsx", "mjs", "svelte", "vue"):
        found = basenames.get(f"{stem.lower()}.{extension}", ())
        if found:
            return _longest_suffix([*parts[:-1], f"{stem}.{extension}"], found, paths)
    return []
