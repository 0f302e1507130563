"""Messages and calls in, changes of records out. What a change implies is yielded, so that the ack comes after it."""

from collections.abc import AsyncIterator, Callable
from typing import Final, TypeAlias

import msgspec
from msgspec import structs

from messaging.ports import Bus, Call, Out, Reject, Retry
from messaging.worker import Context
from runtime import logs
from schemas import subjects
from schemas.attempts import AttemptCall, AttemptEvent, AttemptReply
from schemas.base import decode, encode
from schemas.budgets import refusal
from schemas.jobs import TERMINAL, CancelRequest, FixRequest, Job
from schemas.plans import Plan, PlanRecord
from services.orchestrator.feeds import Feeds
from services.orchestrator.index import Index
from services.orchestrator.model.events import Cancel, Claim, Create, Finish, Heartbeat, Progress, Publish
from services.orchestrator.outbox import Outbox, out
from services.orchestrator.presence import Presence
from services.orchestrator.records import Records, view_of
from services.orchestrator.scheduler import Scheduler
from services.orchestrator.similar_work import SimilarWork

log = logs.logger("orchestrator.handlers")

REQUESTS: Final = {"requests.fix.>": FixRequest, "requests.cancel.>": CancelRequest}
CallEvent: TypeAlias = Claim | Heartbeat | Publish | Finish
CALLS: Final[dict[str, Callable[[AttemptCall], CallEvent]]] = {
    "claim": Claim,
    "heartbeat": Heartbeat,
    "publish": Publish,
    "finish": Finish,
}
CANCEL_TRIES: Final = 10


class Handlers:
    """Every way into the state machine from outside."""

    def __init__(
        self,
        bus: Bus,
        records: Records,
        outbox: Outbox,
        index: Index,
        presence: Presence,
        scheduler: Scheduler,
        feeds: Feeds,
        default_runner: str,
    ) -> None:
        self._records, self._outbox, self._index = records, outbox, index
        self._presence, self._scheduler, self._feeds = presence, scheduler, feeds
        self._default_runner = default_runner
        self._plans = bus.state(subjects.KV_PLANS, PlanRecord)
        self._similar = SimilarWork(bus, index)

    async def request(self, request: FixRequest | CancelRequest, context: Context) -> AsyncIterator[Out]:
        """``requests.fix.>`` and ``requests.cancel.>``."""
        try:
            if isinstance(request, FixRequest):
                job = await self._fix(request, context)
            else:
                job = await self._cancel(request, context)
        except subjects.InvalidToken as error:
            raise Reject(str(error)) from error
        self._scheduler.wake()
        async for message in self._implied(job):
            yield message

    async def attempt_event(self, told: AttemptEvent, context: Context) -> AsyncIterator[Out]:
        """``jobs.*.*.attempt``: moves the phase that people see before the next heartbeat does."""
        if told.kind != "phase":
            return
        try:
            key = subjects.key(told.project_id, told.job_id)
        except subjects.InvalidToken as error:
            raise Reject(str(error)) from error
        change = await self._records.change(key, Progress(told), post=False)
        if change.changed:
            async for message in self._implied(change.job):
                yield message

    async def call(self, call: Call) -> bytes:
        """``attempts.<operation>.<runner>.<job>``: the answer is given when the record is written."""
        operation, runner, job_id = call.subject.split(".")[1:]
        try:
            told = decode(call.data, AttemptCall)
            key = subjects.key(told.project_id, job_id)
        except (msgspec.DecodeError, subjects.InvalidToken) as error:
            return encode(AttemptReply(answer="lost", reason=f"not an attempt's call: {error}"))
        if operation not in CALLS or (told.runner, told.job_id) != (runner, job_id):
            # Permissions are given on subjects: a body that names somebody else is not heard.
            return encode(AttemptReply(answer="lost", reason="subject and body name different runners or jobs"))
        change = await self._records.change(key, CALLS[operation](told))
        self._scheduler.wake()
        reply = change.reply
        if reply is not None and reply.answer == "ok" and operation in ("claim", "heartbeat"):
            reply = structs.replace(reply, left=self._scheduler.left(told.project_id))
        return encode(reply)

    async def _fix(self, request: FixRequest, context: Context) -> Job | None:
        if context.subject != subjects.fix_request(request.project_id, request.cluster_id):
            raise Reject("subject and body name different projects or clusters")
        key = subjects.key(request.project_id, request.job_id)
        runner = request.runner or self._feeds.project_runner.get(request.project_id)
        name = subjects.token(runner or self._default_runner, "runner")
        prior = await self._prior(request)
        plan = await self._plan(request)
        rival = await self._rival(request)
        similar = await self._similar.find(key, request, plan)
        written: Job | None = None
        try:
            with self._scheduler.reserve(key, request.project_id, name) as slot:
                broke = refusal(self._scheduler.left(request.project_id))
                knows = self._presence.knows(name)
                event = Create(request, plan, prior, rival, similar, runner, knows, broke, slot)
                written = (await self._records.change(key, event, post=False)).job
        finally:
            if written is not None or key not in self._index.live:
                self._index.note_work(key, view_of(written) if written else None)
        return written

    async def _cancel(self, request: CancelRequest, context: Context) -> Job | None:
        key = subjects.key(request.project_id, request.job_id)
        change = await self._records.change(key, Cancel(request.reason), post=False)
        if change.job is None and context.deliveries < CANCEL_TRIES:
            raise Retry("the job's own request has not been read yet")
        if change.job is None:
            raise Reject(f"there is no job {request.job_id} to cancel")
        return change.job

    async def _prior(self, request: FixRequest) -> Job | None:
        if request.retry_of is None:
            return None
        return await self._records.get(subjects.key(request.project_id, request.retry_of))

    async def _plan(self, request: FixRequest) -> Plan | None:
        if request.plan is not None:
            return None
        entry = await self._plans.get(subjects.key(request.project_id, request.cluster_id))
        return entry.value.current if entry is not None and entry.value is not None else None

    async def _rival(self, request: FixRequest) -> str | None:
        """Another live job of the cluster. The gateway's lock is the first guard; this one is for its loss."""
        key = self._index.rival(request.project_id, request.cluster_id, request.job_id)
        if key is None:
            return None
        job = await self._records.get(key)  # the watch may lag behind the rival's end
        return job.id if job is not None and job.status not in TERMINAL else None

    async def _implied(self, job: Job | None) -> AsyncIterator[Out]:
        if job is None:
            return
        for entry in self._outbox.unsent(job):
            message = out(job, entry)
            if message is not None:
                yield message
            self._outbox.sent(job, entry)
