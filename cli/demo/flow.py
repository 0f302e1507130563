"""The main job, told as it happens: reports in, cluster, plan, fix, draft pull request."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from cli.client import Gateway
from cli.commands.follow import follow_job
from cli.commands.jobs import exit_code
from cli.commands.plans import render
from cli.commands.reports import guess_source, send
from cli.context import Target
from cli.embedded.layout import DEFAULT_PROJECT
from cli.embedded.services import Instance
from cli.errors import CliError, Exit
from cli.output import err, plain

PAYLOADS = Path(__file__).parent / "payloads"
SENTRY_SECRET = "demo-sentry-client-secret"  # noqa: S105  the demo signs its own payloads with it
GITHUB_SECRET = "demo-github-webhook-secret"  # noqa: S105


async def run_demo(instance: Instance) -> int:
    """Do the job against a running instance; 0 when it ended with a branch and a draft pull request."""
    target = Target(instance.gateway_url, instance.layout.admin_key(), DEFAULT_PROJECT)
    async with Gateway(target) as gateway:
        _say("1. Reports come in, as the vendors send them")
        await _feed(gateway)
        _say("2. They become clusters")
        cluster = await _largest_cluster(gateway)
        _say("3. A plan, grounded in the repository")
        plan = await gateway.call("POST", f"/clusters/{cluster['id']}/plan", timeout=300)
        err.print(render(plan), markup=False, highlight=False)
        _say("4. Start fix: the agent works in the sandbox")
        _say_model(instance)
        started = await gateway.call("POST", f"/clusters/{cluster['id']}/start_fix", body={})
        job = await asyncio.wait_for(follow_job(gateway, started["job_id"]), 900)
        _say("5. The result")
        return await _result(gateway, instance, job)


async def _feed(gateway: Gateway) -> None:
    await gateway.call("POST", "/config/sentry/secret", body={"secret": SENTRY_SECRET})
    await gateway.call("POST", "/config/github/secret", body={"secret": GITHUB_SECRET})
    for path in sorted(PAYLOADS.glob("*.json")):
        report = json.loads(path.read_text())
        source = guess_source(report)
        secret = {"sentry": SENTRY_SECRET, "github": GITHUB_SECRET}.get(source)
        answer = await send(gateway, report, source, secret)
        err.print(f"   {path.name}: {answer['status']}", markup=False)


async def _largest_cluster(gateway: Gateway) -> dict[str, Any]:
    """The cluster with most reports, once every report of the demo is in one; the reports are few, so this is short."""
    expected = len(list(PAYLOADS.glob("*.json")))
    for _ in range(200):
        clusters: list[dict[str, Any]] = await gateway.call("GET", "/clusters")
        if sum(cluster["count"] for cluster in clusters) >= expected:
            for cluster in sorted(clusters, key=lambda c: -c["count"]):
                err.print(f"   {cluster['count']} report(s): {plain(cluster['title'])}", markup=False)
            return max(clusters, key=lambda cluster: int(cluster["count"]))
        await asyncio.sleep(0.1)
    raise CliError("the reports were not clustered within 20 s", next_step="read triage's log in the data folder")


def _say_model(instance: Instance) -> None:
    if instance.model.replay:
        err.print(
            "   No OPENAI_API_KEY is set, so the model is a REPLAY: a loopback server with one fixed conversation.\n"
            "   The Kilocode CLI, the sandbox, NATS, Git and the patch gate are real.",
            style="yellow",
        )
    else:
        err.print(f"   Model: {instance.model.name}", markup=False)


async def _result(gateway: Gateway, instance: Instance, job: dict[str, Any]) -> int:
    code = exit_code(job)
    if code != Exit.OK:
        error = job.get("error") or {}
        reason = error.get("reason") if isinstance(error, dict) else error
        raise CliError(
            f"the job ended {job['status']}",
            why=str(reason or ""),
            next_step=f"read the logs in {instance.layout.logs}",
            code=Exit(code),
        )
    print(plain(await gateway.call("GET", f"/jobs/{job['id']}/patch")))
    branch = await asyncio.to_thread(_branches, Path(instance.repository))
    print(f"Branches of the sample repository: {', '.join(branch)}")
    print(f"Draft pull request: {job['pr_url']}")
    return Exit.OK


def _branches(repository: Path) -> list[str]:
    command = ["git", "-C", str(repository), "for-each-ref", "--format=%(refname:short)", "refs/heads"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.split()


def _say(text: str) -> None:
    err.print(f"\n{text}", style="bold", markup=False)
