"""The promises of the job's state machine under any order of events, zombies and orchestrator outages included.

Runners are simulated by what the protocol asks of them: one that has no confirmed heartbeat for a lease stops itself. A
zombie may still call. Replicas of the orchestrator are simulated by events that come late, twice, or not for a while.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.attempts import AttemptCall
from schemas.jobs import TERMINAL, Job
from services.orchestrator.model import Decision, Event, decide
from services.orchestrator.model.events import (
    Cancel,
    Claim,
    Create,
    Finish,
    HandOut,
    Heartbeat,
    LeaseLost,
    Planned,
    Publish,
    Sent,
    Tick,
    Wait,
)
from services.orchestrator.model.messages import render
from tests.unit.orchestrator.build import RULES, START, call, events, failure, plan, request

LEGAL = {
    "pending": {"pending", "running", "failed", "cancelled"},
    "running": {"running", "success", "failed", "cancelled", "needs_review"},
}
RETRYABLE = ["infrastructure", "lost_runner", "model_unavailable", "agent", "verification", "no_changes"]


@dataclass
class Holder:
    """A runner that once held an attempt, and what it believes."""

    attempt: int
    instance: str
    confirmed: datetime
    granted: bool = False
    stopped: bool = False

    def alive(self, now: datetime) -> bool:
        return not self.stopped and now - self.confirmed < timedelta(seconds=RULES.lease)


class JobMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.record: Job | None = None
        self.holders: list[Holder] = []
        self.granted_ever = False
        self.pull_requests: set[str] = set()
        self.lease_seen: tuple[datetime | None, datetime] = (None, START)
        self.numbers = [0]

    @property
    def job(self) -> Job:
        assert self.record is not None
        return self.record

    def apply(self, event: Event) -> Decision:
        before = self.record
        decision = decide(before, event, self.now, RULES)
        if decision.job is not None:
            self._check_step(before, decision.job)
            self.record = decision.job
            if decision.job.lease_until != self.lease_seen[0]:
                self.lease_seen = (decision.job.lease_until, self.now)
        return decision

    def _check_step(self, before: Job | None, after: Job) -> None:
        assert after.phase_deadline <= after.deadline
        assert all(render(after, entry) is not None for entry in after.outbox), "a stale message waits to be sent"
        if before is None:
            return
        assert after.attempt >= before.attempt
        assert after.event_seq in (before.event_seq, before.event_seq + 1)
        if before.status in TERMINAL:
            assert after.status == before.status
            assert after.event_seq == before.event_seq, "a terminal record only forgets what it has sent"
        else:
            assert after.status in LEGAL[before.status]
        if (before.status, before.phase, before.attempt) != (after.status, after.phase, after.attempt):
            assert after.event_seq == before.event_seq + 1, "every visible change is told"

    def call_from(self, holder: Holder, **changes: object) -> AttemptCall:
        return call(self.job, holder.instance, attempt=holder.attempt, **changes)

    @initialize(planned=st.booleans(), slot=st.booleans(), claimed=st.booleans())
    def create(self, planned: bool, slot: bool, claimed: bool) -> None:
        self.apply(Create(request(with_plan=planned), slot=slot))
        if claimed:
            self.claim("one", 0)

    @rule(done=st.booleans())
    def planner_answers(self, done: bool) -> None:
        self.apply(Planned("J1-plan", plan=plan() if done else None, failure=None if done else failure("planning")))

    @rule()
    def slot_frees(self) -> None:
        self.apply(HandOut())

    @rule(fatal=st.booleans())
    def no_slot(self, fatal: bool) -> None:
        self.apply(Wait("no runner is alive", "Start one.", fatal=fatal))

    @rule(instance=st.sampled_from(["one", "two", "three"]), behind=st.sampled_from([0, 0, 0, 1, 2]))
    def claim(self, instance: str, behind: int) -> None:
        before = self.job
        holder = Holder(self.job.attempt - behind, instance, self.now)
        decision = self.apply(Claim(self.call_from(holder)))
        assert decision.reply is not None
        if decision.reply.answer == "ok":
            assert holder.attempt == decision.reply.token == self.job.attempt
            mine = [h for h in self.holders if (h.attempt, h.instance) == (holder.attempt, instance)]
            others = [h for h in self.holders if h.attempt == holder.attempt and h.instance != instance]
            assert others == [], "two instances hold one attempt"
            if not mine:
                self.holders.append(holder)
        else:
            assert self.record is before, "a refused claim changed the record"

    @precondition(lambda self: self.holders)
    @rule(
        data=st.data(), phase=st.sampled_from([None, "checkout", "agent", "verifying", "gating", "publishing", "done"])
    )
    def heartbeat(self, data: st.DataObject, phase: str | None) -> None:
        holder = data.draw(st.sampled_from(self.holders))
        before = self.job
        decision = self.apply(Heartbeat(self.call_from(holder, phase=phase)))
        self._judge(holder, before, decision)

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def publish(self, data: st.DataObject) -> None:
        holder = data.draw(st.sampled_from(self.holders))
        before = self.job
        decision = self.apply(Publish(self.call_from(holder, bundle_key="bundles/1")))
        assert decision.reply is not None
        if before.status in TERMINAL:
            assert decision.reply.answer == "lost"
        if decision.reply.answer == "ok":
            assert before.cancel_requested is None
            holder.granted = self.granted_ever = True
        if decision.reply.answer != "lost" or before is self.record:
            self._judge(holder, before, decision)
        else:
            holder.stopped = True

    def _judge(self, holder: Holder, before: Job, decision: Decision) -> None:
        assert decision.reply is not None
        current = before.claimed and (before.attempt, before.instance) == (holder.attempt, holder.instance)
        if current:
            assert decision.reply.answer in ("ok", "cancel")
            holder.confirmed = self.now
        else:
            assert decision.reply.answer == "lost"
            assert self.record is before, "a stale attempt's call changed the record"
            holder.stopped = True

    @precondition(lambda self: self.holders)
    @rule(data=st.data())
    def push(self, data: st.DataObject) -> None:
        """A granted runner that believes in its lease opens the pull request (looked up first, so it is one)."""
        holder = data.draw(st.sampled_from(self.holders))
        if holder.granted and holder.alive(self.now):
            assert self.job.status != "cancelled"
            self.pull_requests.add("pr")

    @precondition(lambda self: self.holders)
    @rule(data=st.data(), outcome=st.sampled_from(["success", "failed", "cancelled", "needs_review"]))
    def finish(self, data: st.DataObject, outcome: str) -> None:
        holder = data.draw(st.sampled_from(self.holders))
        if outcome == "success" and not self.pull_requests:
            return
        kind = data.draw(st.sampled_from(RETRYABLE))
        before = self.job
        current = before.claimed and (before.attempt, before.instance) == (holder.attempt, holder.instance)
        told = self.call_from(
            holder,
            outcome=outcome,
            pr_url="http://forge/1" if outcome == "success" else None,
            failure=failure(kind) if outcome == "failed" else None,
        )
        decision = self.apply(Finish(told))
        assert decision.reply is not None
        assert current or self.record is before, "a stale finish changed the record"
        holder.stopped = True
        again = decide(self.record, Finish(told), self.now, RULES)
        assert again.job is None
        assert again.reply is not None
        if current and outcome == self.job.status:
            assert again.reply.answer == "ok"

    @rule()
    def cancel(self) -> None:
        self.apply(Cancel("stop"))

    @rule()
    def repeated_request(self) -> None:
        assert self.apply(Create(request())).job is None

    @rule(upto=st.integers(0, 5))
    def outbox_flushed(self, upto: int) -> None:
        sent = frozenset(entry.msg_id for entry in self.job.outbox[:upto])
        self.apply(Sent(sent))

    @rule(seconds=st.sampled_from([1, 4, 4, 6, 6, 16, 31, 61, 400, 22_000]), watching=st.booleans())
    def time_passes(self, seconds: int, watching: bool) -> None:
        self.now += timedelta(seconds=seconds)
        if watching:
            self._reconcile()

    def _reconcile(self) -> None:
        lease, seen = self.lease_seen
        if lease is not None and self.now - seen >= timedelta(seconds=RULES.lease):
            self.apply(LeaseLost(lease))
        self.apply(Tick())

    @invariant()
    def at_most_one_grant_is_alive(self) -> None:
        alive = [holder for holder in self.holders if holder.granted and holder.alive(self.now)]
        assert len(alive) <= 1

    @invariant()
    def cancelled_means_that_nobody_could_publish(self) -> None:
        if self.record is not None and self.record.status == "cancelled":
            assert not self.granted_ever
            assert not self.pull_requests

    @invariant()
    def success_means_a_granted_attempt_with_a_pull_request(self) -> None:
        if self.record is not None and self.record.status == "success":
            assert self.pull_requests
            assert self.record.pr_url

    @invariant()
    def events_are_numbered_in_order(self) -> None:
        if self.record is not None:
            numbers = [event.n for event in events(self.record)]
            assert numbers == sorted(set(numbers))
            assert self.record.event_seq >= max(numbers, default=0)

    def teardown(self) -> None:
        if self.record is None:
            return
        self.now = max(self.now, self.record.deadline)
        self._reconcile()
        assert self.job.status in TERMINAL, "every job ends by its deadline"
        assert self.job.phase == "done"
        assert not self.job.claimed


TestJobPromises = JobMachine.TestCase
TestJobPromises.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
