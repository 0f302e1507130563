"""``ingest``: reports into the gateway, over the route that their vendor would use."""

import hashlib
import hmac
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.client import Gateway
from cli.errors import CliError, Exit
from cli.options import Key, Output, Project, Url, output_format, with_gateway
from cli.output import emit, say

SOURCES = ("manual", "sentry", "github", "reddit", "datadog", "splunk", "posthog")
ROUTES = {
    "manual": "/ingest/manual",
    "sentry": "/ingest/sentry",
    "github": "/ingest/github/webhook",
    "reddit": "/ingest/reddit",
    "datadog": "/ingest/datadog/webhook",
    "splunk": "/ingest/splunk/webhook",
    "posthog": "/ingest/posthog/webhook",
}


def read_reports(name: str) -> list[Any]:
    """The reports of a file or of standard input (``-``): a JSON object or array, JSON lines, or plain text."""
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise CliError(f"cannot read {name}", why=error.strerror or str(error), code=Exit.USAGE) from error
    except UnicodeDecodeError as error:
        raise CliError(f"{name} is not UTF-8 text", why=str(error), code=Exit.USAGE) from error
    if not text.strip():
        raise CliError(f"{name} is empty", next_step="give a report as text or JSON", code=Exit.USAGE)
    if text.lstrip()[0] not in "{[":
        return [{"text": text}]
    try:
        loaded = json.loads(text)
    except ValueError:
        return _lines(name, text)
    return loaded if isinstance(loaded, list) else [loaded]


def _lines(name: str, text: str) -> list[Any]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
        except ValueError as error:
            raise CliError(
                f"{name} line {number} is not JSON",
                why=str(error),
                next_step="one JSON object per line; nothing was sent",
                code=Exit.USAGE,
            ) from error
    return rows


def guess_source(report: Any) -> str:
    """The source whose documented shape the report has; ``manual`` when none fits better."""
    if not isinstance(report, dict):
        return "manual"
    data = report.get("data")
    if isinstance(data, dict) and {"event", "error", "issue"} & data.keys() and "hook" not in report:
        return "sentry"
    if "hook" in report:
        return "posthog"
    if isinstance(report.get("issue"), dict) and "repository" in report:
        return "github"
    if "search_name" in report or "sid" in report:
        return "splunk"
    return "datadog" if "alert_type" in report else "manual"


def signature(source: str, secret: str, body: bytes) -> dict[str, str]:
    """The headers with which the vendor would sign this body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {
        "sentry": {"sentry-hook-signature": digest},
        "github": {"X-Hub-Signature-256": f"sha256={digest}", "X-GitHub-Event": "issues"},
        "datadog": {"X-Datadog-Signature": digest},
        "splunk": {"X-Splunk-Token": secret},
    }.get(source, {})


async def send(gateway: Gateway, report: Any, source: str, secret: str | None) -> dict[str, Any]:
    """Send one report over the route its vendor would use."""
    body = json.dumps(report).encode()
    headers = {"Content-Type": "application/json"} | (signature(source, secret, body) if secret else {})
    answer = await gateway.call("POST", ROUTES[source], data=body, headers=headers)
    return {"source": source, **answer}


def ingest(
    file: Annotated[str, typer.Argument(help="A file of reports, or - for standard input.")],
    source: Annotated[str | None, typer.Option(help="Source; guessed from the shape when left out.")] = None,
    secret: Annotated[str | None, typer.Option(help="Sign the payload with this webhook secret.")] = None,
    output: Output = "table",
    gateway: Url = None,
    api_key: Key = None,
    project: Project = None,
) -> None:
    """Send reports: a webhook payload, JSON lines, or plain text."""
    fmt = output_format(output)
    if source is not None and source not in SOURCES:
        raise CliError(f"source {source} is not known", next_step=f"one of {', '.join(SOURCES)}", code=Exit.USAGE)
    if file == "-" and sys.stdin.isatty():
        say("Write the report; Ctrl-D on an empty line sends it.")
    reports = read_reports(file)

    async def act(session: Gateway) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        for number, report in enumerate(reports, 1):
            try:
                sent.append(await send(session, report, source or guess_source(report), secret))
            except CliError as error:
                if len(reports) > 1:
                    error.what = f"report {number} of {len(reports)}: {error.what}"
                    error.why += f"\n  {len(sent)} went in before it."
                raise
        return sent

    rows = with_gateway(gateway, api_key, project, act)
    emit(rows, fmt=fmt, columns=[("ID", "id"), ("Source", "source"), ("Status", "status")])
