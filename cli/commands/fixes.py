"""``fix``, ``cancel``, ``retry`` and ``approve``."""

import asyncio
from typing import Annotated, Any

import typer

from cli.client import Gateway
from cli.commands.follow import follow_job
from cli.commands.jobs import exit_code, show_job
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, Yes, confirm, output_format, with_gateway
from cli.output import detail, emit, is_terminal, say

Job = Annotated[str, typer.Argument(help="The job.")]


def fix(
    cluster_id: Annotated[str, typer.Argument(help="The cluster to fix.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job; the exit code tells how it ended.")] = False,
    timeout: Annotated[float, typer.Option(help="With --wait: seconds to wait before exit code 8.")] = 3600,
    runner: Annotated[str | None, typer.Option(help="sandbox_kilo, aws_kilo or another that is alive.")] = None,
    agent: Annotated[str | None, typer.Option(help="kilocode, opencode or another that the runner has.")] = None,
    repo: Annotated[str | None, typer.Option(help="Repository URL or path, when the cluster knows none.")] = None,
    branch: Annotated[str | None, typer.Option(help="Base branch.")] = None,
    plan_version: Annotated[int | None, typer.Option(help="Refuse when the plan has moved on.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key gives the same job.")] = None,
    github_token: Annotated[
        str | None, typer.Option(envvar="GITHUB_TOKEN", help="Token for push and pull request.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Go on although similar work is open.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be started, and start nothing.")] = False,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Start a fix; prints the job's id."""
    fmt = output_format(output)
    given = {
        "runner": runner, "agent": agent, "repo_url": repo, "base_branch": branch, "plan_version": plan_version,
    }  # fmt: skip
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if dry_run:
        _dry_run(cluster_id, body, gateway, api_key, project)
        return
    if force:
        body["force"] = True
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    if github_token:
        headers["X-GitHub-Token"] = github_token

    async def act(session: Gateway) -> dict[str, Any]:
        if github_token and not session.target.private:
            raise CliError(
                f"a GitHub token is not sent over plain http to {session.target.gateway}",
                why="Others on the way could read it. It came from --github-token or GITHUB_TOKEN.",
                next_step='an https:// gateway, or --github-token ""',
                code=Exit.USAGE,
            )
        started = await session.call("POST", f"/clusters/{cluster_id}/start_fix", body=body, headers=headers)
        if not wait:
            return dict(started)
        say(f"Job {started['job_id']}. Ctrl-C leaves it running; soulcaster cancel {started['job_id']} stops it.")
        return await _waited(session, started["job_id"], timeout)

    job = with_gateway(gateway, api_key, project, act)
    if fmt != "table":
        emit(job, fmt=fmt)
    elif wait:
        show_job(job)
    else:
        typer.echo(job["job_id"])
        if is_terminal():
            say(f"Started. Follow it: soulcaster watch {job['job_id']}")
    if wait:
        raise typer.Exit(exit_code(job))


async def _waited(session: Gateway, job_id: str, timeout: float) -> dict[str, Any]:
    try:
        return await asyncio.wait_for(follow_job(session, job_id), timeout)
    except TimeoutError as error:
        raise CliError(
            f"job {job_id} has not ended after {timeout:g} s",
            why="It goes on without this command.",
            next_step=f"soulcaster watch {job_id}",
            code=Exit.PENDING,
        ) from error


def _dry_run(cluster_id: str, body: dict[str, Any], gateway: str | None, key: str | None, project: str | None) -> None:
    async def act(session: Gateway) -> tuple[dict[str, Any], dict[str, Any] | None, list[dict[str, Any]]]:
        cluster = await session.call("GET", f"/clusters/{cluster_id}")
        try:
            plan = await session.call("GET", f"/clusters/{cluster_id}/plan")
        except CliError as error:
            if error.kind != "no_plan":
                raise
            plan = None
        return cluster, plan, (await session.call("GET", "/runners"))["items"]

    cluster, plan, alive = with_gateway(gateway, key, project, act)
    known = body.get("repo_url") or cluster.get("github_repo_url") or (plan or {}).get("repo_url")
    usable = [one["runner"] for one in alive if not one.get("problem")]
    problems = sorted({str(one["problem"]) for one in alive if one.get("problem")})
    detail(
        [
            ("Cluster", f"{cluster['id']}  {cluster.get('title')}"),
            ("Plan", f"version {plan['version']}: {plan.get('title')}" if plan else "none yet; it is made first"),
            ("Repository", known or "the project's default"),
            ("Base branch", body.get("base_branch") or (plan or {}).get("base_branch")),
            ("Runner", body.get("runner") or "the project's default"),
            ("Agent", body.get("agent") or "the project's default"),
            ("Runners ready", ", ".join(sorted(set(usable))) or "none"),
            ("Runner problem", "\n".join(problems)),
        ]
    )
    say("Nothing was started.")


def cancel(job_id: Job, yes: Yes = False, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Cancel a job; what it had done stays in `diff`."""
    confirm(f"Cancel job {job_id}?", yes=yes)
    with_gateway(gateway, api_key, project, lambda session: session.call("POST", f"/jobs/{job_id}/cancel", body={}))
    say(f"Cancelling {job_id}. See it end: soulcaster watch {job_id}")


def retry(job_id: Job, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Try an ended job again; prints the new job's id."""
    path = f"/jobs/{job_id}/retry"
    done = with_gateway(gateway, api_key, project, lambda session: session.call("POST", path, body={}))
    typer.echo(done.get("job_id", job_id))


def approve(job_id: Job, yes: Yes = False, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Release a patch that the gate held.

    It is checked again, then pushed as a draft pull request.
    """
    confirm(f"Publish the held patch of {job_id}?", yes=yes)
    path = f"/jobs/{job_id}/approve"
    done = with_gateway(gateway, api_key, project, lambda session: session.call("POST", path, body={}))
    typer.echo(done.get("job_id", job_id))
