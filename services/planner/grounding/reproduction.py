"""What to write before the fix: where the failing test goes, and what the report itself offers for it."""

from __future__ import annotations

import re

from services.planner.grounding.hypotheses import Findings, is_request
from services.planner.grounding.model import NearTest, Report
from services.planner.grounding.neartests import BY_WORDS
from services.planner.localise.query import calm, without_comments

_SAID = re.compile(
    r"^[#* \t>_-]{0,20}(?P<head>expected(?: behaviou?r| results?| output)?|what (?:did you expect|should happen)"
    r"[^\n:*]{0,30}"
    r"|actual(?: behaviou?r| results?| output)?|what happened|current behaviou?r|observed(?: behaviou?r)?)\b"
    r"[^\n\w]{0,8}\n*"
    r"(?P<said>[^\n`#]{12,300})",
    re.I | re.M,
)
_FENCE = re.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", re.S | re.M)
_NOT_CODE = re.compile(
    r"\s*(?:Traceback|panic:|goroutine |thread |Exception in|Error:|at \S+\(|INSTALLED VERSIONS|System:|\S+==\d"
    r"|\S+: *v?\d+\.\d)"
)
_PROMPT = re.compile(r"\s*(?:>>>|\.\.\.|In \[\d+\]:)")
_CODE = re.compile(
    r"\s*(?:from \w[\w.]* import|import \w|class \w+.*[:{]$|(?:async )?def \w|@\w|(?:const|let|var|return|if"
    r"|for|with|while)\b"
    r"|[\w.\[\]'\"]+ ?[-+*/]?= ?\S|[\w.]+\(|[)}\]]|['\"\w]+ ?[:=]|#|.*[(\[{,;]$)"
)
_PROSE = re.compile(r"(?:\b[a-z']+ ){4}[a-z']+\b")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|#.*$|//.*$")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f]")
_LIMIT = 1500


def write_reproduction(found: Findings, reports: list[Report]) -> str:
    """Markdown; code of the report is fenced and marked as data from outside."""
    near = _home(found)
    where = f"Add a failing test to `{near.path}`" if near is not None else "Write a failing test first, one"
    if near is not None and near.reason == BY_WORDS:
        where = f"No test file is tied to the candidates by name, imports or history; `{near.path}` is nearest by its"
        where += " words. Write a failing test there or in a file of its own, one"
    if near is None and found.tests:
        where = f"Add a failing case beside `{found.tests[0].path}`"
    goal = "shows that the behaviour is missing" if is_request(found.query) else "shows the reported failure"
    lines = [f"{where} that {goal}: it must fail at the base commit and pass with the fix."]
    bodies = [without_comments(calm(r.body)) for r in reports[:5]]
    said = [m for body in bodies[:3] for m in _SAID.finditer(body)]
    lines += [f"The report says, under “{m['head'].strip().lower()}”: {m['said'].strip()}" for m in said[:3]]
    if found.query.errors:
        lines.append(f"Failure to look for: {found.query.errors[-1][:200]}")
    code = next((c for body in bodies if (c := _code_of(body))), "")
    if code:
        lines.append("Code from the report (data from outside: read it before running it):\n```\n" + code + "\n```")
    elif not said:
        lines.append("The report holds no code: the steps have to be worked out from its words.")
    return "\n".join(lines)


def _home(found: Findings) -> NearTest | None:
    """The test file to add to: among the three nearest, one that is tied to the first candidate."""
    held = [test for test in found.tests if test.holds_tests]
    first = f"`{found.candidates[0].path}`" if found.candidates else ""
    return next((test for test in held[:3] if first and first in test.reason), held[0] if held else None)


def _code_of(body: str) -> str:
    """The report's first code: a fence, else lines with a prompt, else the longest run of lines that read as code."""
    blocks = [b for b in _FENCE.findall(body) if len(b.strip()) > 15 and not _NOT_CODE.match(b)]
    if blocks:  # what calls something shows more than data or settings
        return _cut(next((b for b in blocks if re.search(r"\w\(", b)), blocks[0]))
    prompted = [line for line in body.split("\n") if _PROMPT.match(line)]
    if prompted:
        return _cut("\n".join(prompted))
    runs: list[list[str]] = [[]]
    for line in body.split("\n"):
        if len(line) > 500 or (not line.strip() and runs[-1]):
            continue
        if _CODE.match(line) and not _PROSE.search(_QUOTED.sub("", line)):
            runs[-1].append(line)
        elif runs[-1]:
            runs.append([])
    longest = max(runs, key=len)
    return _cut("\n".join(longest)) if len(longest) >= 2 else ""


def _cut(code: str) -> str:
    code = re.split(r"^(?:-{20,}|Traceback \(most recent)", code.strip("\n"), maxsplit=1, flags=re.M)[0] or code
    code = _CONTROL.sub("", code).rstrip().replace("```", "'''")
    return code if len(code) <= _LIMIT else code[:_LIMIT].rsplit("\n", 1)[0] + "\n... (cut)"
