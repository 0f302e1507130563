"""The queue, the index of live jobs and the presence of runners: memory that never decides alone."""

import random
from datetime import timedelta

from schemas.runners import RunnerInfo
from services.orchestrator.fairness import FairQueue, Waiting
from services.orchestrator.index import OUTBOX_OTHER, OUTBOX_OWN, Index
from services.orchestrator.model.events import Cancel, Claim, Create, LeaseLost, Sent
from services.orchestrator.presence import TTL, Presence
from services.orchestrator.records import view_of
from tests.unit.orchestrator.build import START, Drive, call, request


def waiting(name: str, project: str, age: int = 0, runner: str = "r") -> Waiting:
    return Waiting(START - timedelta(seconds=age), name, project, runner)


def info(instance: str = "one", slots: int = 2, problem: str | None = None) -> RunnerInfo:
    return RunnerInfo(
        runner="r",
        instance=instance,
        sandbox="local",
        agent="x",
        slots=slots,
        problem=problem,
        started_at=START,
        seen_at=START,
    )


def test_the_project_that_holds_the_fewest_slots_comes_first_then_the_oldest_job() -> None:
    queue = FairQueue()
    for number in range(3):
        queue.wait(waiting(f"large{number}", "large", age=100 - number))
    queue.wait(waiting("small0", "small", age=1))
    queue.hold("held", "large", "r")
    order = []
    while (item := queue.pick("r", {}, default=10)) is not None:
        order.append(item.key)
        queue.hold(item.key, item.project, item.runner)
    assert order == ["small0", "large0", "large1", "large2"]


def test_a_project_at_its_limit_is_passed_over() -> None:
    queue = FairQueue()
    queue.wait(waiting("a1", "a", age=9))
    queue.wait(waiting("b1", "b"))
    queue.hold("a0", "a", "r")
    picked = queue.pick("r", {"a": 1}, default=5)
    assert picked is not None
    assert picked.key == "b1"
    queue.leave("b1")
    assert queue.pick("r", {"a": 1}, default=5) is None
    queue.leave("a0")
    assert queue.pick("r", {"a": 1}, default=5) is not None


def test_counts_stay_true_whatever_the_order_of_changes() -> None:
    queue, draw = FairQueue(), random.Random(7)
    truth: dict[str, tuple[str, str]] = {}
    for _ in range(3_000):
        key = f"j{draw.randrange(40)}"
        project = f"p{draw.randrange(3)}"
        step = draw.choice(["wait", "hold", "leave"])
        truth.pop(key, None)
        if step == "wait":
            queue.wait(waiting(key, project, age=draw.randrange(50)))
            truth[key] = ("wait", project)
        elif step == "hold":
            queue.hold(key, project, "r")
            truth[key] = ("hold", project)
        else:
            queue.leave(key)
    for project in ("p0", "p1", "p2"):
        assert queue.by_project[project] == sum(1 for kind in truth.values() if kind == ("hold", project))
    taken = set()
    while (item := queue.pick("r", {}, default=10_000)) is not None:
        taken.add(item.key)
        queue.leave(item.key)
    assert taken == {key for key, (kind, _) in truth.items() if kind == "wait"}


def test_a_finished_job_leaves_the_index_once_its_messages_are_out() -> None:
    drive, index = Drive(), Index(lease=15)
    drive.running()
    index.put("default.J1", view_of(drive.job), 1, drive.now, at=0.0)
    assert index.queue.by_runner["sandbox_kilo"] == 1
    done = drive.finish("needs_review")
    index.put("default.J1", view_of(done), 2, drive.now, at=1.0)
    assert index.queue.by_runner["sandbox_kilo"] == 0
    assert [item.kind for item in index.due(1.0 + OUTBOX_OTHER + 20)] == ["outbox"]
    done = drive.apply(Sent(frozenset(entry.msg_id for entry in done.outbox)))
    index.put("default.J1", view_of(done), 3, drive.now, at=9.0)
    assert index.live == {}


def test_an_older_version_of_a_record_changes_nothing() -> None:
    drive, index = Drive(), Index(lease=15)
    waiting_view = view_of(drive.create())
    index.put("k", view_of(drive.hand_out()), 2, drive.now, at=0.0)
    index.put("k", waiting_view, 1, drive.now, at=0.1)
    assert index.live["k"].view.phase == "provisioning"


