"""Whether the house works: for people, for probes, for Prometheus."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import get_args

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from messaging.ports import BusError
from schemas import subjects
from schemas.jobs import JobStatus
from services.gateway.job_index import JobView
from services.gateway.problems import Problem
from services.gateway.shapes.house import HealthReport, Ready, Service
from services.gateway.table import Answer, Call, Route

PING_SECONDS = 3.0
JOBS = Gauge("soulcaster_jobs", "Jobs kept, by status", ["status"])
JOB_AGE = Gauge("soulcaster_oldest_live_job_seconds", "Age of the oldest job that has not ended; 0 without one")
RUNNERS = Gauge(
    "soulcaster_runners", "Runners alive; ready is no where one says why it cannot work", ["runner", "ready"]
)
SLOTS = Gauge("soulcaster_runner_slots", "Slots of the runners alive, busy and free", ["runner", "state"])
DEAD_LETTERS = Gauge("soulcaster_dead_letters", "Messages that nobody could process")
LIMITED = "limited: "  # alive, and everything but fixes works (no model is configured, say)


async def root(call: Call) -> Service:
    """What this is."""
    return Service(status="ok", service="soulcaster-gateway", docs="/docs")


async def checks(call: Call) -> dict[str, str]:
    """Each part's answer: ``ok`` or what is wrong."""
    gateway = call.gateway
    pings: dict[str, Callable[[], Awaitable[object]]] = {"nats": gateway.bus.ping, "triage": gateway.triage.ping}
    found = dict(zip(pings, await asyncio.gather(*(_ping(ping) for ping in pings.values())), strict=True))
    found["runner"] = await _runner(call) if found["nats"] == "ok" else "unknown: the broker does not answer"
    return found


async def _ping(ping: Callable[[], Awaitable[object]]) -> str:
    try:
        await asyncio.wait_for(ping(), PING_SECONDS)
    except TimeoutError:
        return f"no answer in {PING_SECONDS:g} s"
    except Exception as why:  # a ping may fail in any way; that it failed is the answer
        return str(why) or type(why).__name__
    return "ok"


async def _runner(call: Call) -> str:
    alive = [entry.value for entry in await call.gateway.runners.items() if entry.value is not None]
    if not alive:
        return "no runner is alive; start one with `python -m services.runner_sandbox`"
    problems = [runner.problem for runner in alive if runner.problem]
    return f"{LIMITED}{problems[0]}" if len(problems) == len(alive) else "ok"


async def health(call: Call) -> Answer:
    """The kept health report: broker and triage."""
    found = await checks(call)
    healthy = found["nats"] == "ok" and found["triage"] == "ok"
    report = HealthReport(
        status="healthy" if healthy else "unhealthy",
        service="soulcaster-gateway",
        environment=call.gateway.settings.environment,
        storage="nats-jetstream",
        timestamp=call.gateway.clock.now(),
        checks=found,
    )
    return Answer(report, status=200 if healthy else 503)


async def livez(call: Call) -> Service:
    """That the process answers."""
    return Service(status="ok", service="soulcaster-gateway")


async def readyz(call: Call) -> Ready:
    """Whether work can be taken in and done."""
    found = await checks(call)
    bad = {name: answer for name, answer in found.items() if answer != "ok" and not answer.startswith(LIMITED)}
    if bad:
        wrong = "; ".join(f"{name}: {answer}" for name, answer in bad.items())
        raise Problem(503, "not_ready", wrong, checks=found, retry_after=2)
    return Ready(status="ok", checks=found)


async def metrics(call: Call) -> web.Response:
    """Prometheus' text format. What the whole house has is read now; without the broker those figures are left out."""
    await _measure(call)
    response = web.Response(body=generate_latest())
    response.headers["Content-Type"] = CONTENT_TYPE_LATEST
    return response


async def _measure(call: Call) -> None:
    gateway = call.gateway
    for gauge in (JOBS, RUNNERS, SLOTS, DEAD_LETTERS, JOB_AGE):
        gauge.clear()
    projects = set(gateway.directory.projects.values)
    counts: Counter[str] = Counter()
    oldest = 0.0

    def look(view: JobView) -> bool:
        nonlocal oldest
        counts[view.status] += 1
        if not view.terminal:
            oldest = max(oldest, (gateway.clock.now() - view.created_at).total_seconds())
        return True

    gateway.jobs.count(projects, look)
    for status in get_args(JobStatus):
        JOBS.labels(status).set(counts[status])
    JOB_AGE.set(oldest)
    with contextlib.suppress(BusError, TimeoutError):
        async with asyncio.timeout(PING_SECONDS):
            alive = [entry.value for entry in await gateway.runners.items() if entry.value is not None]
            letters = await gateway.bus.count(subjects.DEAD)
        for info in alive:
            RUNNERS.labels(info.runner, "no" if info.problem else "yes").inc()
            SLOTS.labels(info.runner, "busy").inc(info.busy)
            SLOTS.labels(info.runner, "free").inc(max(0, info.slots - info.busy))
        DEAD_LETTERS.set(letters)


ROUTES = (
    Route(
        method="GET",
        path="/",
        handler=root,
        summary="What this is",
        tag="health",
        role=None,
        project=False,
        answer=Service,
    ),
    Route(
        method="GET",
        path="/health",
        handler=health,
        summary="Whether the parts answer",
        tag="health",
        role=None,
        project=False,
        answer=HealthReport,
        also=(503,),
    ),
    Route(
        method="GET",
        path="/livez",
        handler=livez,
        summary="Whether the process answers",
        tag="health",
        role=None,
        project=False,
        answer=Service,
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=readyz,
        summary="Whether work can be taken in and done",
        tag="health",
        role=None,
        project=False,
        answer=Ready,
        also=(503,),
    ),
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        summary="Prometheus metrics",
        tag="health",
        role=None,
        project=False,
        media="text/plain",
    ),
)
