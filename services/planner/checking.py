"""The second pass: a model's words held against the repository and the rules. What fails is removed and said. Pure."""

from collections.abc import Collection, Iterable
from typing import Final

import msgspec
from msgspec import structs

from runtime.untrusted import clean
from schemas.plans import CandidateFile, Hypothesis, Plan, ValidationStep
from services.planner import suspicion
from services.planner.answers import Checked, Picked, Supposed, Written
from services.planner.naming import Paths, names_in, parts_of, proposes_new, unknown_files, unknown_names

_TEXT, _LINE = 4000, 1500
_ITEMS, _HYPOTHESES = 20, 6
_NOTES: Final = 20
_EVIDENCE_NOTE: Final = "Made from repository evidence alone"


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What the check may rely on: ids of the question, the commit's files, words that occur in it, report sentences."""

    files: dict[str, str]
    commands: dict[str, str]
    paths: Paths
    names: frozenset[str]
    injected: frozenset[tuple[str, ...]] = frozenset()


class Checkup:
    """One check of one answer; ``removed`` and ``kept`` count, ``notes`` say."""

    def __init__(self, known: Known, commit: str) -> None:
        self._known, self._commit = known, commit[:12]
        self.notes: list[str] = []
        self.removed = self.kept = 0

    def text(self, what: str, text: str, limit: int = _LINE) -> str | None:
        """The text as it may stand, or None when it must not; unknown names are marked."""
        cleaned = clean(text, limit).text.strip()
        if not cleaned:
            return None
        why = self._objection(cleaned)
        if why is not None:
            self._drop(what, why, cleaned)
            return None
        self.kept += 1
        return self._without_unknown_names(what, cleaned)

    def texts(self, what: str, texts: Iterable[str]) -> list[str]:
        """Those that may stand."""
        found = (self.text(what, text) for text in list(texts)[:_ITEMS])
        return [text for text in found if text is not None]

    def _objection(self, text: str) -> str | None:
        if suspicion.repeats(text, self._known.injected):
            return "repeats an instruction of a report"
        if (rule := suspicion.reason(text)) is not None:
            return rule
        unknown = [] if proposes_new(text) else unknown_files(text, self._known.paths)
        return f"names {_listed(unknown)}, not in the repository at {self._commit}" if unknown else None

    def _without_unknown_names(self, what: str, text: str) -> str:
        if proposes_new(text):
            return text
        for name in unknown_names(text, self._known.names):
            outside = parts_of(name)[0] in self._known.names
            mark = f"`{name}` (not defined in the repository)" if outside else "[a name that is not in the repository]"
            told = "is only marked, for it may be a library's" if outside else "was removed"
            self.note(f"`{name}`, named in a {what}, is not in the repository at {self._commit}; it {told}.")
            for form in (f"`{name}()`", f"`{name}`", f"{name}()"):
                text = text.replace(form, mark) if mark not in text else text
        return text

    def _drop(self, what: str, why: str, text: str) -> None:
        self.removed += 1
        self.note(f"Removed a {what} of the model that {why}: “{_short(text)}”")

    def drop(self, what: str, why: str, text: str) -> None:
        """Count and say a removal decided elsewhere."""
        self._drop(what, why, clean(text, 300).text)

    def note(self, text: str) -> None:
        """Say it once, and no more than twenty things."""
        if text not in self.notes and len(self.notes) < _NOTES:
            self.notes.append(text)


def claims(written: Written) -> list[str]:
    """Every text of an answer: what the check needs to know names for."""
    found = [written.summary, written.reproduction, *written.steps, *written.risks]
    for one in written.hypotheses:
        found += [one.statement, one.refuted_by, *one.evidence_for, *one.evidence_against]
    found += [text for picked in written.files for text in (picked.reason, *(f"`{s}()`" for s in picked.symbols))]
    return [*found, *(check.title for check in written.checks)]


def names_to_look_up(written: Written) -> list[str]:
    """The identifiers to search the repository for."""
    return list(dict.fromkeys(part for text in claims(written) for name in names_in(text) for part in parts_of(name)))


