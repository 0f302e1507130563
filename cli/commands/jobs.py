"""``jobs``, ``watch``, ``diff``: what was started and what it brought."""

from typing import Annotated, Any

import typer

from cli.client import Gateway
from cli.commands.follow import follow_job
from cli.errors import Exit
from cli.options import Key, Output, Project, Url, output_format, with_gateway
from cli.output import ago, colourful, detail, emit, plain, say

COLUMNS = [
    ("ID", "id"),
    ("Status", "status"),
    ("Phase", "phase"),
    ("Attempt", "attempt"),
    ("Runner", "runner"),
    ("Pull request", "pr_url"),
    ("Error", "error_text"),
]
SCREEN = [
    ("ID", "id"),
    ("Status", "status"),
    ("Phase", "phase"),
    ("Tries", "attempt"),
    ("Age", "age"),
    ("Result", "result"),
]
_DIFF = {"+": "\x1b[32m", "-": "\x1b[31m", "@": "\x1b[36m"}


def reason(job: dict[str, Any]) -> str:
    """Why a job failed, in words."""
    failure = job.get("failure") if isinstance(job.get("failure"), dict) else {}
    error = job.get("error")
    text = error.get("reason") if isinstance(error, dict) else error
    return str(text or (failure or {}).get("reason") or "")


def flat(job: dict[str, Any]) -> dict[str, Any]:
    """A job as a row."""
    text = reason(job)
    return {**job, "error_text": text, "age": ago(job.get("created_at")), "result": job.get("pr_url") or text}


def show_job(job: dict[str, Any]) -> None:
    """A job with what to do next."""
    usage = job.get("usage") or {}
    tokens = f"{usage.get('input_tokens', 0)} in, {usage.get('output_tokens', 0)} out"
    cost = f"{tokens}, {usage['cost_usd']:.2f} USD" if usage.get("cost_usd") else tokens
    detail(
        [
            ("ID", job.get("id")),
            ("Status", job.get("status")),
            ("Phase", job.get("phase")),
            ("Attempt", f"{job.get('attempt')} of {job.get('max_attempts')}" if job.get("max_attempts") else None),
            ("Cluster", job.get("cluster_id")),
            ("Plan", f"version {job['plan_version']}" if job.get("plan_version") else None),
            ("Runner", job.get("runner")),
            ("Repository", job.get("repo_url")),
            ("Branch", job.get("branch")),
            ("Pull request", job.get("pr_url")),
            ("Tokens", cost if usage.get("requests") else None),
            ("Started", job.get("started_at")),
            ("Finished", job.get("finished_at")),
            ("Asked by", job.get("requested_by")),
            ("Error", reason(job)),
        ]
    )
    if hint := next_step(job):
        say(f"Next: {hint}")


def next_step(job: dict[str, Any]) -> str:
    """What a person does now."""
    job_id, failure = job.get("id"), job.get("failure")
    if isinstance(failure, dict) and failure.get("action"):
        return str(failure["action"])
    return {
        "pending": f"soulcaster watch {job_id}",
        "running": f"soulcaster watch {job_id}",
        "needs_review": f"soulcaster diff {job_id}, then soulcaster approve {job_id}",
        "failed": f"soulcaster logs {job_id}, then soulcaster retry {job_id}",
    }.get(str(job.get("status")), "")


def exit_code(job: dict[str, Any]) -> int:
    """How a finished job ends the command: 0 success, 3 cancelled, 5 otherwise."""
    return {"success": Exit.OK, "cancelled": Exit.CANCELLED}.get(str(job.get("status")), Exit.JOB_FAILED)


def jobs(
    job_id: Annotated[str | None, typer.Argument(help="One job, whole.")] = None,
    status: Annotated[str | None, typer.Option(help="Only jobs of this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """List jobs, newest first; or show one."""
    fmt = output_format(output)
    if job_id:
        job = with_gateway(gateway, api_key, project, lambda session: session.call("GET", f"/jobs/{job_id}"))
        show_job(job) if fmt == "table" else emit(job, fmt=fmt)
        return

    async def act(session: Gateway) -> list[Any]:
        return await session.pages("/jobs", limit=limit, params={"status": status} if status else {})

    rows = with_gateway(gateway, api_key, project, act)
    hint = f"No job is {status}." if status else "No jobs yet. Start one: soulcaster fix CLUSTER"
    if fmt == "table":
        rows = [flat(row) for row in rows]
    emit(rows, fmt=fmt, columns=COLUMNS, screen=SCREEN, empty=hint)


def watch(
    job_id: Annotated[str, typer.Argument(help="The job.")],
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Follow a job live; Ctrl-C leaves it running.

    The exit code tells how it ended: 0 success, 3 cancelled, 5 otherwise.
    """
    fmt = output_format(output)
    job = with_gateway(gateway, api_key, project, lambda session: follow_job(session, job_id))
    show_job(job) if fmt == "table" else emit(job, fmt=fmt)
    raise typer.Exit(exit_code(job))


def diff(
    job_id: Annotated[str, typer.Argument(help="The job.")],
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Print the patch that a job made."""
    text = with_gateway(gateway, api_key, project, lambda session: session.call("GET", f"/jobs/{job_id}/patch"))
    if not colourful():
        typer.echo(plain(text), nl=False)
        return
    for line in str(text).splitlines():
        tone = "\x1b[1m" if line.startswith(("+++", "---", "diff ")) else _DIFF.get(line[:1], "")
        typer.echo(f"{tone}{plain(line)}\x1b[0m" if tone else plain(line))
