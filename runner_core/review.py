"""A look at the patch against its plan, as a careful author looks before asking others. Pure; it holds nothing up.

What the gate does not decide but a reviewer wants to know: leftovers of the search, tests touched or missing, files
that the plan expected to change and that did not.
"""

import re
from typing import Final

from runner_core.gate import is_test
from runner_core.patch import Change, Patch
from schemas.jobs import GateFinding
from schemas.plans import Plan

RULE: Final = "review"
EXPECTED: Final = 1  # of the plan's candidate files, best first, that a fix is expected to touch
_DEBUG: Final = {
    "py": r"^\s*print\(|\bbreakpoint\(\)|\bpdb\.set_trace\(|\bimport (?:pdb|ipdb)\b|\bpprint\(",
    "js": r"\bconsole\.(?:log|debug|trace)\(|^\s*debugger\b",
    "go": r"\bfmt\.Print(?:ln|f)?\(|\bspew\.Dump\(|\bprintln\(",
    "rs": r"\bdbg!\(|\beprintln!\(",
    "rb": r"\bbinding\.(?:pry|irb)\b|^\s*(?:p|pp|puts) ",
    "java": r"\bSystem\.(?:out|err)\.print|\.printStackTrace\(\)",
    "php": r"\b(?:var_dump|print_r|dd)\(",
    "c": r"\bprintf\(|\bfprintf\(stderr",
}
_KIN: Final = {"jsx": "js", "ts": "js", "tsx": "js", "mjs": "js", "cjs": "js", "kt": "java", "scala": "java"}
_KIN_C: Final = {"h": "c", "cc": "c", "cpp": "c", "hpp": "c"}
_UNFINISHED: Final = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b")
_PROSE: Final = re.compile(r"\.(?:md|rst|txt|adoc)$", re.IGNORECASE)


def review(patch: Patch, plan: Plan) -> list[GateFinding]:
    """What a reviewer should know, sorted by path; all of it is told only."""
    found = [note for change in patch.changes for note in _change(change)]
    changed = set(patch.paths)
    found += [
        _note(file.path, "The plan expected a change here, and there is none.")
        for file in plan.candidate_files[:EXPECTED]
        if file.path not in changed
    ]
    if not any(is_test(path) for path in patch.paths):
        found.append(_note("", "The patch neither adds nor changes a test."))
    return sorted(found, key=lambda note: (note.path, note.detail))


def _change(change: Change) -> list[GateFinding]:
    if change.binary or change.unread:
        return []
    if is_test(change.path):
        return [_note(change.path, "An existing test is changed.")] if change.status == "modified" else []
    found = []
    if lines := _matching(change, _debug(change.path)):
        found.append(_note(change.path, f"Added lines look like leftover debug output: {lines}"))
    if not _PROSE.search(change.path) and (lines := _matching(change, _UNFINISHED)):
        found.append(_note(change.path, f"Added lines call themselves unfinished: {lines}"))
    return found


def _debug(path: str) -> re.Pattern[str] | None:
    ending = path.rpartition(".")[2].casefold()
    pattern = _DEBUG.get((_KIN | _KIN_C).get(ending, ending))
    return re.compile(pattern) if pattern else None


def _matching(change: Change, pattern: re.Pattern[str] | None) -> str:
    """The first added line that matches, shortened."""
    for line in change.added_text.splitlines() if pattern else ():
        if pattern is not None and pattern.search(line):
            return line.strip()[:120]
    return ""


def _note(path: str, detail: str) -> GateFinding:
    return GateFinding(rule=RULE, verdict="note", path=path, detail=detail)
