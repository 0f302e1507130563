"""What a request does: generate, edit, approve, check. What it leaves behind is one change of the plan's record."""

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from msgspec import structs

from messaging.ports import BusError, Out, Reject, TooLarge
from messaging.worker import Context
from runner_core.metering import Prices
from runtime.clock import Clock
from runtime.logs import logger
from schemas.errors import Failure
from schemas.plans import Plan, PlanRecord, PlanRequest
from schemas.subjects import InvalidToken, plan_request
from services.planner import model, staleness
from services.planner.editing import BadEdit, read_changes
from services.planner.generation import Generator, PlanningFailed
from services.planner.model import Finding
from services.planner.purse import ProjectPurse
from services.planner.repositories import Mirrors, RepositoryProblem
from services.planner.store import PlanStore

log = logger("planner")
GIVE_UP_AFTER: Final = (
    4  # deliveries after which an error is an outcome; twice as many when the planner itself kept ending
)
NO_PLAN: Final = "The cluster has no plan."
_STALENESS_SECONDS: Final = 20.0
_PROGRESS_SECONDS: Final = 1.0


class Requests:
    """Handles ``requests.plan.*.*``. Publishes nothing: readers watch the record."""

    def __init__(
        self,
        store: PlanStore,
        generator: Generator,
        mirrors: Mirrors,
        clock: Clock,
        *,
        seconds: float = 540.0,
        prices: Prices | None = None,
    ) -> None:
        self._store, self._generator, self._mirrors, self._clock = store, generator, mirrors, clock
        self._seconds, self._prices = seconds, prices

    async def handle(self, request: PlanRequest, context: Context) -> AsyncIterator[Out]:
        """Settle the request exactly once, however often it is delivered."""
        _check_subject(request, context.subject)
        for out in await self._settle(request, context):
            yield out

    async def _settle(self, request: PlanRequest, context: Context) -> list[Out]:
        names = {"project_id": request.project_id, "cluster_id": request.cluster_id, "request_id": request.id}
        if model.settled(await self._store.record(request), request.id):
            log.info("plan.already_settled", action=request.action, **names)
            return []
        try:
            record = await self._act(request, context)
        except TooLarge as error:
            record = await self._fail(request, _too_large(error))
        except BusError:
            raise  # the broker's trouble: the message comes back
        except Exception as error:  # a bug must end in an outcome as well, or whoever asked waits for ever
            if context.deliveries < GIVE_UP_AFTER:
                raise
            log.error("plan.crashed", exc_info=error, **names)
            record = await self._fail(request, _crashed(error))
        if outcome := model.outcome_of(record, request.id):
            reason = outcome.failure.reason if outcome.failure else ""
            told = {"action": request.action, "status": outcome.status, "version": outcome.version, "reason": reason}
            log.info("plan.settled", **told, **names)
        return []

    async def _act(self, request: PlanRequest, context: Context) -> PlanRecord | None:
        if request.action == "edit":
            return await self._edit(request)
        if request.action == "approve":
            return await self._approve(request)
        if request.action == "check":
            return await self._check(request)
        if context.deliveries > 2 * GIVE_UP_AFTER:
            return await self._fail(request, _interrupted(context.deliveries))
        return await self._generate(request)

    async def _generate(self, request: PlanRequest, found: Finding | None = None) -> PlanRecord | None:
        """``found`` is what a check asks a new version for; a check without a new version still tells it."""
        progress = _Progress(self._store, request, self._clock)
        purse = ProjectPurse(self._store, request, self._prices, self._clock)
        try:
            async with asyncio.timeout(self._seconds):
                plan = await self._generator.generate(
                    request, lambda: self._store.finished_jobs(request.project_id), progress.tell, purse
                )
        except PlanningFailed as failed:
            return await self._unmade(request, failed.failure, found)
        except TimeoutError:
            reason = f"The plan was not done within {self._seconds:.0f} s."
            failure = Failure(kind="planning", reason=reason, action="Try again later.")
            return await self._unmade(request, failure, found)
        return await self._store.propose(request, plan, self._clock.now, found)

    async def _unmade(self, request: PlanRequest, failure: Failure, found: Finding | None) -> PlanRecord | None:
        if found is None:
            return await self._fail(request, failure)
        log.warning("plan.not_made_again", reason=failure.reason, cluster_id=request.cluster_id)
        return await self._found(request, found)

    async def _edit(self, request: PlanRequest) -> PlanRecord | None:
        try:
            changes = read_changes(request.changes)
        except BadEdit as error:
            return await self._fail(request, Failure(kind="planning", reason=str(error), action="Correct the field."))
        return await self._store.settle(
            request, lambda record: model.edited(record, request, changes, self._clock.now())
        )

    async def _approve(self, request: PlanRequest) -> PlanRecord | None:
        record = await self._store.record(request)
        found = await self._finding(record.current) if record and record.current else None
        return await self._store.settle(
            request, lambda record: model.approved(record, request, found, self._clock.now())
        )

    async def _check(self, request: PlanRequest) -> PlanRecord | None:
        """Note whether the version asked about is stale; make the plan again when that was asked as well."""
        plan = await self._asked_about(request)
        if plan is None:
            reason = f"The plan has no version {request.expected_version}." if request.expected_version else NO_PLAN
            return await self._fail(request, Failure(kind="planning", reason=reason, action="Generate a plan."))
        found = await self._finding(plan)
        if found.stale and request.reground:
            return await self._generate(_again(request, plan), found)
        return await self._found(request, found)

    async def _found(self, request: PlanRequest, found: Finding) -> PlanRecord | None:
        return await self._store.settle(
            request, lambda record: model.checked(record, request, found, self._clock.now())
        )

    async def _asked_about(self, request: PlanRequest) -> Plan | None:
        record = await self._store.record(request)
        current = record.current if record else None
        if current is None or request.expected_version in (None, current.version):
            return current
        return await self._store.version(request, request.expected_version)

    async def _finding(self, plan: Plan) -> Finding:
        """What changed under the plan since it was made. A repository out of reach is said, and refuses nothing."""
        try:
            async with asyncio.timeout(_STALENESS_SECONDS):
                ground = await self._mirrors.ground(plan.repo_url, plan.base_branch)
                changed = await self._mirrors.changed(ground, plan.base_commit)
        except RepositoryProblem as problem:
            return Finding(None, f"it could not be checked whether the files changed: {problem.reason}")
        except TimeoutError:
            return Finding(None, "it could not be checked in time whether the files changed.")
        return staleness.told(staleness.staleness(plan, ground.commit, changed), plan.base_branch)

    async def _fail(self, request: PlanRequest, failure: Failure) -> PlanRecord | None:
        return await self._store.settle(
            request, lambda record: model.failed(record, request, failure, self._clock.now())
        )


