"""The collector's pure rules."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.projects import Project
from services.collector import model
from services.collector.feeds.http import told_wait
from services.collector.model import FeedKey

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FEED = FeedKey("p", "github", "acme/shop")


def project(**settings: Any) -> Project:
    return Project(id="p", name="P", user_id="u", created_at=NOW, settings=settings)


def feeds(made: Project, posthog: str = "") -> set[tuple[str, str]]:
    return {(wanted.feed.source, wanted.feed.name) for wanted in model.wanted(made, posthog)}


def test_a_projects_settings_say_what_is_polled_and_nonsense_is_left_out() -> None:
    made = project(
        github={"repos": ["acme/shop", "https://github.com/Acme/Shop.git", "nonsense", 5, "../../x"]},
        reddit={"subreddits": ["/r/AcmeShop", "acmeshop", "not a name"]},
    )
    assert feeds(made) == {("github", "acme/shop"), ("reddit", "acmeshop")}
    assert feeds(project(github={"repos": ["acme/shop"], "enabled": False})) == set()
    assert feeds(project(posthog={"poll": True}), "7") == {("posthog", "7")}
    assert feeds(project(posthog={"event_types": ["$exception"]}), "7") == set()
    assert feeds(project(), "7") == set()
    assert feeds(project(github="x", reddit={"subreddits": "x"})) == set()


def test_secrets_of_a_source_never_reach_a_feed() -> None:
    (wanted,) = model.wanted(project(github={"repos": ["a/b"], "sealed": [{"sealed": "x"}]}), "")
    assert "sealed" not in wanted.settings


def test_a_feed_is_due_at_first_then_on_schedule_or_when_asked_but_never_inside_a_limit() -> None:
    assert model.due(None, None, NOW)
    state = model.finished(model.claimed(None, FEED, "i", NOW, 20), NOW, 300)
    assert not model.due(state, None, NOW + timedelta(seconds=299))
    assert model.due(state, None, NOW + timedelta(seconds=300))
    assert model.due(state, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2))
    assert not model.due(state, NOW - timedelta(seconds=1), NOW + timedelta(seconds=2))
    limited = model.failed(state, "wait", NOW, 300, 900)
    assert not model.due(limited, NOW + timedelta(seconds=1), NOW + timedelta(seconds=899))
    assert model.due(limited, None, NOW + timedelta(seconds=900))


def test_trouble_doubles_the_pause_up_to_an_hour_and_a_good_poll_ends_it() -> None:
    state = model.claimed(None, FEED, "i", NOW, 20)
    pauses = []
    for _ in range(6):
        state = model.failed(state, "no answer", NOW, 300)
        assert state.next_at is not None
        pauses.append((state.next_at - NOW).total_seconds())
    assert pauses == [300, 600, 1200, 2400, 3600, 3600]
    good = model.finished(state, NOW, 300)
    assert (good.failures, good.last_error) == (0, None)


def test_a_claim_keeps_other_collectors_away_until_it_ends() -> None:
    state = model.claimed(None, FEED, "i", NOW, 20)
    assert not model.due(state, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2))
    assert model.due(state, None, NOW + timedelta(seconds=21))
    assert model.read_on(state, "c2", 7).cursor == "c2"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "Mon, 23 Nov 2026 12:05:00 GMT"}, 300),
        ({"Retry-After": "soon", "X-Ratelimit-Reset": "17.5"}, 17.5),
        ({"Retry-After": "soon"}, 60),
        ({}, 60),
    ],
)
def test_a_source_may_ask_to_wait_in_seconds_or_until_a_date(headers: dict[str, str], seconds: float) -> None:
    assert told_wait(headers, datetime(2026, 11, 23, 12, tzinfo=UTC)) == seconds
