"""``clusters``, ``merge``, ``split``, ``undo``, ``dismiss``, and the offline ``cluster``."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.client import Gateway
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, output_format, with_gateway
from cli.output import ago, detail, emit, say

if TYPE_CHECKING:
    from services.triage.engine import Config

COLUMNS = [("ID", "id"), ("Status", "status"), ("Reports", "count"), ("Sources", "sources"), ("Title", "title")]
SCREEN = [("ID", "id"), ("Status", "status"), ("Reports", "count"), ("Age", "age"), ("Title", "title")]
REPORTS = [("Report", "id"), ("Source", "source"), ("Title", "title")]
Id = Annotated[str, typer.Argument(help="The cluster.")]


def clusters(
    cluster_id: Annotated[str | None, typer.Argument(help="One cluster, whole.")] = None,
    status: Annotated[str | None, typer.Option(help="new, fixing, pr_opened, failed, resolved or dismissed.")] = None,
    query: Annotated[str | None, typer.Option("-q", "--query", help="Only those with these words.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many at most.")] = 50,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """List clusters, newest activity first; or show one."""
    fmt = output_format(output)
    if cluster_id:
        found = with_gateway(gateway, api_key, project, lambda session: session.call("GET", f"/clusters/{cluster_id}"))
        _shown(found) if fmt == "table" else emit(found, fmt=fmt)
        return
    params = {name: value for name, value in (("status", status), ("q", query)) if value}

    async def act(session: Gateway) -> list[Any]:
        return await session.pages("/clusters", limit=limit, params=params)

    rows = with_gateway(gateway, api_key, project, act)
    if fmt == "table":
        rows = [{**row, "age": ago(row.get("last_seen"))} for row in rows]
    hint = "No such cluster." if params else "No clusters yet. Send a report: soulcaster ingest FILE"
    emit(rows, fmt=fmt, columns=COLUMNS, screen=SCREEN, empty=hint)


def _shown(found: dict[str, Any]) -> None:
    items = found.get("feedback_items", [])
    suggested = found.get("suggested_repo_url")
    repository = found.get("github_repo_url") or (f"suggested: {suggested}" if suggested else None)
    detail(
        [
            ("ID", found.get("id")),
            ("Status", found.get("status")),
            ("Title", found.get("title")),
            ("Summary", found.get("summary")),
            ("Severity", found.get("severity")),
            ("Repository", repository),
            ("Job", found.get("job_id")),
            ("Pull request", found.get("github_pr_url")),
            ("Error", found.get("error_message")),
            ("Reports", found.get("count", len(items))),
        ]
    )
    if items:
        emit(items, fmt="table", columns=REPORTS)


def _change(path: str, body: dict[str, Any], gateway: str | None, api_key: str | None, project: str | None) -> Any:
    return with_gateway(gateway, api_key, project, lambda session: session.call("POST", path, body=body))


def merge(
    cluster_id: Id,
    others: Annotated[list[str], typer.Argument(help="Clusters that become part of it.")],
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Make one cluster of several; `undo` takes it back."""
    _change(f"/clusters/{cluster_id}/merge", {"cluster_ids": others}, gateway, api_key, project)
    say(f"Merged {', '.join(others)} into {cluster_id}. Take it back: soulcaster undo {cluster_id}")


def split(
    cluster_id: Id,
    reports: Annotated[list[str], typer.Argument(help="Reports that leave it together.")],
    title: Annotated[str | None, typer.Option(help="Title of the new cluster.")] = None,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Move reports into a new cluster; prints its id."""
    body = {"feedback_ids": reports} | ({"title": title} if title else {})
    done = _change(f"/clusters/{cluster_id}/split", body, gateway, api_key, project)
    typer.echo(next((other["id"] for other in done.get("others", [])), cluster_id))


def undo(cluster_id: Id, gateway: Url = None, api_key: Key = None, project: Project = None) -> None:
    """Take back a cluster's newest change by hand."""
    _change(f"/clusters/{cluster_id}/undo", {}, gateway, api_key, project)
    say(f"Took back the newest change of {cluster_id}.")


def dismiss(
    cluster_id: Id,
    reason: Annotated[str | None, typer.Option(help="Why, for the history.")] = None,
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Say that a cluster is not to be fixed."""
    body = {"status": "dismissed"} | ({"reason": reason} if reason else {})
    path = f"/clusters/{cluster_id}"
    with_gateway(gateway, api_key, project, lambda session: session.call("PATCH", path, body=body))
    say(f"Dismissed {cluster_id}.")


def cluster(
    input_: Annotated[
        Path, typer.Option("--input", help="JSON lines: id, source, title, body, created_at?, stacktrace?")
    ],
    output: Annotated[Path, typer.Option("--output", help="JSON lines: id, cluster.")],
    embeddings_url: Annotated[
        str, typer.Option(help="OpenAI-compatible API to ask for embeddings, such as http://127.0.0.1:11434/v1.")
    ] = "",
    embeddings_model: Annotated[str, typer.Option(help="The embedding model there.")] = "",
    strict: Annotated[bool, typer.Option(help="Join only what is very likely right: for few duplicates.")] = False,
) -> None:
    """Group a file of reports offline, no server needed.

    In arrival order, with the very engine that the service runs. With an embedding model titles and beginnings of
    the reports are sent to it; its key is read from EMBEDDINGS_API_KEY.
    """
    from services.triage.engine import Config, offline  # heavy: numpy and the vectors load only for this command

    config = (Config.strict if strict else Config)(embeddings=embeddings_model)
    if not embeddings_url and not embeddings_model:
        raise typer.Exit(offline.main(input_, output, config))
    if not (embeddings_url and embeddings_model):
        raise CliError("--embeddings-url and --embeddings-model go together", code=Exit.USAGE)
    raise typer.Exit(_with_embeddings(input_, output, embeddings_url, config))


def _with_embeddings(source: Path, target: Path, url: str, config: "Config") -> int:
    from services.triage.engine import offline
    from services.triage.offline_vectors import NoAnswer, vectors

    try:
        with vectors(url, config.embeddings, os.environ.get("EMBEDDINGS_API_KEY", ""), say) as embed:
            return offline.main(source, target, config, embed)
    except NoAnswer as error:
        raise CliError(
            "Nothing was written",
            why=str(error),
            next_step="See docs/how-to/embeddings.md; without --embeddings-url no endpoint is needed.",
            code=Exit.UNAVAILABLE,
        ) from error
