"""The instance that the page is tried on: everything real, the model replayed, and some things planted to look at.

``python -m tests.e2e.page_stack --data FOLDER [--port N] --ready FILE`` runs until it is stopped. The ready file is the
one of ``soulcaster up``, the ids of its processes, under ``planted`` the ids of what was planted (a job with a very
long log, a job whose log and failure are hostile, and one that waits for a person), and ``repository``, the bare
repository of its fixes. GitHub's sign-in is a double on loopback, with ``OPERATOR`` on the list.
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cli.client import Gateway
from cli.commands.reports import guess_source, send
from cli.context import Target
from cli.demo.flow import GITHUB_SECRET, PAYLOADS, SENTRY_SECRET
from cli.demo.replay import MODEL, replay_server
from cli.demo.repository import create
from cli.embedded.layout import DEFAULT_PROJECT, Layout
from cli.embedded.services import Instance, Model
from cli.embedded.supervisor import running
from messaging.connection import connect
from messaging.logpipe import LogPublisher
from messaging.ports import Bus
from runtime.processes import free_port
from schemas import subjects
from schemas.base import encode
from schemas.clusters import Cluster
from schemas.errors import DeadLetter, Failure
from schemas.jobs import Check, FixRequest, GateFinding, Job, JobEvent, JobStatus, Phase, Report, Usage, Verification
from tests.support.eventually import eventually
from tests.support.github_double.oauth import CLIENT_ID, CLIENT_SECRET, OauthDouble, oauth_double

OPERATOR = "ann"
LONG_LOG = 200_000
HOSTILE = (
    "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>",
    "\x1b[31mred\x1b[0m, \x1b[1;32mbold\x1b[0m, \x1b[38;5;208m256 colours\x1b[0m, \x1b[38;2;90;200;250mRGB\x1b[0m",
    "\x1b]8;;javascript:document.title='owned'\x07click me\x1b]8;;\x07",
    "\x1b]8;;https://example.com/trace\x07a link\x1b]8;;\x07",
    "progress 10%\rprogress 55%\rprogress 100%",
    "\x1b[2J\x1b[Hcleared? \x1b]0;title\x07\x00\x01\x07 controls",
    "admin\u202egnp.exe and zero\u200bwidth",
    "x" * 5000,
)
REPORTS: tuple[tuple[str, str], ...] = (
    ("<script>document.title='owned'</script> breaks the \u202eelbat", "<img src=x onerror=alert(1)> " * 20),
    ("Password reset mail never arrives", "I asked for a new password five times. Nothing came, no spam either."),
    ("Cart badge keeps its number", "I emptied the basket, the little red circle still shows three."),
    ("Phone numbers with a plus are refused", "The address form wants digits only, so foreign numbers do not work."),
    ("Search shows no result for words with an umlaut", "Searching for Möbel gives nothing, Mobel gives 12 results."),
    ("Newsletter form shows a blank page", "After entering my address and pressing Subscribe the page stays white."),
    ("PDF invoice is empty on Safari", "The download of the invoice is a PDF with a white page. Chrome works."),
)


@contextlib.asynccontextmanager
async def page_stack(data: Path, *, port: int = 0, long_log: int = LONG_LOG) -> AsyncIterator[dict[str, Any]]:
    """A ready instance with reports, clusters and planted jobs; what its ready file says, and ``planted``."""
    layout = Layout(data)
    layout.prepare()
    repository = str(create(data / "sample.git"))
    async with replay_server() as url, oauth_double() as github:
        model = Model(base_url=url, api_key="replay", name=MODEL, replay=True)
        instance = Instance(layout, free_port(), port or free_port(), model, repository)
        github.callback = f"{instance.gateway_url}/session/github/callback"
        with _signing_in_at(github):
            async with running(instance) as supervisor:
                target = Target(instance.gateway_url, layout.admin_key(), DEFAULT_PROJECT)
                async with Gateway(target) as gateway:
                    planted = await _plant(gateway, instance.nats_url, long_log)
                pids = supervisor.pids()
                told = {"link": instance.dashboard_link(), "repository": repository, "pids": pids, "planted": planted}
                yield instance.ready() | told


@contextlib.contextmanager
def _signing_in_at(github: OauthDouble) -> Iterator[None]:
    """The environment of services that are started, also again, while the block lasts."""
    given = {
        "GITHUB_OAUTH_URL": github.url,
        "GITHUB_API_URL": github.api_url,
        "GITHUB_OAUTH_CLIENT_ID": CLIENT_ID,
        "GITHUB_OAUTH_CLIENT_SECRET": CLIENT_SECRET,
        "GITHUB_ALLOWED_LOGINS": f"{OPERATOR}=operator",
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


async def _plant(gateway: Gateway, nats_url: str, long_log: int) -> dict[str, str]:
    await gateway.call("POST", "/config/sentry/secret", body={"secret": SENTRY_SECRET})
    await gateway.call("POST", "/config/github/secret", body={"secret": GITHUB_SECRET})
    reports = [json.loads(path.read_text()) for path in sorted(PAYLOADS.glob("*.json"))]
    reports += [{"title": title, "text": text} for title, text in REPORTS]
    for report in reports:
        source = guess_source(report)
        await send(gateway, report, source, {"sentry": SENTRY_SECRET, "github": GITHUB_SECRET}.get(source))

    async def clustered() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await gateway.call("GET", "/clusters")
        assert sum(cluster["count"] for cluster in found) >= len(reports)
        return found

    clusters = await eventually(clustered, within=30)
    shop = max(clusters, key=lambda cluster: int(cluster["count"]))
    other = next(cluster for cluster in clusters if "invoice" in cluster["title"].lower())
    hostile = next(cluster for cluster in clusters if "script" in cluster["title"])
    second = next(cluster for cluster in clusters if "Newsletter" in cluster["title"])
    bus = await connect(nats_url, service="orchestrator")
    try:
        jobs = {
            "long_job": await _long_job(bus, other["id"], long_log),
            "hostile_job": await _hostile_job(bus, hostile["id"]),
            "held_job": await _held_job(bus, other["id"]),
        }
        await _dead_letter(bus)
    finally:
        await bus.close()
    ids = {"cluster": shop, "second_cluster": second, "other_cluster": other, "hostile_cluster": hostile}
    return {name: cluster["id"] for name, cluster in ids.items()} | jobs


def planted_job(job_id: str, cluster_id: str, status: JobStatus, **values: Any) -> Job:
    """A job record of eight days ago with everything a page shows of one; ``values`` instead of its fields."""
    at = datetime.now(UTC) - timedelta(days=8)
    cluster = Cluster(
        id=cluster_id,
        project_id=DEFAULT_PROJECT,
        title="planted",
        count=1,
        created_at=at,
        updated_at=at,
        revision=1,
    )
    request = FixRequest(
        job_id=job_id,
        project_id=DEFAULT_PROJECT,
        cluster_id=cluster_id,
        cluster=cluster,
        repo_url="https://github.com/corner/shop",
        created_at=at,
    )
    fields: dict[str, Any] = {
        "phase": "done",
        "runner": "sandbox_kilo",
        "attempt": 1,
        "usage": Usage(requests=7, input_tokens=48_200, output_tokens=3_100, cost_usd=0.21, agent_seconds=93.0),
        "created_at": at,
        "started_at": at + timedelta(seconds=2),
        "updated_at": at + timedelta(seconds=130),
        "finished_at": at + timedelta(seconds=130),
        "deadline": at + timedelta(hours=1),
        "phase_deadline": at + timedelta(hours=1),
    }
    return Job(
        id=job_id,
        project_id=DEFAULT_PROJECT,
        cluster_id=cluster_id,
        status=status,
        request=request,
        **(fields | values),
    )


async def _keep(bus: Bus, job: Job, phases: tuple[Phase, ...]) -> str:
    await bus.state("jobs", Job).create(subjects.key(DEFAULT_PROJECT, job.id), job)
    for n, phase in enumerate((*phases, "done"), 1):
        event = JobEvent(
            n=n,
            job_id=job.id,
            project_id=job.project_id,
            cluster_id=job.cluster_id,
            status=job.status if phase == "done" else "running",
            phase=phase,
            attempt=1,
            runner=job.runner,
            failure=job.failure if phase == "done" else None,
            usage=job.usage,
            at=job.created_at + timedelta(seconds=n * n * 2),
        )
        await bus.publish(subjects.job_status(DEFAULT_PROJECT, job.id), encode(event), msg_id=f"{job.id}.{n}")
    return job.id


async def _long_job(bus: Bus, cluster_id: str, lines: int) -> str:
    failure = Failure(
        kind="verification",
        reason="The tests still fail on the patch.",
        action="Read the failing test below, add what the plan misses, then retry.",
    )
    job = planted_job("PLANTEDLONG0000000000000AA", cluster_id, "failed", failure=failure)
    await _keep(bus, job, ("queued", "provisioning", "checkout", "agent", "verifying"))
    pipe = LogPublisher(bus, DEFAULT_PROJECT, job.id, 1)
    await pipe.write(["Sandbox ready"], stream="system", phase="provisioning")
    for start in range(0, lines, 2000):
        size = min(2000, lines - start)
        step = f"call_{start // 20_000}" if start % 40_000 < 20_000 else None
        await pipe.write(
            [f"line {start + i} of a very long log, compiling unit {(start + i) % 977}" for i in range(size)], step=step
        )
    await pipe.write(
        ["FAILED tests/test_checkout.py::test_total - AssertionError: 3 != 4"], stream="stderr", phase="verifying"
    )
    await pipe.close()
    return job.id


async def _hostile_job(bus: Bus, cluster_id: str) -> str:
    failure = Failure(
        kind="agent",
        reason="<b onmouseover=alert(1)>agent</b> ended badly",
        action="<script>1</script>",
        detail=HOSTILE[0],
    )
    job = planted_job(
        "PLANTEDHOSTILE00000000000A", cluster_id, "failed", failure=failure, pr_url="javascript:document.title='owned'"
    )
    await _keep(bus, job, ("queued", "provisioning", "agent"))
    pipe = LogPublisher(bus, DEFAULT_PROJECT, job.id, 1)
    await pipe.write(list(HOSTILE))
    await pipe.write(["$ echo <b>hi</b>", "<b>hi</b>", "  exit code 1"], step="call_<x>")
    await pipe.close()
    return job.id


PATCH = """diff --git a/shop/pdf.py b/shop/pdf.py
index 1111111..2222222 100644
--- a/shop/pdf.py
+++ b/shop/pdf.py
@@ -1,4 +1,4 @@
 def render(invoice):