def test_a_lease_is_due_when_it_was_seen_unchanged_for_its_whole_length() -> None:
    drive, index = Drive(), Index(lease=15)
    index.starting = False
    index.put("k", view_of(drive.running()), 1, drive.now, at=100.0)
    drive.beat(after=5)
    index.put("k", view_of(drive.job), 2, drive.now, at=105.0)
    assert [item for item in index.due(119.0) if item.kind == "lease"] == []
    index.put("k", view_of(drive.apply(Cancel("stop"))), 3, drive.now, at=119.0)
    assert [item.kind for item in index.due(120.0) if item.kind == "lease"] == ["lease"]


def test_a_writer_looks_after_its_outbox_before_others_do_and_a_starting_replica_at_once() -> None:
    drive = Drive()
    view = view_of(drive.create())
    for starting, own, delay in ((False, True, OUTBOX_OWN), (False, False, OUTBOX_OTHER), (True, False, 0.0)):
        index = Index(lease=15)
        index.starting = starting
        index.put("k", view, 1, START, at=0.0, own=own)
        assert index.due(delay - 0.1) == []
        assert [item.kind for item in index.due(delay)] == ["outbox"]


def test_a_back_off_keeps_a_job_out_of_the_queue_until_it_is_over() -> None:
    drive, index = Drive(), Index(lease=15)
    lease = drive.running().lease_until
    assert lease is not None
    index.put("k", view_of(drive.apply(LeaseLost(lease))), 1, drive.now, at=0.0)
    assert index.queue.pick("sandbox_kilo", {}, 5) is None
    assert "ready" in [item.kind for item in index.due(1.5)]
    index.requeue("k")
    assert index.queue.pick("sandbox_kilo", {}, 5) is not None


def test_the_rival_of_a_job_is_another_live_one_of_its_cluster() -> None:
    index = Index(lease=15)
    index.put("default.J1", view_of(Drive().create()), 1, START, at=0.0)
    assert index.rival("default", "c1", "J2") == "default.J1"
    assert index.rival("default", "c1", "J1") is None
    assert index.rival("default", "c2", "J3") is None


def test_the_oldest_of_ten_thousand_waiting_jobs_is_picked() -> None:
    queue = FairQueue()
    for number in range(10_000):
        queue.wait(waiting(f"j{number}", f"p{number % 3}", age=number))
    picked = queue.pick("r", {}, default=5)
    assert picked is not None
    assert picked.key == "j9999"


def test_an_instance_counts_for_thirty_seconds_after_it_was_seen() -> None:
    presence = Presence(["r"])
    presence.put("r.one", info(), at=0.0)
    presence.put("r.two", info("two", slots=3), at=10.0)
    assert presence.slots("r", 29.0) == 5
    assert presence.slots("r", TTL + 1) == 3
    presence.put("r.two", None, at=32.0)
    reason = presence.why_none("r", 32.0)
    assert reason is not None
    assert "no runner called r is alive" in reason.reason


def test_a_problem_of_every_instance_is_told_and_one_healthy_instance_is_enough() -> None:
    presence = Presence([])
    assert not presence.knows("r")
    presence.put("r.one", info(problem="Kilocode is missing"), at=0.0)
    assert presence.knows("r")
    reason = presence.why_none("r", 1.0)
    assert reason is not None
    assert reason.fatal
    presence.put("r.two", info("two"), at=1.0)
    assert presence.why_none("r", 1.0) is None
    assert presence.slots("r", 1.0) == 2


def test_the_same_claim_seen_by_the_watch_and_by_the_writer_is_counted_once() -> None:
    drive, index = Drive(), Index(lease=15)
    drive.apply(Create(request(), slot=True))
    drive.apply(Claim(call(drive.job)))
    for revision in (4, 4):
        index.put("default.J1", view_of(drive.job), revision, START, at=0.0)
    assert index.queue.by_project["default"] == 1


def test_a_deadline_that_heartbeats_move_is_due_once_at_its_last_time() -> None:
    drive, index = Drive(), Index(lease=1e9)
    drive.running()
    for number in range(1, 500):
        drive.beat(after=1, phase="agent")
        index.put("k", view_of(drive.job), number, drive.now, at=float(number))
    ends = (drive.job.phase_deadline - drive.now).total_seconds() + 499
    assert "deadline" not in [item.kind for item in index.due(ends - 1)]
    assert [item.kind for item in index.due(ends)] == ["deadline"]
