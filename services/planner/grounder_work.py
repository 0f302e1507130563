"""The work of ``grounder_process``: one Task on stdin, one Reply on stdout. Its imports alone take a quarter second."""

import sys
from datetime import UTC, datetime

import msgspec

from schemas.plans import (
    CandidateFile,
    Hypothesis,
    Plan,
    ReportRef,
    SuspectCommit,
    Symbol,
    ValidationStep,
)
from services.planner.grounder import At, Excerpt, Grounded, Refused, Reply, Task
from services.planner.grounding.draft import draft_plan
from services.planner.grounding.model import PlanDraft, Report
from services.planner.localise import Candidate, Frame, RepositoryError, RepositoryIndex

_READ_FILES, _READ_SYMBOLS = 12, 3
_SPAN_LINES, _HEAD_LINES = 60, 40
_EPOCH = datetime.fromtimestamp(0, UTC)


def answer() -> int:
    """Exit code 0 with a Reply, whether it is a plan or a refusal; anything else is a crash."""
    task = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Task)
    try:
        reply = Reply(grounded=ground(task))
    except RepositoryError as error:
        reply = Reply(refused=Refused(reason=f"{error.what}: {error.why}.", action=error.next_step))
    sys.stdout.buffer.write(msgspec.msgpack.encode(reply))
    return 0


def ground(task: Task) -> Grounded:
    """The evidence plan of a task. Raises RepositoryError."""
    index = RepositoryIndex.build(task.repository, task.commit, task.cache)
    try:
        draft = draft_plan(
            index,
            [Report(r.title, r.body, r.id, r.source, r.trust) for r in task.reports],
            frames=[_frame(f) for f in task.frames],
            since=task.since,
            limit=task.limit,
        )
        return Grounded(
            plan=msgspec.json.encode(as_plan(draft)),
            excerpts=excerpts(index, draft.candidate_files[:_READ_FILES]),
            timings_ms=index.timings_ms | draft.timings_ms,
        )
    finally:
        index.close()


def _frame(frame: At) -> Frame:
    return Frame(frame.path, frame.line, frame.function)


def as_plan(draft: PlanDraft) -> Plan:
    """The library's draft as the message; identity, version and repository are the service's to fill in."""
    return Plan(
        id="",
        project_id="",
        cluster_id="",
        version=0,
        title=draft.title,
        description=draft.summary,
        summary=draft.summary,
        reports=[ReportRef(feedback_id=r.id, source=r.source, title=r.title, trust=r.trust) for r in draft.reports],
        hypotheses=[Hypothesis(**msgspec.structs.asdict(h)) for h in draft.hypotheses],
        candidate_files=[_candidate(c) for c in draft.candidate_files],
        suspect_commits=[
            SuspectCommit(
                sha=c.sha, title=c.title, author=c.author, reason=c.reason, at=datetime.fromtimestamp(c.time, UTC)
            )
            for c in draft.suspect_commits
        ],
        steps=draft.steps,
        validation_steps=[
            ValidationStep(title=v.title, command=v.command, kind=v.kind) for v in draft.validation_steps
        ],
        setup_commands=draft.setup_commands,
        test_command=draft.test_command,
        nearest_tests=[t.path for t in draft.nearest_tests],
        reproduction=draft.reproduction,
        risks=draft.risks,
        confidence=draft.confidence,
        expected_size=draft.expected_size,
        repo_url="",
        base_branch="",
        base_commit=draft.base_commit,
        grounded="evidence",
        notes=draft.notes,
        created_at=_EPOCH,
        updated_at=_EPOCH,
    )


def _candidate(candidate: Candidate) -> CandidateFile:
    return CandidateFile(
        path=candidate.path,
        score=round(candidate.score, 4),
        reasons=[e.detail for e in candidate.evidence if e.weight > 0][:6],
        symbols=[
            Symbol(name=s.name, kind=s.kind, start_line=s.start_line, end_line=s.end_line) for s in candidate.symbols
        ],
    )


def excerpts(index: RepositoryIndex, candidates: list[Candidate]) -> list[Excerpt]:
    """What a model may read of each file: its likely symbols, or its first lines when none is known."""
    texts = index.read_many([c.path for c in candidates])
    found: list[Excerpt] = []
    for candidate in candidates:
        lines = texts.get(candidate.path, "").split("\n")
        spans = [(s.start_line, min(s.end_line, s.start_line + _SPAN_LINES)) for s in candidate.symbols[:_READ_SYMBOLS]]
        for start, end in spans or [(1, _HEAD_LINES)]:
            text = "\n".join(line[:300] for line in lines[max(0, start - 1) : end])
            if text.strip():
                found.append(Excerpt(path=candidate.path, start=start, end=min(end, len(lines)), text=text))
    return found