def checked_plan(draft: Plan, written: Written, known: Known, model: str) -> tuple[Plan, int]:
    """The draft with what stands of the answer, and how much of it was removed.

    Parts of which nothing stands keep the draft's, so the result is never poorer than the evidence.
    """
    check = Checkup(known, draft.base_commit)
    hypotheses = [h for one in written.hypotheses[:_HYPOTHESES] if (h := _hypothesis(check, one)) is not None]
    steps = check.texts("step", written.steps)
    for what, found in (("hypotheses", hypotheses), ("steps", steps)):
        if not found:
            check.note(f"None of the model's {what} could stand; the {what} are those of the evidence.")
    summary = check.text("summary", written.summary, _TEXT) or draft.summary
    reproduction = check.text("reproduction", written.reproduction, _TEXT)
    candidate_files = _candidates(check, draft, written.files)
    validation = _validation(check, draft, written.checks)
    risks = list(dict.fromkeys([*check.texts("risk", written.risks), *draft.risks]))[:_ITEMS]
    share = check.kept / max(1, check.kept + check.removed)
    plan = structs.replace(
        draft,
        summary=summary,
        description=summary,
        hypotheses=sorted(hypotheses, key=lambda h: -h.confidence) or draft.hypotheses,
        candidate_files=candidate_files,
        steps=steps or draft.steps,
        validation_steps=validation,
        reproduction=f"{reproduction}\n\n{draft.reproduction}".strip() if reproduction else draft.reproduction,
        risks=risks,
        expected_size=check.text("size", written.expected_size, 300) or draft.expected_size,
        confidence=round(_unit(written.confidence) * share, 2) if hypotheses and steps else draft.confidence,
        grounded="model",
        model=model,
    )
    notes = [n for n in draft.notes if not n.startswith(_EVIDENCE_NOTE)]
    made = f"Hypotheses and steps by {model} from the evidence, checked against the repository; nothing was run."
    return structs.replace(plan, notes=[made, *notes, *check.notes]), check.removed


def _hypothesis(check: Checkup, one: Supposed) -> Hypothesis | None:
    statement = check.text("hypothesis", one.statement)
    if statement is None:
        return None
    return Hypothesis(
        statement=statement,
        confidence=round(_unit(one.confidence), 2),
        evidence_for=check.texts("piece of evidence", one.evidence_for),
        evidence_against=check.texts("piece of evidence", one.evidence_against),
        refuted_by=check.text("refutation", one.refuted_by) or "",
    )


def _candidates(check: Checkup, draft: Plan, picked: Collection[Picked]) -> list[CandidateFile]:
    """The model's choice first, then the rest in the order of retrieval: a reorder of the list, nothing added."""
    listed = {candidate.path: candidate for candidate in draft.candidate_files}
    by_name = check._known.files | {path: path for path in listed}
    first: dict[str, CandidateFile] = {}
    for one in list(picked)[:_ITEMS]:
        words = one.file.strip().strip("`").split()
        path = by_name.get(one.file.strip().strip("`").removeprefix("./")) or by_name.get(words[0] if words else "")
        if path is None or path not in listed:
            exists = check._known.paths.has(one.file.strip().strip("`"))
            why = "retrieval did not find" if exists else f"is not in the repository at {draft.base_commit[:12]}"
            check.drop("file", why, one.file)
        elif path not in first:
            first[path] = _picked(check, listed[path], one)
    return [*first.values(), *(c for path, c in listed.items() if path not in first)]


def _picked(check: Checkup, candidate: CandidateFile, one: Picked) -> CandidateFile:
    reason = check.text("reason", one.reason, 500)
    shown = {symbol.name: symbol for symbol in candidate.symbols}
    for name in one.symbols[:10]:
        if parts_of(name.strip("`()"))[-1:] and parts_of(name.strip("`()"))[-1] not in check._known.names:
            check.note(f"`{clean(name, 100).text}` was named in {candidate.path} but is not in the repository.")
    chosen = [shown[name] for name in (n.strip("`()") for n in one.symbols) if name in shown]
    symbols = list(dict.fromkeys([*(s.name for s in chosen), *shown]))
    reasons = [*([f"model: {reason}"] if reason else []), *candidate.reasons]
    return structs.replace(candidate, reasons=reasons, symbols=[shown[name] for name in symbols])


def _validation(check: Checkup, draft: Plan, checks: Collection[Checked]) -> list[ValidationStep]:
    """The repository's own checks, after those of the model that name one of them or none."""
    known = {step.command: step for step in draft.validation_steps if step.command}
    found: list[ValidationStep] = []
    for one in list(checks)[:_ITEMS]:
        title = check.text("check", one.title, 500)
        wanted = (one.command or "").strip().strip("`")
        command = check._known.commands.get(wanted) or (wanted if wanted in check._known.commands.values() else None)
        if wanted and command is None:
            check.drop("command", "the repository does not name", wanted)
        elif title is not None:
            kind = known[command].kind if command in known else "test" if command else "manual"
            found.append(ValidationStep(title=title, command=command, kind=kind))
    commands = {step.command for step in found}
    return [*found, *(s for s in draft.validation_steps if s.command is None or s.command not in commands)]


def without_hostile_code(draft: Plan) -> Plan:
    """The evidence plan quotes a report's code for the reproduction; code that acts on the machine is left out."""
    head, fence, rest = draft.reproduction.partition("```")
    why = suspicion.reason(rest) if fence else None
    if why is None or why == suspicion.ADDRESS:
        return draft
    kept = "\n".join(line for line in head.rstrip().splitlines() if not line.startswith("Code from the report"))
    note = f"The report's code was left out of the reproduction, for it {why}; read it in the report."
    return structs.replace(draft, reproduction=kept, notes=[*draft.notes, note])


def _unit(value: float) -> float:
    return min(1.0, max(0.0, value)) if value == value else 0.0


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:3])


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 160 else line[:159] + "…"
