"""``fix``, ``jobs``, ``logs``, ``cancel``, ``retry`` and ``approve``."""

import asyncio
import json
from typing import Annotated, Any

import typer

from cli.client import Gateway
from cli.commands.follow import follow_job, print_log
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, confirm, output_format, with_gateway
from cli.output import emit, err

COLUMNS = [
    ("ID", "id"),
    ("Status", "status"),
    ("Phase", "phase"),
    ("Attempt", "attempt"),
    ("Runner", "runner"),
    ("Pull request", "pr_url"),
    ("Error", "error_text"),
]


def fix(
    cluster_id: Annotated[str, typer.Argument(help="The cluster to fix.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job; the exit code tells how it ended.")] = False,
    timeout: Annotated[float, typer.Option(help="With --wait: seconds to wait before exit code 8.")] = 3600,
    runner: Annotated[str | None, typer.Option(help="sandbox_kilo, aws_kilo or another that is alive.")] = None,
    repo: Annotated[str | None, typer.Option(help="Repository URL or path, when the cluster knows none.")] = None,
    branch: Annotated[str | None, typer.Option(help="Base branch.")] = None,
    plan_version: Annotated[int | None, typer.Option(help="Refuse when the plan has moved on.")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="The same key gives the same job.")] = None,
    github_token: Annotated[
        str | None, typer.Option(envvar="GITHUB_TOKEN", help="Token for push and pull request.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Go on although similar work is open.")] = False,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Start a fix; prints the job's id."""
    fmt = output_format(output)
    given = {"runner": runner, "repo_url": repo, "base_branch": branch, "plan_version": plan_version}
    body: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    if force:
        body["force"] = True
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    if github_token:
        headers["X-GitHub-Token"] = github_token

    async def act(session: Gateway) -> dict[str, Any]:
        started = await session.call("POST", f"/clusters/{cluster_id}/start_fix", body=body, headers=headers)
        if not wait:
            return dict(started)
        err.print(f"Job {started['job_id']}", markup=False)
        try:
            return await asyncio.wait_for(follow_job(session, started["job_id"]), timeout)
        except TimeoutError as error:
            raise CliError(
                f"job {started['job_id']} has not ended after {timeout:g} s",
                why="It goes on without this command.",
                next_step=f"soulcaster logs -f {started['job_id']}",
                code=Exit.PENDING,
            ) from error

    job = with_gateway(gateway, api_key, project, act)
    if fmt != "table":
        emit(job, fmt=fmt)
    elif not wait:
        typer.echo(job["job_id"])
    else:
        emit([_flat(job)], fmt=fmt, columns=COLUMNS)
    if wait:
        raise typer.Exit(exit_code(job))


def exit_code(job: dict[str, Any]) -> int:
    """How a finished job ends the command: 0 success, 3 cancelled, 5 otherwise."""
    return {"success": Exit.OK, "cancelled": Exit.CANCELLED}.get(str(job.get("status")), Exit.JOB_FAILED)


def jobs(
    job_id: Annotated[str | None, typer.Argument(help="One job, whole.")] = None,
    status: Annotated[str | None, typer.Option(help="Only jobs of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """List jobs, newest first; or show one."""
    fmt = output_format(output)
    path = f"/jobs/{job_id}" if job_id else "/jobs"
    params = {} if job_id else {"limit": str(limit)} | ({"status": status} if status else {})
    found = with_gateway(gateway, api_key, project, lambda session: session.call("GET", path, params=params))
    rows = found.get("items", found) if isinstance(found, dict) and not job_id else found
    if fmt != "table":
        emit(rows, fmt=fmt)
        return
    listed = rows if isinstance(rows, list) else [rows]
    emit(
        [_flat(row) for row in listed], fmt=fmt, columns=COLUMNS, empty="No jobs yet. Start one: soulcaster fix CLUSTER"
    )


def _flat(job: dict[str, Any]) -> dict[str, Any]:
    error = job.get("error")
    text = error.get("reason") if isinstance(error, dict) else error
    return {**job, "error_text": text or ""}


def logs(
    job_id: Annotated[str, typer.Argument(help="The job.")],
    follow: Annotated[
        bool, typer.Option("-f", "--follow", help="Go on until the job ends; resumes by itself.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="The bytes as stored, nothing added or removed.")] = False,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Print a job's log."""
    fmt = output_format(output)

    async def act(session: Gateway) -> None:
        if not follow and fmt == "table":
            text = await session.call("GET", f"/jobs/{job_id}/logs/raw", timeout=600)
            print_log(str(text).split("\n"), raw=raw)
            return
        async for event in session.events(f"/jobs/{job_id}/logs/stream"):
            if event.name == "end":
                return
            chunk = json.loads(event.data)
            if fmt == "table":
                print_log(chunk.get("lines", []), raw=raw)
            else:
                emit(chunk, fmt="ndjson")

    with_gateway(gateway, api_key, project, act)


def cancel(
    job_id: Annotated[str, typer.Argument(help="The job.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Cancel a job; what the agent had done so far stays downloadable."""
    confirm(f"Cancel job {job_id}?", yes=yes)
    with_gateway(gateway, api_key, project, lambda session: session.call("POST", f"/jobs/{job_id}/cancel", body={}))
    err.print(f"Cancelling {job_id}. Watch it end: soulcaster logs -f {job_id}", markup=False)


def retry(
    job_id: Annotated[str, typer.Argument(help="A job that has ended.")],
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Try an ended job again; prints the new job's id."""
    done = with_gateway(
        gateway, api_key, project, lambda session: session.call("POST", f"/jobs/{job_id}/retry", body={})
    )
    typer.echo(done.get("job_id", job_id))


def approve(
    job_id: Annotated[str, typer.Argument(help="A job held for review.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Release the patch that the gate held: it is checked again, then pushed as a draft pull request."""
    confirm(f"Publish the held patch of {job_id}?", yes=yes)
    done = with_gateway(
        gateway, api_key, project, lambda session: session.call("POST", f"/jobs/{job_id}/approve", body={})
    )
    typer.echo(done.get("job_id", job_id))