def _again(request: PlanRequest, plan: Plan) -> PlanRequest:
    """The request as one for a new version on the ground of ``plan``."""
    return structs.replace(request, repo_url=request.repo_url or plan.repo_url, base_branch=plan.base_branch)


class _Progress:
    """Writes progress into the outcome, at most once a second: each write is seen by every page that is open."""

    def __init__(self, store: PlanStore, request: PlanRequest, clock: Clock) -> None:
        self._store, self._request, self._clock = store, request, clock
        self._last = float("-inf")
        self._phase = ""

    async def tell(self, text: str) -> None:
        now, phase = self._clock.monotonic(), text.split(":", 1)[0]
        if phase == self._phase and now - self._last < _PROGRESS_SECONDS:
            return
        self._last, self._phase = now, phase
        await self._store.settle(
            self._request, lambda record: model.progressed(record, self._request, text, self._clock.now())
        )


def _check_subject(request: PlanRequest, subject: str) -> None:
    """Permissions are given by subject, so a body may not speak for another project or cluster."""
    try:
        named = plan_request(request.project_id, request.cluster_id)
    except InvalidToken as error:
        raise Reject(str(error)) from error
    if named != subject:
        raise Reject(f"the body names {named}, the subject is {subject}")


def _too_large(error: TooLarge) -> Failure:
    reason = "The plan is larger than the broker takes."
    return Failure(kind="planning", reason=reason, action="Shorten the edit or the reports.", detail=str(error)[:500])


def _crashed(error: Exception) -> Failure:
    return Failure(
        kind="infrastructure",
        reason="The planner failed unexpectedly, several times in a row.",
        action="Generate again; the planner's log holds the details.",
        detail=f"{type(error).__name__}: {error}"[:2000],
    )


def _interrupted(deliveries: int) -> Failure:
    return Failure(
        kind="planning",
        reason=f"Planning was interrupted {deliveries - 1} times before it was done.",
        action="Generate again; if it happens again, look into the planner's log for why it ends.",
    )
