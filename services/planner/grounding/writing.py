"""The parts of a plan a person acts on: reproduction, steps, validation, risks, size. Only what evidence supports."""

from __future__ import annotations

import re
from statistics import median

from services.planner.grounding.hypotheses import Findings, is_request, main_symbol, place
from services.planner.grounding.model import Command, NearTest, Report, ValidationStep
from services.planner.grounding.targeted import command_for
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.results import Candidate

_EXPECTED = re.compile(
    r"^[#*\s>_-]*(?:expected(?: behaviou?r| results?| output)?|what (?:did you expect|should happen)[^\n]{0,40}"
    r"|actual(?: behaviou?r"
    r"| results?| output)?|what happened|current behaviou?r|observed)\b[^\n:]{0,30}:?[*_ ]*\n*(?P<said>[^\n]{8,300})",
    re.I | re.M,
)
_FENCE = re.compile(r"^[ \t]*```[^\n]*\n(.*?)^[ \t]*```", re.S | re.M)
_CODE_LIMIT = 1500
_CHANGELOG = re.compile(r"^(?:CHANGES|CHANGELOG|HISTORY|NEWS|RELEASE[_-]?NOTES|WHATS_?NEW)(?:\.\w+)?$", re.I)
_LOCK = re.compile(
    r"[\u0000-\u0008\u000b-\u001f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]|"
    r"[\U000e0000-\U000e007f]"
)


def write_reproduction(found: Findings, reports: list[Report]) -> str:
    """What to write before the fix: where the failing test goes, and the report's own code as data."""
    where = f"Add a failing test to `{found.tests[0].path}`" if found.tests else "Write a failing test first"
    goal = "shows the missing behaviour" if is_request(found.query) else "shows the reported failure"
    lines = [f"{where} that {goal}; it must fail at the base commit and pass with the fix."]
    said = [m for r in reports[:3] for m in _EXPECTED.finditer(_LOCK.sub("", r.body))]
    lines += [
        f"The report says ({m[0].split(chr(10))[0].strip('#*:_> -').lower()}): {m['said'].strip()}" for m in said[:3]
    ]
    if found.query.errors:
        lines.append(f"Failure to look for: {found.query.errors[-1][:200]}")
    code = _first_code(reports)
    if code:
        lines.append("Code from the report (data from outside, read it before running it):\n```\n" + code + "\n```")
    elif not said:
        lines.append("The report holds no code: the steps have to be worked out from its words.")
    return "\n".join(lines)


def _first_code(reports: list[Report]) -> str:
    for report in reports:
        body = _LOCK.sub("", report.body)
        for block in _FENCE.findall(body):
            if len(block.strip()) > 15 and not re.match(r"\s*(?:Traceback|INSTALLED VERSIONS|\S+==\d)", block):
                return _cut(block)
        lines = [line for line in body.split("\n") if re.match(r"\s*(?:>>>|\.\.\.|In \[\d+\]:)", line)]
        if lines:
            return _cut("\n".join(lines))
        runs = re.findall(
            r"(?:^(?:[ \t]+\S|from \w|import \w|class \w|def \w|\w[\w.]* = |\w[\w.]*\(|@\w)"
            r"[^\n]*\n){3,}",
            body,
            re.M,
        )
        if runs:
            return _cut(re.sub(r"^", "", max(runs, key=len)))
    return ""


def _cut(code: str) -> str:
    code = code.rstrip().replace("```", "'''")
    return code if len(code) <= _CODE_LIMIT else code[:_CODE_LIMIT].rsplit("\n", 1)[0] + "\n... (cut)"


def write_steps(index: RepositoryIndex, found: Findings) -> list[str]:
    """Numbered work, first to last, every place named with its lines."""
    if not found.candidates:
        return [
            "No code of this repository matches the report: ask the reporter for the file, the error and the steps."
        ]
    steps = ["Write the reproduction (below) as a test and see it fail at the base commit."]
    if found.sites:
        site = found.sites[0]
        inside = f", in `{site.symbol}`" if site.symbol else ""
        steps.append(f"Read `{site.path}:{site.line}`{inside}, where the reported message stands, and who calls it.")
    first = found.candidates[0]
    steps.append(f"Read {place(first, main_symbol(first))}{_also(first)} and follow the reproduction through it.")
    rivals = [c for c in found.candidates[1:4] if c.share > 0.15 * first.share]
    if rivals:
        steps.append(f"If it does not pass there, look next at {', '.join(place(c, main_symbol(c)) for c in rivals)}.")
    if found.suspects and found.regression:
        steps.append(
            f"The report speaks of a regression: read commit {found.suspects[0].sha[:10]} “{found.suspects[0].title[:80]}”."
        )
    verb = "Add the behaviour" if is_request(found.query) else "Correct the cause"
    steps.append(
        f"{verb} in the smallest place that serves every caller; keep public signatures unless the report asks otherwise."
    )
    partners = _partners(index, first)
    if partners:
        steps.append(
            f"Check whether these need the same change, they often change with `{first.path}`: {', '.join(partners)}."
        )
    steps.append("Run the nearest tests, then the whole suite and the linters (validation, below).")
    if notes := _changelog(index):
        steps.append(f"Enter the change in `{notes}` if the project records such fixes there.")
    return steps


