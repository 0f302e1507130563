"""A pull request of ours and what people said of it. Only the words of those who may write to the repository count:
a public repository's pull request is open to everybody's comments, and a comment here becomes work of an agent.

GitHub's REST reference: "Pull request reviews", "Review comments", "Get repository permissions for a user".
"""

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from github.NamedUser import NamedUser
from github.PullRequest import PullRequest
from github.Repository import Repository

from runner_core.protocols import Followed, ForgeError, Pull, Target
from runner_core.pull_text import marker
from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.jobs import FollowUp, Remark

TEAM: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
MAY_WRITE: Final = frozenset({"admin", "maintain", "write"})
MOST: Final = 50  # remarks of one round
LONGEST: Final = 4_000  # characters of a remark


def follow(repository: Repository, task: RunnerTask) -> Followed:
    """Read-only. Raises ForgeError when there is nothing to follow up, GithubException as the calls do."""
    wanted = task.follow_up
    assert wanted is not None
    pull = repository.get_pull(wanted.number)
    if pull.state != "open":
        raise _gone(f"Pull request {wanted.pr_url} is {'merged' if pull.merged else 'closed'}.")
    if pull.head.ref != wanted.branch or marker(wanted.of) not in (pull.body or "").splitlines():
        raise _gone(f"Pull request {wanted.pr_url} is not the one that job {wanted.of} opened.")
    if pull.head.repo is None:
        raise _gone(f"The repository that pull request {wanted.pr_url} comes from was deleted.")
    parts, name = urlsplit(task.repo_url), pull.head.repo.full_name
    forked = name != repository.full_name
    url = f"{parts.scheme}://{parts.netloc}/{name}.git" if forked else task.repo_url
    target = Target(url, wanted.branch, name.split("/")[0], forked)
    found = Pull(url=pull.html_url, number=str(pull.number), state=pull.state)
    if wanted.reason == "checks":
        return Followed(found, target, tuple(wanted.remarks))
    return Followed(found, target, tuple(_remarks(repository, pull, wanted)))


def _remarks(repository: Repository, pull: PullRequest, wanted: FollowUp) -> list[Remark]:
    """In the order they were made. A comment of a review is as old as the review: it was drafted before."""
    said: list[tuple[datetime, Remark]] = []
    submitted: dict[int, datetime] = {}
    for review in pull.get_reviews():
        at = review.submitted_at
        if at is None or at <= wanted.since or not _counts(review.user, review.author_association):
            continue
        submitted[review.id] = at
        if review.body:
            said.append((at, Remark(author=review.user.login, body=review.body[:LONGEST], url=review.html_url)))
    for comment in pull.get_review_comments():
        at = submitted.get(comment.pull_request_review_id, comment.created_at)
        if at <= wanted.since or not _counts(comment.user, comment.author_association):
            continue
        remark = Remark(
            author=comment.user.login,
            body=comment.body[:LONGEST],
            path=comment.path,
            line=comment.line or comment.original_line or None,  # none where it is about a whole file
            url=comment.html_url,
        )
        said.append((at, remark))
    writers = {author for author in {remark.author for _, remark in said} if _may_write(repository, author)}
    ordered = sorted((one for one in said if one[1].author in writers), key=lambda one: one[0])
    return [remark for _, remark in ordered[-MOST:]]


def _counts(user: NamedUser | None, association: str) -> bool:
    """Cheap and coarse: no bots, nobody from outside. ``_may_write`` then asks GitHub."""
    return user is not None and user.type == "User" and association in TEAM


def _may_write(repository: Repository, login: str) -> bool:
    return repository.get_collaborator_permission(login) in MAY_WRITE


def _gone(reason: str) -> ForgeError:
    return ForgeError(Failure(kind="repository", reason=reason, action="There is nothing to do; start another fix."))
