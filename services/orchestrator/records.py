"""The one way a record changes: read, decide, compare-and-set; again when somebody else was faster."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from messaging.ports import Bus, BusError, Conflict, Entry
from runtime import logs
from runtime.clock import Clock
from schemas import subjects
from schemas.attempts import AttemptReply
from schemas.jobs import TERMINAL, Job
from schemas.projects import SealedSecret
from services.orchestrator.index import Index
from services.orchestrator.model import Event, Rules, decide
from services.orchestrator.model.events import Create
from services.orchestrator.outbox import Outbox
from services.orchestrator.views import JobView, RequestMarks, Told, Unsent

log = logs.logger("orchestrator.records")
RECENT: Final = 256  # records kept with their revision, to save the read before a compare-and-set
TRIES: Final = 32


@dataclass(frozen=True, slots=True)
class Change:
    """The record after the event (None: there is none), the answer to a call, and whether the event changed it."""

    job: Job | None
    reply: AttemptReply | None
    changed: bool


class Records:
    """KV ``jobs`` as this replica writes it."""

    def __init__(self, bus: Bus, index: Index, outbox: Outbox, clock: Clock, rules: Rules) -> None:
        self._state = bus.state(subjects.KV_JOBS, Job)
        self._tokens = bus.state(subjects.KV_SECRETS, SealedSecret)
        self._index, self._outbox, self._clock, self._rules = index, outbox, clock, rules
        self._recent: OrderedDict[str, Entry[Job]] = OrderedDict()

    async def get(self, key: str) -> Job | None:
        """The record as the broker's leader has it now."""
        entry = await self._state.get(key)
        return entry.value if entry is not None else None

    async def change(self, key: str, event: Event, *, post: bool = True) -> Change:
        """Apply an event. ``post`` publishes what it implies soon; else the caller does.

        Raises BusError when the broker does not answer; the event may be applied again, it then changes nothing twice.
        """
        guess = self._recent.get(key)
        fresh = guess is None and isinstance(event, Create)  # most often right, and a wrong guess only conflicts
        for _ in range(TRIES):
            entry = guess if guess is not None or fresh else await self._state.get(key)
            decision = decide(entry.value if entry else None, event, self._clock.now(), self._rules)
            if decision.job is None and guess is not None:
                guess = None  # an answer without a write is not checked by the broker: read before giving it
                continue
            if decision.job is None:
                return Change(entry.value if entry else None, decision.reply, changed=False)
            written = await self._write(key, decision.job, entry)
            if written is not None:
                await self._end_token(written)
                if post:
                    self._outbox.post(written)
                return Change(written, decision.reply, changed=True)
            guess, fresh = None, False
        raise Conflict(f"job {key} was changed by others {TRIES} times in a row; try again")

    async def _write(self, key: str, job: Job, entry: Entry[Job] | None) -> Job | None:
        """The record as written, or None when another write came first."""
        job = self._outbox.stripped(job)
        try:
            if entry is None:
                revision = await self._state.create(key, job)
            else:
                revision = await self._state.replace(key, job, entry.revision)
        except Conflict:
            self._recent.pop(key, None)
            return None
        self._note(key, job, revision, entry.value if entry else None)
        return job

    async def _end_token(self, job: Job) -> None:
        """No attempt will need the user's token any more (docs/adr/0004).

        Before the outbox is published: when this process dies in between, whoever publishes it for us writes the
        record once more and comes by here.
        """
        if job.status not in TERMINAL or not job.request.has_secret:
            return
        try:
            await self._tokens.delete(subjects.key(job.id))
        except BusError as error:  # the next write of the record tries again; the bucket's TTL is the last resort
            log.warning("token.not_deleted", job_id=job.id, reason=str(error))

    def _note(self, key: str, job: Job, revision: int, before: Job | None) -> None:
        self._outbox.forget(job)
        self._recent[key] = Entry(key, job, revision)
        self._recent.move_to_end(key)
        if len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        view = view_of(job)
        self._index.put(key, view, revision, self._clock.now(), self._clock.monotonic(), own=True)
        if before is None or (before.status, before.phase, before.attempt) != (job.status, job.phase, job.attempt):
            told = job.failure.reason if job.failure is not None else None
            log.info(
                "job.changed",
                job_id=job.id,
                project_id=job.project_id,
                status=job.status,
                phase=job.phase,
                attempt=job.attempt,
                instance=job.instance,
                reason=told,
            )


def view_of(job: Job) -> JobView:
    """What the index keeps of a record, the same as the watch would read."""
    return JobView(
        id=job.id,
        project_id=job.project_id,
        cluster_id=job.cluster_id,
        status=job.status,
        phase=job.phase,
        runner=job.runner,
        attempt=job.attempt,
        claimed=job.claimed,
        not_before=job.not_before,
        lease_until=job.lease_until,
        phase_deadline=job.phase_deadline,
        deadline=job.deadline,
        plan_request_id=job.plan_request_id,
        request=RequestMarks(job.request.repo_url, job.request.marks),
        touches=job.touches,
        pr_url=job.pr_url,
        failure=None if job.failure is None else Told(job.failure.kind, job.failure.reason),
        outbox=[Unsent(entry.msg_id) for entry in job.outbox],
        spending=job.spending,
        created_at=job.created_at,
    )