-    return canvas(invoice, flush=False)
+    return canvas(invoice, flush=True)
 
 # end
diff --git a/.github/workflows/ci.yml b/.github/workflows/ci.yml
index 3333333..4444444 100644
--- a/.github/workflows/ci.yml
+++ b/.github/workflows/ci.yml
@@ -1,3 +1,3 @@
 name: ci
-on: push
+on: [push, workflow_dispatch]
 jobs: {}
"""


async def _held_job(bus: Bus, cluster_id: str) -> str:
    name = "PLANTEDHELD0000000000000AA"
    key = f"patches/{DEFAULT_PROJECT}/{name}/1.diff"
    await bus.objects().put(key, PATCH.encode())
    command = "python3 -m unittest"
    before = Check(
        command=command, on="base", exit_code=1, passed=False, seconds=3.2, output_tail="FAILED (failures=1)"
    )
    after = Check(command=command, on="patch", exit_code=0, passed=True, seconds=3.1, output_tail="OK")
    workflow = ".github/workflows/ci.yml"
    report = Report(
        verification=Verification(checks=[before, after], verdict="reproduced"),
        findings=[GateFinding(rule="ci-config", verdict="hold", path=workflow, detail="changes how the code is built")],
        changed_files=["shop/pdf.py", workflow],
        outside_plan=[workflow],
        additions=2,
        deletions=2,
    )
    failure = Failure(
        kind="gate",
        reason="The patch changes CI configuration.",
        action="Read the diff, then release the patch or retry the fix.",
    )
    job = planted_job(name, cluster_id, "needs_review", report=report, patch_key=key, failure=failure)
    return await _keep(bus, job, ("queued", "provisioning", "checkout", "agent", "verifying", "gating"))


async def _dead_letter(bus: Bus) -> None:
    letter = DeadLetter(
        id="PLANTEDLETTER000000000000A",
        service="triage",
        subject="feedback.default.sentry",
        stream="FEEDBACK",
        sequence=4,
        reason="title is missing <img src=x onerror=alert(1)>",
        deliveries=5,
        data='{"source": "sentry", "title": null}',
        at=datetime.now(UTC),
    )
    await bus.publish("dead.triage", encode(letter))


async def _run(data: Path, port: int, ready: Path, lines: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with page_stack(data, port=port, long_log=lines) as found:
        partial = ready.with_suffix(".part")  # renamed when whole: others wait for the file
        await asyncio.to_thread(partial.write_text, json.dumps(found))
        await asyncio.to_thread(partial.rename, ready)
        await stop.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ready", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=LONG_LOG)
    given = parser.parse_args()
    asyncio.run(_run(given.data.resolve(), given.port, given.ready, given.lines))