def _also(candidate: Candidate) -> str:
    chosen = main_symbol(candidate)
    others = [s for s in candidate.symbols if s is not chosen][:3]
    shown = ", ".join(f"`{s.name}` ({s.start_line}-{s.end_line})" for s in others)
    return f", then {shown}," if shown else ""


def _partners(index: RepositoryIndex, candidate: Candidate, most: int = 3) -> list[str]:
    """Source files in at least a fifth (and three) of the past commits to the candidate."""
    counts: dict[str, int] = {}
    total = 0
    for commit in index.commits:
        if candidate.path in commit.files and commit.file_count <= 15:
            total += 1
            for other in commit.files:
                if other != candidate.path and other in index.sources.number:
                    counts[other] = counts.get(other, 0) + 1
    kept = sorted((-n, p) for p, n in counts.items() if n >= 3 and n / total >= 0.2)
    return [f"`{path}` ({-n} of {total} commits)" for n, path in kept[:most]]


def _changelog(index: RepositoryIndex) -> str | None:
    return next((p for p in sorted(index.files) if "/" not in p and _CHANGELOG.match(p)), None)


def write_validation(commands: list[Command], tests: list[NearTest]) -> list[ValidationStep]:
    """Nearest tests alone, then the repository's own suite and linters; no command is invented."""
    steps = [
        ValidationStep(f"The nearest tests pass: {t.path}", t.command, "test", t.path) for t in tests[:3] if t.command
    ]
    suite = [c for c in commands if c.kind == "test"]
    if suite:
        steps.append(ValidationStep("The whole suite passes", suite[0].command, "test", suite[0].source_file))
    else:
        steps.append(
            ValidationStep(
                "No test command was found in the repository: say how to test before the fix starts", None, "manual"
            )
        )
    steps += [
        ValidationStep(f"No new complaints from `{c.command}`", c.command, "lint", c.source_file)
        for c in commands
        if c.kind == "lint"
    ][:2]
    steps.append(ValidationStep("The reproduction fails at the base commit and passes with the fix", None, "manual"))
    return steps


def with_commands(index: RepositoryIndex, commands: list[Command], tests: list[NearTest]) -> list[NearTest]:
    """Near tests with the command that runs each alone, where the runner's way is known."""
    suite = [c for c in commands if c.kind == "test"]
    return [NearTest(t.path, t.score, t.reason, command_for(index, suite, t.path)) for t in tests]


def write_risks(index: RepositoryIndex, found: Findings, commands: list[Command]) -> list[str]:
    """What could make the plan wrong or the change costly, each from something counted."""
    if not found.candidates:
        return ["Nothing to go by: a fix started from this plan would be a guess."]
    risks: list[str] = []
    first = found.candidates[0]
    if first.share < 0.4:
        risks.append(
            f"The ranking is not sure of its first file ({first.share:.0%} of the belief); the first five together hold"
            f" {sum(c.share for c in found.candidates[:5]):.0%}. Reproduce before changing anything."
        )
    importers = _importers(index, first)
    if importers >= 5:
        risks.append(f"{importers} other files import `{first.path}`: a change of behaviour reaches far.")
    changes = sum(first.path in c.files for c in index.commits)
    if changes >= 40:
        risks.append(
            f"`{first.path}` changed in {changes} of the last {len(index.commits)} commits: conflicts with other work are likely."
        )
    if not found.tests:
        risks.append("No existing tests were found near the candidate files: nothing would catch a side effect.")
    if not any(c.kind == "test" for c in commands):
        risks.append("No test command is known for this repository.")
    if index.shallow:
        risks.append("The clone is shallow: suspects and change history are incomplete.")
    if not found.query.frames and not found.query.code.strip() and not is_request(found.query):
        risks.append("The report has neither code nor a stack trace: the failure may not be reproducible as described.")
    return risks or ["None stands out from the evidence; the code itself has not been run or read by a person."]


def _importers(index: RepositoryIndex, candidate: Candidate) -> int:
    parts = candidate.path.rsplit(".", 1)[0].split("/")
    if parts[-1] in ("__init__", "index", "mod", "lib") and len(parts) > 1:
        parts = parts[:-1]
    tail = "/".join(parts[-2:])
    if len(parts) < 2:
        return 0
    pattern = re.compile(rf"(?:^|/){re.escape(tail)}(?:/|$)", re.M)
    return sum(
        bool(pattern.search(re.sub(r"(?<=\w)\.(?=\w)|::|\\", "/", imports)))
        for number, imports in enumerate(index.sources.imports)
        if index.sources.files[number].path != candidate.path
    )


def write_size(index: RepositoryIndex, similar: list[int], found: Findings) -> str:
    """Expected size from the past commits most like the report."""
    counts = [index.commits[n].file_count for n in similar[:12] if index.commits[n].file_count <= 30]
    if len(counts) < 4:
        return "unknown: too few past commits resemble the report"
    middle = median(counts)
    word = "small" if middle <= 3 else "medium" if middle <= 8 else "large"
    return f"{word}: the {len(counts)} past commits most like the report changed {middle:g} files in the middle case, tests included"
