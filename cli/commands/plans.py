"""``plan``: the plan of a cluster, or of any repository and issue text, offline."""

from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Gateway
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, output_format, with_gateway
from cli.output import emit, err, plain


def plan(
    cluster_id: Annotated[str | None, typer.Argument(help="The cluster whose plan to show or make.")] = None,
    generate: Annotated[bool, typer.Option("--generate", help="Make a new version even when there is one.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Have it looked at now; with --generate a stale plan is made again.")
    ] = False,
    approve: Annotated[bool, typer.Option("--approve", help="Approve the version that is shown.")] = False,
    repo: Annotated[Path | None, typer.Option(help="Offline: a repository on this machine.")] = None,
    rev: Annotated[str, typer.Option(help="Offline: the commit to ground the plan in.")] = "HEAD",
    issue: Annotated[str | None, typer.Option(help="Offline: a file with the issue's text, or -.")] = None,
    json_: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Show a cluster's plan, or make one; --repo: offline.

    Without a plan one is made first. With --repo and --issue a plan is made of any repository, no server needed.
    """
    fmt = output_format("json" if json_ else output)
    if repo is not None:
        _offline(repo, rev, issue, as_json=fmt != "table")
    if not cluster_id:
        raise CliError(
            "which plan?",
            next_step="soulcaster plan CLUSTER   (or: soulcaster plan --repo PATH --issue FILE)",
            code=Exit.USAGE,
        )

    async def act(session: Gateway) -> Any:
        path = f"/clusters/{cluster_id}/plan"
        if check:
            return await session.call("POST", f"{path}/check", body={"reground": generate}, timeout=300)
        if not generate:
            try:
                return await session.call("GET", path)
            except CliError as error:
                if error.kind != "no_plan":
                    raise
        if err.is_terminal:
            with err.status("Reading the repository and planning"):
                return await session.call("POST", path, timeout=300)
        return await session.call("POST", path, timeout=300)

    async def approved(session: Gateway) -> Any:
        made = await act(session)
        path = f"/clusters/{cluster_id}/plan/approve"
        return await session.call("POST", path, body={"version": made["version"]}, timeout=60) if approve else made

    made = with_gateway(gateway, api_key, project, approved)
    if fmt != "table":
        emit(made, fmt=fmt)
    else:
        typer.echo(render(made))


def _offline(repo: Path, rev: str, issue: str | None, *, as_json: bool) -> None:
    if issue is None:
        raise CliError("--repo needs --issue FILE", next_step="--issue - reads standard input", code=Exit.USAGE)
    from services.planner.localise import offline  # heavy: numpy and grammars load only for this command

    raise typer.Exit(offline.main(str(repo), rev, issue, as_json))


def render(made: dict[str, Any]) -> str:
    """A plan as text for people."""
    commit = str(made.get("base_commit") or "")[:12]
    origin = f"model {made.get('model')}" if made.get("grounded") == "model" else "evidence alone, no model"
    by = f", approved by {made['approved_by']}" if made.get("approved_by") else ""
    parts = [
        f"{made.get('title')}  (version {made.get('version')}, from {origin}{by})",
        f"{made.get('repo_url')} {made.get('base_branch')} at {commit}",
        "",
        str(made.get("summary") or made.get("description") or ""),
    ]
    parts += _section("Hypotheses", [f"{h['statement']}  [{h['confidence']:.0%}]" for h in made.get("hypotheses", [])])
    files = [f"{c['path']}  {'; '.join(c.get('reasons', [])[:3])}" for c in (made.get("candidate_files") or [])[:8]]
    parts += _section("Files", files)
    parts += _section("Steps", made.get("steps", []))
    checks = [
        f"{v['title']}: {v['command']}" if v.get("command") else v["title"] for v in made.get("validation_steps", [])
    ]
    parts += _section("Validation", checks)
    parts += _section("Risks", made.get("risks", []))
    parts += _section("Notes", made.get("notes", []))
    return plain("\n".join(parts))


def _section(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {number}. {line}" for number, line in enumerate(lines, 1))] if lines else []
