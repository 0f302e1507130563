"""GitHub's webhook events about pull requests, read. Pure.

https://docs.github.com/en/webhooks/webhook-events-and-payloads: ``pull_request``, ``pull_request_review``,
``pull_request_review_comment``, ``check_run``, ``check_suite``. The signature was checked before.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from schemas.jobs import Remark
from sources.reading import Node

EVENTS: Final = frozenset(
    {"pull_request", "pull_request_review", "pull_request_review_comment", "check_run", "check_suite"}
)
TEAM: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
FAILING: Final = frozenset({"failure", "timed_out"})
LONGEST: Final = 4_000


@dataclass(frozen=True, slots=True)
class Closed:
    """A pull request is over."""

    url: str
    merged: bool
    by: str


@dataclass(frozen=True, slots=True)
class Spoken:
    """Somebody who belongs to the repository commented on a pull request's change. ``at`` by GitHub's clock."""

    url: str
    number: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Failing:
    """Checks of a branch's commit failed."""

    repo_url: str
    branch: str
    sha: str
    remark: Remark


@dataclass(frozen=True, slots=True)
class Ignored:
    """Nothing follows, and why."""

    reason: str


Event: TypeAlias = Closed | Spoken | Failing | Ignored


def read(name: str, payload: Node) -> Event:
    """What the event named ``name`` (``X-GitHub-Event``) says. Raises Malformed."""
    action = payload.text("action", limit=50)
    match name, action:
        case "pull_request", "closed":
            pull = payload.obj("pull_request")
            by = payload.obj("sender").text("login", limit=100)
            return Closed(pull.text("html_url", limit=500), bool(pull.flag("merged")), by)
        case "pull_request_review", "submitted":
            return _review(payload)
        case "pull_request_review_comment", "created":
            return _spoken(payload, payload.obj("comment"), "created_at")
        case (("check_run" | "check_suite"), "completed"):
            return _checks(name, payload)
    return Ignored(f"the event {name} with action {action!r} asks for nothing")


def _review(payload: Node) -> Event:
    review = payload.obj("review")
    if review.text("state", limit=50).lower() not in ("changes_requested", "commented"):
        return Ignored("an approval asks for nothing")
    return _spoken(payload, review, "submitted_at")


def _spoken(payload: Node, said: Node, moment: str) -> Event:
    author = said.obj("user")
    if author.text("type", limit=20) != "User":
        return Ignored("what bots say of a pull request starts nothing")
    if said.text("author_association", limit=50) not in TEAM:
        return Ignored("only those who may write to the repository are heard")
    pull, at = payload.obj("pull_request"), said.moment(moment)
    number = pull.number("number")
    if number is None or at is None:
        return Ignored("the pull request's number or the comment's time is missing")
    return Spoken(pull.text("html_url", limit=500), int(number), author.text("login", limit=100), at.astimezone(UTC))


def _checks(name: str, payload: Node) -> Event:
    found = payload.obj(name)
    suite = found.obj("check_suite") if name == "check_run" else found
    conclusion = found.text("conclusion", limit=50)
    if conclusion not in FAILING:
        return Ignored(f"the checks ended as {conclusion or 'nothing'}")
    output = found.obj("output")
    parts = (output.text("title", limit=500), output.text("summary", limit=LONGEST), output.text("text", limit=LONGEST))
    remark = Remark(
        author=found.text("name", limit=200) or found.obj("app").text("name", limit=200) or "checks",
        body="\n".join(part for part in parts if part)[:LONGEST] or f"It ended as {conclusion}.",
        url=found.text("html_url", limit=500),
    )
    return Failing(
        payload.obj("repository").text("html_url", limit=500),
        suite.text("head_branch", limit=250),
        found.text("head_sha", limit=64),
        remark,
    )
