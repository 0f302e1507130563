"""Reading the issues of a GitHub repository now, with the caller's token."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas.feedback import FeedbackItem
from services.gateway import intake
from services.gateway.github import Github, Refused, names
from services.gateway.handlers.config import change_project
from services.gateway.handlers.fixes import github_token
from services.gateway.problems import Problem
from services.gateway.shapes.feedback import GithubSynced
from services.gateway.source_settings import changed, stored
from services.gateway.table import Call, Route
from sources import TABLE, Filtered, Malformed

PAGE: Final = 100
PAGES: Final = 20
SLACK: Final = timedelta(seconds=60)  # GitHub's clock against ours: what is closed while the open ones are read


async def sync_github(call: Call) -> dict[str, Any]:
    """Issues changed since the last time, oldest change first; pull requests are left out.

    The cursor is the newest ``updated_at`` that was stored, never the clock: what did not fit in this call, or failed
    half-way, comes with the next one.
    """
    owner, repo = names(call.path("owner"), call.path("repo"))
    gateway = call.gateway
    project = await gateway.project(call.project_id)
    settings = intake.settings_of(gateway, project, "github")
    full = f"{owner}/{repo}".lower()
    began, since = gateway.clock.now(), (stored(project, "github").get("synced") or {}).get(full)
    counts = {"new_issues": 0, "updated_issues": 0, "archived_issues": 0}
    synced: list[str] = []
    seen: set[str] = set()
    async for issues, newest in _pages(call, owner, repo, since):
        for issue in issues:
            item = _item(call, issue, f"{owner}/{repo}", settings, since)
            if item is None or item.id in seen:
                continue
            seen.add(item.id)
            if item.event == "created":
                await intake.check_quota(gateway, project, 1)
            if (await intake.publish(gateway, [item])).outcome == "ok":
                counts[_kind(item)] += 1
                synced.append(item.id)
        await _remember(call, full, newest if since else min(newest, _written(began - SLACK)))
    return {
        "success": True,
        "repo": f"{owner}/{repo}",
        **counts,
        "total_issues": len(seen),
        "last_synced": gateway.clock.now(),
        "project_id": call.project_id,
        "synced_ids": synced,
    }


async def _pages(
    call: Call, owner: str, repo: str, since: str | None
) -> AsyncGenerator[tuple[list[dict[str, Any]], str], None]:
    """Issues, and the newest change among them, oldest change first.

    Asked for by time, not by number: an issue that changes meanwhile moves to the end of the list, and another one
    would slip through between two numbers. The first time only open issues are read.
    """
    gateway = call.gateway
    token = github_token(call) or gateway.settings.github_token
    github = Github(gateway.client(), gateway.settings.github_api_url, token)
    state, after, number = "all" if since else "open", since, 1
    for _ in range(PAGES):
        issues = await _issues(github, owner, repo, state, after, number)
        if not issues:
            return
        last = max(str(issue.get("updated_at") or "") for issue in issues)
        yield issues, last
        # Issues of a whole page may share their time of change: then the next number, else the next time.
        after, number = (after, number + 1) if last == after else (last, 1)
        if len(issues) < PAGE:
            return


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def _issues(
    github: Github, owner: str, repo: str, state: str, since: str | None, page: int
) -> list[dict[str, Any]]:
    query = {"per_page": str(PAGE), "page": str(page), "sort": "updated", "direction": "asc", "state": state}
    query |= {"since": since} if since else {}
    try:
        answer = await github.call("GET", f"/repos/{owner}/{repo}/issues", params=query)
    except Refused as why:
        raise Problem(502, "github", why.reason) from why
    if not isinstance(answer, list):
        raise Problem(502, "github", "GitHub answered something that is not a list of issues.")
    return [issue for issue in answer if isinstance(issue, dict)]


def _item(
    call: Call, issue: dict[str, Any], repo: str, settings: dict[str, Any], since: str | None
) -> FeedbackItem | None:
    """The report in an issue, or its change when it was there at the last time; None for what is none."""
    known = since is not None and str(issue.get("created_at") or "") <= since
    change = "closed" if issue.get("state") == "closed" else "edited"
    payload = {"action": change if known else "sync", "issue": issue, "repository": {"full_name": repo}}
    try:
        items = TABLE["github"].normalise(
            payload, project_id=call.project_id, received_at=call.gateway.clock.now(), settings=settings
        )
    except (Filtered, Malformed):
        return None
    return items[0] if items else None


def _kind(item: FeedbackItem) -> str:
    if item.status == "closed":
        return "archived_issues"
    return "updated_issues" if item.event == "updated" else "new_issues"


async def _remember(call: Call, full: str, newest: str) -> None:
    await change_project(
        call,
        lambda held: changed(
            held, "github", {"synced": {**(stored(held, "github").get("synced") or {}), full: newest}}
        ),
    )


ROUTES = (
    Route(
        method="POST",
        path="/ingest/github/sync/{owner}/{repo}",
        handler=sync_github,
        summary="Read the issues of a GitHub repository now",
        tag="ingest",
        role="ingest",
        starts_work=True,
        takes=("X-GitHub-Token",),
        answer=GithubSynced,
        also=(404, 429, 502, 503),
    ),
)
