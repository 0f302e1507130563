"""What grounding returns: plain structs, local to this package (the planner service turns them into messages)."""

from __future__ import annotations

from typing import Literal

import msgspec

from services.planner.localise.results import Candidate

CommandKind = Literal["setup", "test", "lint"]


class Report(msgspec.Struct, frozen=True):
    """One report the plan answers; `trust` as the caller labels its source (`public`, `authenticated`, `team`)."""

    title: str
    body: str = ""
    id: str = ""
    source: str = ""
    trust: str = "public"


class Command(msgspec.Struct, frozen=True):
    """A command found in the repository, run from its root with `sh -c`.

    `source_file` says where it was found; `confidence` (0..1) how plainly the repository says so.
    """

    kind: CommandKind
    command: str
    source_file: str
    confidence: float


class NearTest(msgspec.Struct, frozen=True):
    """An existing test file near the candidates, `reason` in words.

    `command` runs it alone when that is known; `holds_tests` is False for test data and support files.
    """

    path: str
    score: float
    reason: str
    command: str | None = None
    holds_tests: bool = True


class SuspectCommit(msgspec.Struct, frozen=True):
    """A commit that changed candidate files; `time` in unix seconds."""

    sha: str
    title: str
    author: str
    time: int
    files: list[str]
    reason: str


class MessageSite(msgspec.Struct, frozen=True):
    """A line of code that holds words of the report's error message or quotation."""

    path: str
    line: int
    phrase: str
    symbol: str = ""


class Hypothesis(msgspec.Struct, frozen=True):
    """A possible cause; `confidence` 0..1; `refuted_by` is an observation that would rule it out."""

    statement: str
    confidence: float
    evidence_for: list[str]
    evidence_against: list[str]
    refuted_by: str


class ValidationStep(msgspec.Struct, frozen=True):
    """How to see that the fix works; `command` is real (found in the repository) or None."""

    title: str
    command: str | None
    kind: Literal["test", "lint", "manual"]
    source_file: str = ""


class ReportSaid(msgspec.Struct, frozen=True):
    """A report as the plan cites it."""

    title: str
    id: str = ""
    source: str = ""
    trust: str = "public"


class PlanDraft(msgspec.Struct, frozen=True):
    """A plan from evidence alone. Everything named exists at `base_commit`; `notes` say what is not known."""

    title: str
    summary: str
    base_commit: str
    grounded: Literal["evidence"]
    confidence: float
    candidate_files: list[Candidate]
    reports: list[ReportSaid]
    hypotheses: list[Hypothesis]
    suspect_commits: list[SuspectCommit]
    reproduction: str
    steps: list[str]
    validation_steps: list[ValidationStep]
    setup_commands: list[str]
    test_command: str | None
    nearest_tests: list[NearTest]
    risks: list[str]
    expected_size: str
    notes: list[str]
    timings_ms: dict[str, float]
