"""The parts of a plan a person acts on: steps, validation, risks, size. Only what evidence supports."""

from __future__ import annotations

import re
from statistics import median

import msgspec

from services.planner.grounding.hypotheses import NAMED, Findings, is_request, main_symbol, place
from services.planner.grounding.model import Command, MessageSite, NearTest, ValidationStep
from services.planner.grounding.targeted import command_for
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.results import Candidate
from services.planner.localise.tokens import compound_hash

_CHANGELOG = re.compile(r"^(?:CHANGES|CHANGELOG|HISTORY|NEWS|RELEASE[_-]?NOTES|WHATS_?NEW)(?:\.\w+)?$", re.I)


def write_steps(index: RepositoryIndex, found: Findings) -> list[str]:
    """Numbered work, first to last, every place named with its lines."""
    if not found.candidates:
        return [
            "No code of this repository matches the report: ask the reporter for the file, the error and the steps."
        ]
    steps = ["Write the reproduction as a test and see it fail at the base commit."]
    if found.sites:
        site = found.sites[0]
        inside = f", in `{site.symbol}`" if site.symbol else ""
        steps.append(
            f"Read `{site.path}:{site.line}`{inside}, where the reported message stands, and who gets"
            f" there{_users(index, site)}."
        )
    first = found.candidates[0]
    steps.append(f"Read {place(first, main_symbol(first))}{_also(first)} and follow the reproduction through it.")
    rivals = [c for c in found.candidates[1:4] if c.share > 0.02 and c.share > 0.05 * first.share]
    if rivals:
        steps.append(f"If it does not pass there, look next at {', '.join(place(c, main_symbol(c)) for c in rivals)}.")
    if found.suspects and found.regression:
        steps.append(
            f"The report speaks of a regression: read commit {found.suspects[0].sha[:10]}"
            f" “{found.suspects[0].title[:80]}”."
        )
    verb = "Add the behaviour" if is_request(found.query) else "Correct the cause"
    steps.append(
        f"{verb} in the smallest place that serves every caller; keep public signatures unless the report asks"
        " otherwise."
    )
    partners = _partners(index, first)
    if partners:
        steps.append(
            f"Check whether these need the same change, they often change with `{first.path}`: {', '.join(partners)}."
        )
    steps.append("Run the nearest tests, then the whole suite and the linters (see validation).")
    if notes := _changelog(index):
        steps.append(f"Enter the change in `{notes}` if the project records such fixes there.")
    return steps


def _users(index: RepositoryIndex, site: MessageSite) -> str:
    """Other files that use the function around a message, when they are few enough to read."""
    if len(site.symbol) < 4 or site.symbol.startswith("__"):
        return ""
    users = [int(n) for n in index.sources.whole.documents(compound_hash(site.symbol))]
    paths = [index.sources.files[n].path for n in users if index.sources.files[n].path != site.path]
    return f" (`{site.symbol}` also occurs in {', '.join(f'`{p}`' for p in paths[:4])})" if 0 < len(paths) <= 6 else ""


def _also(candidate: Candidate) -> str:
    chosen = main_symbol(candidate)
    others: dict[str, str] = {}
    for one in candidate.symbols:
        around = chosen is not None and one.start_line <= chosen.start_line and chosen.end_line <= one.end_line
        if not around:
            others.setdefault(one.name, f"`{one.name}` ({one.start_line}-{one.end_line})")
    shown = ", ".join([*others.values()][:3])
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
    steps = [ValidationStep(f"The tests in {t.path} pass", t.command, "test", t.path) for t in tests[:3] if t.command]
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
    return [
        msgspec.structs.replace(t, command=command_for(index, suite, t.path)) if t.holds_tests else t for t in tests
    ]


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
    elif not NAMED & {e.kind for e in first.evidence}:
        risks.append(
            f"The report names nothing of `{first.path}`: words alone led there. Reproduce before changing anything."
        )
    importers = _importers(index, first)
    if importers >= 5:
        risks.append(f"{importers} other files import `{first.path}`: a change of behaviour reaches far.")
    changes = sum(first.path in c.files for c in index.commits)
    if changes >= 40:
        risks.append(
            f"`{first.path}` changed in {changes} of the last {len(index.commits)} commits: conflicts with other work"
            " are likely."
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
    files = f"{middle:g} file{'' if middle == 1 else 's'}"
    return f"{word}: the {len(counts)} past commits most like the report changed {files} at the median, tests included"
