"""Stack traces written out as text (Python, JavaScript, Java and Kotlin, Go, Ruby, C#) -> frames, innermost last."""

import re
from typing import Final

from schemas.feedback import Frame

_PYTHON: Final = re.compile(
    r'^\s*File "(?P<file>[^"\n]{1,300})", line (?P<line>\d{1,9})(?:, in (?P<func>.{1,200}))?\s*$'
)
_JAVA: Final = re.compile(r"^\s*at (?P<func>[\w.$<>/]{1,250})\((?P<file>[\w.$-]{1,200})(?::(?P<line>\d{1,9}))?\)")
_JS: Final = re.compile(
    r"^\s*at (?:async )?(?:(?P<func>[^\s()]{1,200}(?: \[as [^\]\n]{1,80}\])?) \()?"
    r"(?P<file>[^()\s]{1,300}?):(?P<line>\d{1,9})(?::\d{1,9})?\)?\s*$"
)
_FIREFOX: Final = re.compile(r"^(?P<func>[^@\s]{0,200})@(?P<file>\S{1,300}?):(?P<line>\d{1,9})(?::\d{1,9})?\s*$")
_RUBY: Final = re.compile(r"^\s*(?:from )?(?P<file>[^\s:]{1,300}\.rb):(?P<line>\d{1,9}):in [`'](?P<func>[^']{1,200})'")
_GO: Final = re.compile(r"^\s+(?P<file>/?[^\s:]{1,300}\.go):(?P<line>\d{1,9})(?: \+0x[0-9a-f]{1,16})?\s*$")
_CSHARP: Final = re.compile(
    r"^\s*at (?P<func>[^()\n]{1,150}\([^()\n]{0,150}\)) in (?P<file>[^\n]{1,300}?):line (?P<line>\d{1,9})\s*$"
)
# The order matters: C# lines also look like JavaScript ones. False: the trace is written innermost first.
_FORMATS: Final = (
    (_PYTHON, True),
    (_CSHARP, False),
    (_JAVA, False),
    (_JS, False),
    (_FIREFOX, False),
    (_RUBY, False),
    (_GO, False),
)
_NAME: Final = r"[A-Za-z_][\w]{0,80}(?:[.:\\]{1,2}[A-Za-z_]\w{0,80}){0,10}"
_ERROR: Final = re.compile(
    rf"^\s*(?:Caused by: |Uncaught |Unhandled |Exception in thread \"[^\"\n]{{0,80}}\" )?"
    rf"(?P<type>{_NAME})(?P<rest>:.*)?$"
)
_SUFFIX: Final = re.compile(r"(?:Error|Exception|Failure|Fault|Interrupt|Timeout|Panic|Warning|Exit|Abort)$")


def parse_trace(text: str, limit: int = 100) -> tuple[str | None, list[Frame]]:
    """The exception's class and the frames (innermost last, at most ``limit``) found in a text; (None, []) if none."""
    lines = text[:65536].split("\n")
    for pattern, innermost_last in _FORMATS:
        frames = [frame for line in lines if (frame := _frame(pattern, line))]
        if frames:
            ordered = frames if innermost_last else frames[::-1]
            return exception_in(lines), ordered[-limit:]
    return exception_in(lines), []


def exception_in(lines: list[str]) -> str | None:
    """The last line that names an exception class (``ValueError: ...``); for chains the one a reader sees last."""
    found = None
    for line in lines:
        match = _ERROR.match(line[:400])
        if match and _SUFFIX.search(match["type"]):
            found = match["type"]
    return found


def _frame(pattern: re.Pattern[str], line: str) -> Frame | None:
    match = pattern.match(line[:700])
    if not match:
        return None
    found = match.groupdict()
    number = found.get("line")
    return Frame(
        file=found["file"].strip(), function=(found.get("func") or "").strip(), line=int(number) if number else None
    )


def write_frames(frames: list[Frame]) -> str:
    """Frames as text, one ``  file:line in function`` a line, innermost last."""
    return "\n".join(
        f"  {frame.file or frame.module}:{frame.line or '?'} in {frame.function or '?'}" for frame in frames
    )
