"""A plan with a model: ask, read, check against the repository, ask once more when nothing can stand."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from msgspec import structs

from runner_core.git import GitError
from runner_core.metering import Tokens
from schemas.errors import Failure
from schemas.plans import Plan
from services.planner import suspicion
from services.planner.answers import SCHEMA, Unreadable, Written, read_answer
from services.planner.asking import Answered, Model, ModelFailure, Purse
from services.planner.checking import Known, checked_plan, claims, names_to_look_up
from services.planner.generation import PlanningFailed
from services.planner.grounder import Excerpt
from services.planner.prompting import Question, estimated_tokens, question, repair
from services.planner.reading import Reports
from services.planner.repositories import Ground, Mirrors

Progress = Callable[[str], Awaitable[None]]
_TRIES: Final = 2
_SHRINKS: Final = 3
_SMALLEST: Final = 1_000


class ModelAuthor:
    """Implements generation.Author. ``plan_tokens`` bounds all questions and answers of one plan together."""

    def __init__(
        self,
        model: Model,
        mirrors: Mirrors,
        *,
        plan_tokens: int,
        answer_tokens: int,
        on_failure: Literal["fail", "evidence"] = "fail",
    ) -> None:
        self._model, self._mirrors, self._on_failure = model, mirrors, on_failure
        self._plan_tokens, self._answer_tokens = plan_tokens, answer_tokens

    async def write(
        self, draft: Plan, reports: Reports, excerpts: list[Excerpt], ground: Ground, progress: Progress, purse: Purse
    ) -> Plan:
        """The plan with the model's hypotheses and steps. Raises PlanningFailed with ``model_unavailable``.

        What the project's budget does not pay is not asked: evidence alone costs nothing.
        """
        budget = _Budget(self._plan_tokens, purse)
        try:
            return await self._write(draft, reports, excerpts, ground, progress, budget)
        except _TooPoor as poor:
            return structs.replace(draft, notes=[f"{poor} This plan is from evidence alone.", *draft.notes])
        except ModelFailure as failed:
            if self._on_failure == "evidence":
                note = f"The model {self._model.name} gave no plan: {failed.reason} This plan is from evidence alone."
                return structs.replace(draft, notes=[note, *draft.notes])
            failure = Failure(
                kind="model_unavailable", reason=failed.reason, action=failed.action, detail=failed.detail[-2000:]
            )
            raise PlanningFailed(failure) from failed

    async def _write(
        self,
        draft: Plan,
        reports: Reports,
        excerpts: list[Excerpt],
        ground: Ground,
        progress: Progress,
        budget: "_Budget",
    ) -> Plan:
        room = max(_SMALLEST, budget.tokens // 2 - self._answer_tokens)
        sentences = [s for one in reports.said for s in suspicion.suspicious_sentences(f"{one.title}\n{one.body}")]
        asked, answered = await self._first(draft, reports, excerpts, room, budget, progress)
        best: tuple[Plan, int] | None = None
        for attempt in range(_TRIES):
            problem = ""
            try:
                written = _read(answered)
                await progress("checking the answer against the repository")
                best = await self._checked(draft, written, asked, sentences, ground)
            except Unreadable as error:
                problem = f"Your answer could not be used: {error}."
            if best is not None and (best[0].steps != draft.steps and best[0].hypotheses != draft.hypotheses):
                break
            if attempt + 1 == _TRIES:
                break
            again = repair(asked, answered.text, problem or _untenable(best))
            if not budget.allows(again, self._answer_tokens):
                break
            answered = await self._ask(again, budget, progress)
        if best is None:
            raise _no_answer(self._model.name, answered)
        return _with_warnings(best[0], sentences, budget)

    async def _first(
        self, draft: Plan, reports: Reports, excerpts: list[Excerpt], room: int, budget: "_Budget", progress: Progress
    ) -> tuple[Question, Answered]:
        """The first answer; a question above the model's window is asked again with less evidence."""
        for last in (False,) * (_SHRINKS - 1) + (True,):
            asked = question(draft, reports, excerpts, secrets.token_hex(8), room)
            if not budget.allows(asked, self._answer_tokens):
                if budget.poor:
                    raise _TooPoor(f"The project's budget leaves {budget.tokens} tokens, too few to ask a model.")
                raise ModelFailure(
                    f"The question needs more than the {self._plan_tokens} tokens a plan may use.",
                    "Raise MODEL_PLAN_TOKENS of the planner, or lower MODEL_ANSWER_TOKENS.",
                )
            try:
                return asked, await self._ask(asked, budget, progress)
            except ModelFailure as failed:
                if not failed.too_long or last:
                    raise
                room = max(_SMALLEST, room // 2)
        raise AssertionError("the last try returns or raises")

    async def _ask(self, asked: Question, budget: "_Budget", progress: Progress) -> Answered:
        await progress(f"asking {self._model.name}")

        async def tell(characters: int) -> None:
            await progress(f"{self._model.name} is writing: about {characters // 4} tokens so far")

        answered = await self._model.ask(asked.messages, SCHEMA, tell)
        used = answered.used or Tokens(estimated_tokens(asked.messages), len(answered.text) // 4)
        await budget.pay(used)
        return answered

    async def _checked(
        self, draft: Plan, written: Written, asked: Question, sentences: list[str], ground: Ground
    ) -> tuple[Plan, int]:
        names = names_to_look_up(written)[:200]
        within = [candidate.path for candidate in draft.candidate_files]
        try:
            found = await self._mirrors.existing_names(ground, names, within)
            paths = await self._mirrors.paths(ground)
        except GitError as error:
            raise PlanningFailed(_unchecked(error)) from error
        known = Known(
            files=asked.files,
            commands=asked.commands,
            paths=paths,
            names=frozenset(found),
            injected=suspicion.runs_of(sentences),
        )
        assert claims(written), "an answer that was read says something"
        return checked_plan(draft, written, known, self._model.name)


class _TooPoor(Exception):
    """The project's budget does not pay a question; says so."""


class _Budget:
    """The smaller of what a plan may use and what the project's budget pays; ``poor`` when that is the latter."""

    def __init__(self, plan_tokens: int, purse: Purse) -> None:
        allowed = purse.allows()
        self.poor = allowed is not None and allowed < plan_tokens
        self.tokens, self.used, self._purse = min(plan_tokens, plan_tokens if allowed is None else allowed), 0, purse

    async def pay(self, used: Tokens) -> None:
        self.used += used.input + used.output
        await self._purse.pay(used)

    def allows(self, asked: Question, answer: int) -> bool:
        return self.used + estimated_tokens(asked.messages) + answer <= self.tokens


def _read(answered: Answered) -> Written:
    try:
        return read_answer(answered.text)
    except Unreadable as error:
        if answered.cut:
            raise Unreadable("it was cut off at the token limit; be shorter") from error
        raise


def _untenable(best: tuple[Plan, int] | None) -> str:
    notes = [n for n in (best[0].notes if best else []) if n.startswith(("Removed", "None of"))]
    return "Your answer did not stand the check against the repository:\n" + "\n".join(f"- {n}" for n in notes[:10])


def _with_warnings(plan: Plan, sentences: list[str], budget: _Budget) -> Plan:
    notes = [
        f"A report holds text that speaks to an assistant; it was not followed: “{s[:200]}”" for s in sentences[:3]
    ]
    return structs.replace(plan, notes=[*plan.notes, *notes, f"The model used {budget.used} tokens for this plan."])


def _no_answer(name: str, answered: Answered) -> ModelFailure:
    how = "was cut off at its token limit" if answered.cut else "was not the JSON that was asked for, twice"
    return ModelFailure(
        f"The answer of {name} {how}.",
        "Choose a model that can answer in JSON, or raise MODEL_ANSWER_TOKENS; see docs/how-to/models.md.",
        answered.text[-1000:],
    )


def _unchecked(error: GitError) -> Failure:
    return Failure(
        kind="planning",
        reason="The model's answer could not be checked against the repository.",
        action="Generate again.",
        detail=str(error)[-2000:],
    )
