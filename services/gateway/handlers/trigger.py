"""The legacy Phase 5 route: a GitHub issue, validated or created, then the AWS runner."""

from typing import Any

from runtime import ids
from schemas.clusters import Cluster, Evidence
from services.gateway import fixing
from services.gateway.fixing import Wish
from services.gateway.github import ISSUE, REPOSITORY, Github, Refused, names
from services.gateway.handlers.fixes import github_token, key_of
from services.gateway.problems import Problem
from services.gateway.shapes.fixes import AgentTriggered, TriggerAgent
from services.gateway.table import Call, Route

RUNNER = "aws_kilo"
TITLE = 256


async def trigger_agent(call: Call) -> dict[str, Any]:
    """Validate or create the issue, then run ``aws_kilo`` on it."""
    body: TriggerAgent = call.body
    project = await call.gateway.project(call.project_id)
    await fixing.check_quota(call.gateway, project)
    fixing.check_budget(call.gateway, project)  # before an issue is made for a fix that would be refused
    token = github_token(call) or call.gateway.settings.github_token
    github = Github(call.gateway.client(), call.gateway.settings.github_api_url, token)
    if body.issue_url:
        issue = await _existing(github, body.issue_url)
    else:
        issue = await _created(call, github, body)
    job_id = await _start(call, body, issue, token)
    return {
        "success": True,
        "message": "Agent triggered",
        "taskArn": f"job/{job_id}",
        "issue_url": issue["html_url"],
        "job_id": job_id,
    }


async def _existing(github: Github, url: str) -> dict[str, Any]:
    found = ISSUE.search(url)
    if found is None:
        raise Problem(400, "bad_issue_url", "Invalid GitHub issue URL format")
    owner, repo = names(found[1], found[2])
    try:
        answer = await github.call("GET", f"/repos/{owner}/{repo}/issues/{found[3]}")
    except Refused as why:
        raise Problem(404, "issue_not_found", "Issue not found or inaccessible", reason=why.reason) from why
    return _issue(answer, owner, repo, url)


async def _created(call: Call, github: Github, body: TriggerAgent) -> dict[str, Any]:
    text = body.issue_description or body.context
    if not text or not github.token:
        raise Problem(
            400,
            "configuration",
            "Configuration Error: send issue_url, or issue_description (or context) together with X-GitHub-Token.",
        )
    owner, repo = _where(call, body)
    title = (body.issue_title or f"Automated Fix Request: {call.gateway.clock.now().isoformat()}")[:TITLE]
    try:
        answer = await github.call("POST", f"/repos/{owner}/{repo}/issues", json={"title": title, "body": text})
    except Refused as why:
        answer = await _made_all_the_same(github, f"{owner}/{repo}", title, text) if _unknown(why) else None
        if answer is None:
            raise Problem(500, "issue_not_created", "Failed to create GitHub issue", reason=why.reason) from why
    return _issue(answer, owner, repo, f"https://github.com/{owner}/{repo}/issues")


def _unknown(why: Refused) -> bool:
    """Whether the issue may have been made although GitHub did not say so."""
    return why.status == 0 or why.status >= 500


async def _made_all_the_same(github: Github, name: str, title: str, text: str) -> dict[str, Any] | None:
    """The issue among the newest ones; None when it is not there."""
    query = {"state": "all", "sort": "created", "direction": "desc", "per_page": "30"}
    try:
        found = await github.call("GET", f"/repos/{name}/issues", params=query)
    except Refused:
        return None
    issues = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return next((one for one in issues if (one.get("title"), one.get("body")) == (title, text)), None)


def _where(call: Call, body: TriggerAgent) -> tuple[str, str]:
    settings = call.gateway.settings
    found = REPOSITORY.search(body.repo_url) if body.repo_url else None
    if body.repo_url and found is None:
        raise Problem(400, "bad_repository", "repo_url must be https://github.com/owner/name")
    owner, repo = (found[1], found[2]) if found else (body.owner, body.repo)
    owner, repo = owner or settings.github_owner, repo or settings.github_repo
    if not owner or not repo:
        raise Problem(400, "no_repository", "No repository: send repo_url, or owner and repo.")
    return names(owner, repo)


def _issue(answer: Any, owner: str, repo: str, url: str) -> dict[str, Any]:
    found = answer if isinstance(answer, dict) else {}
    return {
        "html_url": str(found.get("html_url") or url),
        "title": str(found.get("title") or "GitHub issue")[:300],
        "body": str(found.get("body") or "")[:8192],
        "number": found.get("number"),
        "repo_url": f"https://github.com/{owner}/{repo}",
    }


async def _start(call: Call, body: TriggerAgent, issue: dict[str, Any], token: str) -> str:
    project = await call.gateway.project(call.project_id)
    wish = Wish(
        cluster_id=body.cluster_id or ids.derived("issue", project.id, issue["html_url"]),
        requested_by=call.who,
        key=key_of(call),
        runner=RUNNER,
        repo_url=issue["repo_url"],
        token=token or None,
    )
    known = None if body.cluster_id else _cluster(call, wish.cluster_id, issue)
    return await fixing.start(call.gateway, project, wish, known)


def _cluster(call: Call, cluster_id: str, issue: dict[str, Any]) -> Cluster:
    """An issue without a cluster becomes the evidence of one that lives only in its job."""
    now = call.gateway.clock.now()
    evidence = Evidence(
        feedback_id=cluster_id,
        source="github",
        title=issue["title"],
        body=issue["body"],
        trust="authenticated",
        created_at=now,
        url=issue["html_url"],
    )
    return Cluster(
        id=cluster_id,
        project_id=call.project_id,
        revision=0,
        title=issue["title"],
        summary=issue["body"][:300],
        count=1,
        sources=["github"],
        trust="authenticated",
        created_at=now,
        updated_at=now,
        github_repo_url=issue["repo_url"],
        issue_title=issue["title"],
        issue_description=issue["body"],
        evidence=[evidence],
    )


ROUTES = (
    Route(
        method="POST",
        path="/api/trigger-agent",
        handler=trigger_agent,
        summary="Run the AWS agent on a GitHub issue (legacy)",
        tag="jobs",
        role="operator",
        body=TriggerAgent,
        starts_work=True,
        takes=("X-GitHub-Token",),
        answer=AgentTriggered,
        also=(404, 409, 429, 500, 503),
    ),
)
