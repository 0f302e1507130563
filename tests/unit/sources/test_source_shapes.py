"""What becomes of each source's documented payload."""

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.feedback import FeedbackItem
from sources import TABLE, Filtered, Malformed
from tests.unit.sources import payloads

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def read(source: str, payload: Any, **settings: Any) -> FeedbackItem:
    (found,) = TABLE[source].normalise(payload, project_id="shop", received_at=NOW, settings=settings)
    return found


def changed(payload: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A deep copy with dotted paths (written with ``__``) set."""
    found = copy.deepcopy(payload)
    for path, value in changes.items():
        *parents, last = path.split("__")
        holder = found
        for key in parents:
            holder = holder[key]
        holder[last] = value
    return found


def test_a_sentry_event_keeps_its_chain_with_the_root_causes_innermost_frame_last() -> None:
    found = read("sentry", payloads.SENTRY_ALERT)
    assert found.title == "ZeroDivisionError: division by zero"
    assert [(frame.file, frame.line) for frame in found.frames] == [
        ("shop/app.py", 7),
        ("shop/cart.py", 31),
        ("shop/rates.py", 12),
    ]
    assert (found.exception_type, found.level, found.environment) == ("ZeroDivisionError", "error", "production")
    assert (found.release, found.fingerprint) == ("shop@2.4.1", "1117540176")
    assert found.created_at == datetime(2026, 11, 20, 21, 6, 17, 677000, tzinfo=UTC)
    assert found.metadata["tags"]["browser"] == "Firefox 140"
    assert found.stacktrace is not None
    assert "shop/cart.py:31 in total" in found.stacktrace


def test_sentrys_three_resources_of_one_issue_share_their_fingerprint() -> None:
    found = [read("sentry", payload) for payload in payloads.ALL["sentry"]]
    assert {item.fingerprint for item in found} == {"1117540176"}
    assert found[0].id == found[1].id != found[2].id


@pytest.mark.parametrize("key", ["shortId", "short_id"])
def test_a_sentry_issue_is_known_by_its_short_id_however_spelled(key: str) -> None:
    payload = copy.deepcopy(payloads.SENTRY_ISSUE)
    payload["data"]["issue"][key] = payload["data"]["issue"].pop("shortId")
    found = read("sentry", payload)
    assert found.external_id == "SHOP-1Z"
    assert "ZeroDivisionError: division by zero" in found.body
    assert "shop.cart in total" in found.body


def test_the_older_sentry_plugin_shape_is_read() -> None:
    payload = {
        "id": "27379932",
        "project": "shop",
        "message": "This is an example",
        "culprit": "raven.scripts.runner in main",
        "level": "error",
        "url": "https://app.getsentry.com/acme/shop/group/27379932/",
        "event": {
            "event_id": "aa",
            "received": 1795208777.5,
            "tags": [["level", "error"]],
            "logentry": {"formatted": "x"},
        },
    }
    found = read("sentry", payload)
    assert (found.external_id, found.metadata["url"]) == ("aa", payload["url"])


@pytest.mark.parametrize("value", [None, {}, {"values": None}, {"values": []}, {"values": [None]}])
def test_a_sentry_event_without_exception_is_still_a_report(value: Any) -> None:
    found = read("sentry", changed(payloads.SENTRY_ALERT, data__event__exception=value))
    assert found.frames == []
    assert found.title == "ZeroDivisionError: division by zero"


def test_sentry_filters_are_applied() -> None:
    assert read("sentry", payloads.SENTRY_ALERT, levels=["error"], environments=["production"])
    assert read("sentry", payloads.SENTRY_ALERT, levels=[], environments=None)
    with pytest.raises(Filtered, match="level"):
        read("sentry", payloads.SENTRY_ALERT, levels=["fatal"])
    with pytest.raises(Filtered, match="environment"):
        read("sentry", payloads.SENTRY_ALERT, environments=["staging"])


def test_a_sentry_issue_resolved_there_is_an_update_that_closes() -> None:
    found = read("sentry", changed(payloads.SENTRY_ISSUE, action="resolved"))
    assert (found.event, found.status) == ("updated", "closed")
    with pytest.raises(Filtered):
        read("sentry", changed(payloads.SENTRY_ISSUE, action="assigned"))


@pytest.mark.parametrize("date", ["1795208777000", 1795208777000, 1795208777, "2026-11-20T21:06:17Z"])
def test_datadog_dates_are_milliseconds_seconds_or_iso(date: Any) -> None:
    found = read("datadog", changed(payloads.DATADOG, date=date))
    assert found.created_at == datetime(2026, 11, 20, 21, 6, 17, tzinfo=UTC)


def test_a_datadog_alert_repeated_within_the_hour_is_one_report() -> None:
    first = read("datadog", payloads.DATADOG)
    again = read("datadog", changed(payloads.DATADOG, date=1795208777000 + 60_000))
    later = read("datadog", changed(payloads.DATADOG, date=1795208777000 + 3_600_000))
    assert first.id == again.id != later.id


def test_a_datadog_template_with_other_key_names_is_read() -> None:
    found = read("datadog", {"EVENT_TITLE": "Too slow", "EVENT_MSG": "p99 is 9 s", "ALERT_ID": 5, "TAGS": "env:dev"})
    assert (found.title, found.body, found.fingerprint, found.environment) == ("Too slow", "p99 is 9 s", "5", "dev")


def test_datadog_monitors_filter_by_id_name_or_tag_and_an_empty_list_lets_nothing_through() -> None:
    for monitors in (None, ["*"], ["889911"], [payloads.DATADOG["title"]], ["service:cart"]):
        assert read("datadog", payloads.DATADOG, monitors=monitors)
    for monitors in ([], ["other"]):
        with pytest.raises(Filtered):
            read("datadog", payloads.DATADOG, monitors=monitors)


def test_a_datadog_recovery_is_no_report() -> None:
    with pytest.raises(Filtered, match="recovered"):
        read("datadog", changed(payloads.DATADOG, alert_transition="Recovered"))


def test_a_splunk_alert_carries_its_event_and_search() -> None:
    found = read("splunk", payloads.SPLUNK, searches=["Cart errors"])
    assert found.title == "[Splunk] Cart errors"
    assert found.exception_type == "ValueError"
    assert found.created_at == datetime(2026, 11, 20, 21, 6, 17, 677000, tzinfo=UTC)
    for searches in ([], ["other"]):
        with pytest.raises(Filtered):
            read("splunk", payloads.SPLUNK, searches=searches)


def test_two_results_of_one_splunk_search_are_two_reports_and_a_repeat_is_one() -> None:
    first = read("splunk", payloads.SPLUNK)
    other = read("splunk", changed(payloads.SPLUNK, result__host="web-4"))
    assert first.id == read("splunk", payloads.SPLUNK).id != other.id


def test_a_splunk_result_may_hold_lists_and_times_in_any_format() -> None:
    result = {"_raw": ["ValueError: rate", "in cart"], "host": ["a", "b"], "_time": "20/11/26 9:06 pm"}
    found = read("splunk", {**payloads.SPLUNK, "result": result})
    assert (found.body, found.metadata["host"], found.created_at) == ("ValueError: rate\nin cart", "a\nb", NOW)


def test_posthogs_older_exception_properties_become_frames_innermost_last() -> None:
    found = read("posthog", payloads.POSTHOG)
    assert found.title == "TypeError: cart.total is not a function"
    assert [frame.function for frame in found.frames] == ["HTMLButtonElement.click", "pay"]
    assert "Page: https://shop.example.net/cart" in found.body


def test_posthogs_exception_list_is_read_and_its_issue_groups() -> None:
    properties = {
        "$exception_issue_id": "iss-1",
        "$exception_list": [
            {"type": "RangeError", "value": "x", "stacktrace": {"frames": [{"filename": "a.js", "lineno": 3}]}}
        ],
    }
    payload = {
        "event": {"event": "$exception", "uuid": "u", "timestamp": "2026-11-20T21:06:17Z", "properties": properties}
    }
    found = read("posthog", payload)
    assert (found.fingerprint, found.exception_type, found.frames[0].file) == ("iss-1", "RangeError", "a.js")


def test_posthog_event_types_are_applied() -> None:
    assert read("posthog", payloads.POSTHOG, event_types=["$exception"])
    with pytest.raises(Filtered):
        read("posthog", payloads.POSTHOG, event_types=["$pageview"])


def test_a_github_issue_brings_its_repository_trace_and_number() -> None:
    found = read("github", payloads.GITHUB)
    assert (found.repo, found.github_issue_number, found.fingerprint) == ("acme/shop", 17, "acme/shop#17")
    assert (found.exception_type, found.frames[-1].function) == ("ZeroDivisionError", "total")
    assert (found.event, found.status, found.trust) == ("created", "open", "authenticated")


def test_github_closing_and_reopening_change_the_status_of_the_same_report() -> None:
    first = read("github", payloads.GITHUB)
    closed = read("github", changed(payloads.GITHUB, action="closed", issue__state="closed"))
    reopened = read("github", changed(payloads.GITHUB, action="reopened"))
    assert first.id == closed.id == reopened.id
    assert [item.status for item in (closed, reopened)] == ["closed", "open"]
    assert {item.event for item in (closed, reopened)} == {"updated"}


def test_a_github_comment_is_its_own_report_in_its_issues_group() -> None:
    found = read("github", payloads.GITHUB_COMMENT)
    assert (found.external_id, found.fingerprint, found.trust) == ("comment-77", "acme/shop#17", "staff")
    assert found.status == "open"


def test_thanks_under_a_closed_issue_open_nothing_again() -> None:
    assert read("github", changed(payloads.GITHUB_COMMENT, issue__state="closed")).status == "closed"


def test_github_pull_requests_pings_and_other_repositories_are_no_reports() -> None:
    pull = changed(payloads.GITHUB, issue__pull_request={"url": "x"})
    for payload in (pull, {"zen": "Design for failure.", "hook_id": 1}, {"pull_request": {}, "action": "opened"}):
        with pytest.raises(Filtered):
            read("github", payload)
    with pytest.raises(Filtered, match="acme/shop"):
        read("github", payloads.GITHUB, repos=["acme/other"])


def test_a_reddit_post_is_the_same_report_by_listing_and_by_ingest() -> None:
    listed = read("reddit", payloads.REDDIT)
    given = read("reddit", {"external_id": "1abcde", "title": "Checkout shows a blank page", "body": ""})
    assert listed.id == given.id
    assert (listed.repo, listed.metadata["subreddit"]) == ("acme/shop", "acmeshop")


def test_manual_feedback_needs_words() -> None:
    assert read("manual", payloads.MANUAL).title == "The cart total is wrong"
    for text in ("", "  \n", None, 5, ["x"]):
        with pytest.raises(Malformed) as caught:
            read("manual", {"text": text})
        assert caught.value.field == "text"


def test_manual_feedback_takes_a_repository_by_address_and_never_invents_one() -> None:
    assert read("manual", {"text": "x", "github_repo_url": "https://github.com/acme/shop"}).repo == "acme/shop"
    assert (
        read("manual", {"text": "x", "github_repo_url": "file:///srv/shop.git"}).github_repo_url
        == "file:///srv/shop.git"
    )
    assert read("manual", {"text": "x"}).github_repo_url is None
    with pytest.raises(Malformed, match="github_repo_url"):
        read("manual", {"text": "x", "github_repo_url": "shop"})


@pytest.mark.parametrize("source", sorted(TABLE))
def test_a_disabled_source_is_filtered(source: str) -> None:
    with pytest.raises(Filtered, match="disabled"):
        read(source, payloads.ALL[source][0], enabled=False)


@pytest.mark.parametrize("source", sorted(TABLE))
def test_reports_of_two_projects_never_share_an_id(source: str) -> None:
    payload = payloads.ALL[source][0]
    (one,) = TABLE[source].normalise(payload, project_id="one", received_at=NOW, settings={})
    (two,) = TABLE[source].normalise(payload, project_id="two", received_at=NOW, settings={})
    assert one.id != two.id


@pytest.mark.parametrize("source", sorted(TABLE))
def test_no_user_is_kept_in_the_clear(source: str) -> None:
    for payload in payloads.ALL[source]:
        found = read(source, payload)
        assert found.user is None or (len(found.user) == 26 and "@" not in found.user)


def test_a_date_from_the_future_counts_as_now() -> None:
    assert read("datadog", changed(payloads.DATADOG, date="2090-01-01T00:00:00Z")).created_at == NOW
