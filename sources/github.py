"""GitHub issues and issue comments: webhooks, and issues of the REST API as ``{"action": "sync", issue, repository}``.

Webhooks: https://docs.github.com/en/webhooks/webhook-events-and-payloads#issues . Signature: ``X-Hub-Signature-256``
= ``sha256=`` hex HMAC of the raw body; the SHA-1 header alone is refused. Filter ``repos`` (unset or empty: all).
The fingerprint is the issue, so a comment starts in its issue's cluster. Pull requests are Filtered.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from schemas.feedback import FeedbackItem, Trust
from sources.base import Settings
from sources.errors import Filtered, Malformed, Unauthorized
from sources.reading import Node
from sources.shape import item, repository_in, repository_url
from sources.signing import admit, allowed, header, hex_digests, matches, secrets_of
from sources.traces import parse_trace

_NEW: Final = {"opened", "sync", "created"}
_CHANGES: Final = {"edited", "closed", "reopened", "deleted", "transferred", "labeled", "unlabeled", "milestoned"}
_CLOSING: Final = {"closed", "deleted", "transferred"}
_TEAM: Final = {"OWNER", "MEMBER", "COLLABORATOR"}


def verify(headers: Mapping[str, str], body: bytes, settings: Settings) -> None:
    """``X-Hub-Signature-256`` with one of the active secrets; without a secret set nothing is accepted."""
    secrets = secrets_of(settings)
    if not secrets:
        raise Unauthorized("no GitHub webhook secret is set for this project: set one with POST /config/github/secret")
    given = header(headers, "X-Hub-Signature-256")
    if not given:
        raise Unauthorized("missing X-Hub-Signature-256: set a secret in the webhook's settings on GitHub")
    if not given.startswith("sha256=") or not matches(given[7:].strip().lower(), hex_digests(body, secrets)):
        raise Unauthorized("X-Hub-Signature-256 does not match the webhook secret set for this project")


def normalise(payload: Any, *, project_id: str, received_at: datetime, settings: Settings) -> list[FeedbackItem]:
    """One report: an issue, a change of one (``event`` is ``updated``), or a comment."""
    admit(settings, "github")
    root = Node(payload).as_object()
    if root.has("zen") or root.has("hook_id"):
        raise Filtered("ping received: the webhook works")
    if not root.has("issue"):
        raise _nothing(root)
    issue = root.obj("issue")
    if issue.has("pull_request"):
        raise Filtered("pull requests are no reports")
    action = root.text("action", limit=50) or "sync"
    if action not in _NEW | _CHANGES:
        raise Filtered(f"the action {action!r} brings no report")
    repo = _repository(root, issue)
    wanted = allowed(settings, "repos", empty_means_all=True)
    if wanted is not None and repo.lower() not in {(repository_in(entry) or entry).lower() for entry in wanted}:
        raise Filtered(f"{repo} is not among the project's GitHub repositories")
    if root.has("comment"):
        return [_comment(root, issue, repo, action, project_id, received_at)]
    return [_issue(issue, repo, action, project_id, received_at)]


def _nothing(root: Node) -> Exception:
    if root.has("pull_request") or root.has("commits") or root.has("repository"):
        return Filtered("only issues and issue comments are reports")
    return Malformed("issue", "missing: expected GitHub's issues or issue_comment payload")


def _repository(root: Node, issue: Node) -> str:
    name = root.obj("repository").text("full_name", limit=200)
    found = name or repository_in(
        issue.text("html_url", "repository_url", limit=500).replace("api.github.com/repos", "github.com")
    )
    if not found or found.count("/") != 1:
        raise Malformed("repository.full_name", "expected owner/name")
    return found


def _issue(issue: Node, repo: str, action: str, project_id: str, received_at: datetime) -> FeedbackItem:
    number, issue_id = issue.number("number"), issue.text("id", limit=100)
    if number is None or not issue_id:
        raise Malformed("issue.number" if number is None else "issue.id", "missing")
    closed = action in _CLOSING or (action != "reopened" and _is_closed(issue))
    updated: Literal["created", "updated"] = "updated" if action in _CHANGES else "created"
    labels = [_label(node) for node in issue.items("labels", 100)]
    return _build(
        project_id,
        received_at,
        issue_id,
        issue,
        repo,
        title=issue.text("title", limit=1000),
        body=issue.text("body"),
        created_at=issue.moment("created_at"),
        status="closed" if closed else "open",
        event=updated,
        metadata={
            "labels": [label for label in labels if label],
            "state": issue.text("state", limit=20),
            "comments": issue.number("comments"),
            "updated_at": issue.text("updated_at", limit=50),
            "author": _login(issue),
            "assignees": [_name(node) for node in issue.items("assignees", 50)],
            "milestone": issue.obj("milestone").text("title", limit=200),
            "url": issue.text("html_url", limit=500),
        },
        author=issue,
    )


def _comment(root: Node, issue: Node, repo: str, action: str, project_id: str, received_at: datetime) -> FeedbackItem:
    comment = root.obj("comment")
    if comment.obj("user").text("type", limit=20) == "Bot":
        raise Filtered("comments of bots are no reports")
    comment_id = comment.text("id", limit=100)
    if not comment_id:
        raise Malformed("comment.id", "missing")
    return _build(
        project_id,
        received_at,
        f"comment-{comment_id}",
        issue,
        repo,
        title=f"Comment on: {issue.text('title', limit=1000)}",
        body=comment.text("body"),
        created_at=comment.moment("created_at"),
        status="closed" if action == "deleted" or _is_closed(issue) else "open",
        event="created" if action == "created" else "updated",
        metadata={"author": _login(comment), "url": comment.text("html_url", limit=500)},
        author=comment,
    )


def _build(
    project_id: str, received_at: datetime, external: str, issue: Node, repo: str, author: Node, **fields: Any
) -> FeedbackItem:
    number = issue.number("number")
    exception_type, frames = parse_trace(fields["body"])
    return item(
        project_id,
        "github",
        external,
        received_at,
        **fields,
        raw_text=fields["body"],
        repo=repo,
        github_repo_url=repository_url(repo),
        github_issue_number=number,
        github_issue_url=issue.text("html_url", limit=500) or f"https://github.com/{repo}/issues/{number}",
        fingerprint=f"{repo.lower()}#{number}",
        exception_type=exception_type,
        frames=frames,
        stacktrace=fields["body"] if frames else None,
        user=_login(author),
        trust=_trust(author),
    )


def _is_closed(issue: Node) -> bool:
    """Thanks under a closed issue are no new trouble: who has some opens the issue again, or another."""
    return issue.text("state", limit=20) == "closed"


def _trust(node: Node) -> Trust:
    return "staff" if node.text("author_association", limit=40) in _TEAM else "authenticated"


def _login(node: Node) -> str:
    return node.obj("user").text("login", limit=100)


def _name(node: Node) -> str:
    return node.text("login", limit=100)


def _label(node: Node) -> str:
    return node.text("name", limit=100) if isinstance(node.value, dict) else node.as_text(100)
