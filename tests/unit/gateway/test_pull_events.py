"""GitHub's events about pull requests, as they are read."""

from typing import Any

import pytest

from services.gateway.pull_events import Closed, Failing, Ignored, Spoken, read
from sources import Malformed
from sources.reading import Node

URL = "https://github.com/acme/shop/pull/7"
PULL = {"html_url": URL, "number": 7, "merged": False}


def said(**changes: Any) -> dict[str, Any]:
    return {
        "user": {"login": "anna", "type": "User"}, "author_association": "MEMBER", "state": "changes_requested",
        "submitted_at": "2026-11-23T12:00:00Z", "created_at": "2026-11-23T12:00:00Z", "body": "No.",
    } | changes  # fmt: skip


def review(**changes: Any) -> dict[str, Any]:
    return {"action": "submitted", "review": said(**changes), "pull_request": PULL}


def check(**changes: Any) -> dict[str, Any]:
    run = {"name": "unit", "conclusion": "failure", "head_sha": "a" * 40, "check_suite": {"head_branch": "b"}} | changes
    return {"action": "completed", "check_run": run, "repository": {"html_url": "https://github.com/acme/shop"}}


@pytest.mark.parametrize("merged", [True, False])
def test_a_closed_pull_request_says_whether_it_was_merged_and_by_whom(merged: bool) -> None:
    payload = {"action": "closed", "pull_request": PULL | {"merged": merged}, "sender": {"login": "anna"}}
    assert read("pull_request", Node(payload)) == Closed(URL, merged, "anna")


@pytest.mark.parametrize("state", ["changes_requested", "COMMENTED"])
def test_a_review_that_asks_for_something_is_heard(state: str) -> None:
    found = read("pull_request_review", Node(review(state=state)))
    assert isinstance(found, Spoken)
    assert (found.url, found.number, found.by, found.at.isoformat()) == (URL, 7, "anna", "2026-11-23T12:00:00+00:00")


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "approved"},
        {"author_association": "NONE"},
        {"author_association": "CONTRIBUTOR"},
        {"author_association": "FIRST_TIME_CONTRIBUTOR"},
        {"user": {"login": "x[bot]", "type": "Bot"}},
        {"user": None},
    ],
)
def test_approvals_bots_and_outsiders_are_not(changes: dict[str, Any]) -> None:
    assert isinstance(read("pull_request_review", Node(review(**changes))), Ignored)
    comment = {"action": "created", "comment": said(**changes), "pull_request": PULL}
    heard = isinstance(read("pull_request_review_comment", Node(comment)), Spoken)
    assert heard == ("state" in changes), "a comment has no state"


@pytest.mark.parametrize("conclusion", ["success", "neutral", "cancelled", "skipped", "stale", "action_required"])
def test_checks_that_did_not_fail_start_nothing(conclusion: str) -> None:
    assert isinstance(read("check_run", Node(check(conclusion=conclusion))), Ignored)


def test_a_failing_check_carries_its_words_and_its_commit() -> None:
    output = {"title": "2 failed", "summary": "test_price", "text": None}
    found = read("check_run", Node(check(output=output)))
    assert isinstance(found, Failing)
    assert (found.repo_url, found.branch, found.sha) == ("https://github.com/acme/shop", "b", "a" * 40)
    assert (found.remark.author, found.remark.body) == ("unit", "2 failed\ntest_price")


def test_a_failing_suite_is_one_remark() -> None:
    suite = {"conclusion": "timed_out", "head_branch": "b", "head_sha": "c" * 40, "app": {"name": "CI"}}
    found = read("check_suite", Node({"action": "completed", "check_suite": suite}))
    assert isinstance(found, Failing)
    assert (found.branch, found.remark.author, found.remark.body) == ("b", "CI", "It ended as timed_out.")


@pytest.mark.parametrize("name", ["pull_request", "pull_request_review", "check_run"])
def test_other_actions_start_nothing(name: str) -> None:
    assert isinstance(read(name, Node({"action": "synchronize"})), Ignored)


def test_what_is_no_event_is_malformed() -> None:
    with pytest.raises(Malformed):
        read("pull_request_review", Node({"action": "submitted", "review": "no"}))
