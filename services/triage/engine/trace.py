"""Stack traces of any language, reduced to frames and exception names."""

import functools
import re

import msgspec

MAX_FRAMES = 60

_AT = re.compile(r"^\s*(?:at|in|from|by)\s+(?P<name>[^\s(\[]+(?: [^\s(\[]+)??)\s*(?:\(|\[|in |$|@)")
_PYTHON = re.compile(r'^\s*File "(?P<file>[^"]+)", line \d+, in (?P<name>\S+)')
_RUBY = re.compile(r"^\s*(?:from )?(?P<file>[\w./-]+):\d+:in [`'](?P<name>[^']+)'")
_NATIVE = re.compile(
    r"^\s*#?\d+\s+(?P<lib>\S+)?\s+(?:0x[0-9a-fA-F]+|in)?\s*(?P<name>[-+~_\[\]A-Za-z][^+(]*?)\s*(?:\+\s*\d+|\(|$)"
)
_ATSIGN = re.compile(r"^(?P<name>[\w$.<>/]*)@(?P<file>\S+?):\d+(?::\d+)?$")
_GO = re.compile(r"^(?P<name>[\w./*()-]+\.[\w*()-]+)\((?:0x|\.\.\.|\))")
_SUFFIXES = ("Exception", "Error", "Failure", "Fault", "Panic", "Warning")
_CLASS = rf"\w*(?:{'|'.join(_SUFFIXES)})\b"
# The last part of a dotted name of an error. Patterns begin with the class of the first character (and look back from
# there for the border of a word), so that the scanner passes over all others.
_ERROR = re.compile(rf"([A-Z](?<!\w[A-Z]){_CLASS})(?![.:]{{1,2}}(?:[A-Za-z_]\w*[.:]{{1,2}})*[A-Z]{_CLASS})")
_SIGNAL = re.compile(r"([SE](?<!\w[SE])(?:(?<=S)IG[A-Z]{3,5}|(?<=E)(?:XC_[A-Z_]+|[A-Z]{4,12})))\b")
_NOISE = re.compile(r"\d+|[<>`'|]|\$\$|lambda|closure")
_PATTERNS = (_PYTHON, _RUBY, _AT, _ATSIGN, _NATIVE, _GO)


class Trace(msgspec.Struct, frozen=True):
    """frames: names, top of the stack first, without numbers. errors: class names in order of appearance.
    message: the lines that are no frames, where error messages live."""

    frames: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    message: str = ""


@functools.lru_cache(maxsize=8_192)  # the same few thousand lines come again and again; 6 MB at most
def frame_name(line: str) -> str | None:
    """The function a line of a trace names, without arguments, line numbers and generated parts; else None."""
    # Most lines of most traces, and no other pattern fits them.
    for pattern in (_AT,) if line.lstrip().startswith("at ") else _PATTERNS:
        found = pattern.match(line)
        if found:
            name = _NOISE.sub("", found["name"]).strip(" .:$/")
            groups = found.groupdict()
            if groups.get("file") and "." not in name:
                stem = groups["file"].replace("\\", "/").rsplit("/", 1)[-1].split(".", 1)[0]
                name = f"{stem}.{name}"
            return name[-120:] if len(name) > 2 else None
    return None


def errors_in(text: str) -> tuple[str, ...]:
    """Exception class and signal names in a text, last part only, each once, at most eight."""
    found = _ERROR.findall(text) if any(suffix in text for suffix in _SUFFIXES) else []
    return tuple(dict.fromkeys([*found, *_SIGNAL.findall(text)]))[:8]


def parse(text: str) -> Trace:
    """Reads a trace of any language; unknown lines count as message."""
    frames: list[str] = []
    message: list[str] = []
    for line in text.split("\n")[:300]:
        name = frame_name(line[:400]) if len(frames) < MAX_FRAMES else None
        if name is None:
            if len(message) < 40 and line.strip():
                message.append(line[:600])
        else:
            frames.append(name)
    words = "\n".join(message)
    return Trace(tuple(frames), errors_in(words), words)


def split_body(body: str) -> tuple[str, str]:
    """(prose, trace) of a body with an embedded trace: runs of at least three frame lines are moved out."""
    lines = body.split("\n")
    if len(lines) < 4:
        return body, ""
    marks = [frame_name(line[:400]) is not None if _looks(line) else False for line in lines[:400]]
    if sum(marks) < 3:
        return body, ""
    prose = [line for line, mark in zip(lines, marks, strict=False) if not mark] + lines[400:]
    frames = [line for line, mark in zip(lines, marks, strict=False) if mark]
    return "\n".join(prose), "\n".join(frames)


def _looks(line: str) -> bool:
    head = line.lstrip()[:6]
    return head.startswith(("at ", "File ", "#", "from ", "in ")) or head[:1].isdigit()
