"""Triage's pure rules."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.errors import Failure
from schemas.feedback import Frame
from schemas.jobs import JobEvent
from services.triage import cohesion, model
from services.triage.fulltext import words_of
from services.triage.rows import MESSAGE_BYTES, ClusterRow, EvidenceRow, Facts, cluster_message, report_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def row(**fields: Any) -> ClusterRow:
    return ClusterRow(**{"id": "c1", "project_id": "p", "created_at": NOW, "updated_at": NOW, **fields})


def evidence(n: int, title: str = "A title", **fields: Any) -> EvidenceRow:
    values: dict[str, Any] = {
        "cluster_id": "c1", "id": f"f{n}", "n": n, "source": "sentry", "title": title, "body": "", "frames": [],
        "exception_type": None, "trust": "public", "status": "open", "created_at": NOW, "github_issue_url": None,
        "metadata": {}, "environment": None, "release": None,
    }  # fmt: skip
    return EvidenceRow(**{**values, **fields})


def facts(*rows: EvidenceRow, **fields: Any) -> Facts:
    values: dict[str, Any] = {
        "count": len(rows), "open": len(rows), "users": 0, "first_seen": NOW, "last_seen": NOW, "sources": ["sentry"],
        "trusts": ["public"], "levels": {}, "repositories": {}, "evidence": list(rows),
    }  # fmt: skip
    return Facts(**{**values, **fields})


@pytest.mark.parametrize(
    ("levels", "users", "count", "expected"),
    [
        ({}, 0, 1, "medium"),
        ({"info": 3}, 0, 3, "low"),
        ({"info": 3, "error": 1}, 0, 4, "medium"),
        ({"error": 10}, 0, 10, "high"),
        ({"error": 100}, 60, 100, "critical"),
        ({"fatal": 1}, 0, 1, "critical"),
        ({"nonsense": 1}, 0, 1, "medium"),
    ],
)
def test_severity_grows_with_level_and_reach(levels: dict[str, int], users: int, count: int, expected: str) -> None:
    assert model.severity(levels, users, count) == expected


def test_the_trust_of_a_cluster_is_that_of_its_least_trusted_report() -> None:
    assert model.least_trusted(["staff", "authenticated"]) == "authenticated"
    assert model.least_trusted(["staff", "public", "authenticated"]) == "public"


def test_no_repository_is_ever_made_up() -> None:
    assert model.repository({}) is None
    assert model.refreshed(row(), facts(evidence(1)), NOW).github_repo_url is None


def test_a_title_is_what_most_reports_say_and_reports_with_an_exception_go_first() -> None:
    told = [evidence(1, "It broke!"), evidence(2, "KeyError: x", exception_type="KeyError"), evidence(3, "it BROKE")]
    assert model.title(told) == "KeyError: x"
    assert model.title([evidence(1, "One"), evidence(2, "It broke!"), evidence(3, "it broke")]) == "It broke!"


def test_a_summary_says_what_breaks_where_for_whom_since_when_and_how_often() -> None:
    frames = [Frame(file="lib/x.py", function="run", line=1), Frame(file="shop/cart.py", function="total", line=31)]
    frames = [frames[0], Frame(file="shop/cart.py", function="total", line=31, in_app=True)]
    one = evidence(
        1, "KeyError: rate", exception_type="KeyError", frames=frames, release="2.4.1", environment="production"
    )
    text = model.summary(facts(one, count=3, users=2, last_seen=datetime(2026, 11, 24, tzinfo=UTC)))
    for part in ("KeyError at shop/cart.py:31 in total", "3 reports from sentry", "since 2026-11-23 12:00 UTC",
                 "2 users affected", "release 2.4.1", "environment production"):  # fmt: skip
        assert part in text


def event(n: int, status: Any, job: str = "J1", **fields: Any) -> JobEvent:
    return JobEvent(n=n, job_id=job, project_id="p", cluster_id="c1", status=status, phase="done", attempt=1,
                    runner="r", at=NOW, **fields)  # fmt: skip


@pytest.mark.parametrize("status", ["running", "success", "failed", "cancelled", "needs_review"])
def test_a_follow_up_leaves_the_cluster_with_its_pull_request(status: str) -> None:
    held = row(status="pr_opened", job_id="J0", job_n=9, github_pr_url="https://x/pull/1")
    started = model.job_effect(held, event(1, "pending", follow_up_of="J0"))
    assert started is not None
    held.job_id, held.job_n = started.job_id, started.job_n
    told = event(2, status, follow_up_of="J0", failure=Failure(kind="no_changes", reason="nothing to do"))
    after = model.job_effect(held, told)
    assert after is not None
    assert (started.status, after.status, after.error, after.pr_url) == (
        "pr_opened",
        "pr_opened",
        None,
        held.github_pr_url,
    )


def test_a_job_moves_its_cluster_and_old_news_do_not() -> None:
    held = row(job_id="J1", job_n=3, status="fixing")
    assert model.job_effect(held, event(3, "failed")) is None
    assert model.job_effect(held, event(9, "failed", "J0")) is None
    failed = model.job_effect(held, event(4, "failed", failure=Failure(kind="agent", reason="it gave up")))
    assert failed is not None
    assert (failed.status, failed.error) == ("failed", "it gave up")
    cancelled = model.job_effect(held, event(4, "cancelled"))
    assert cancelled is not None
    assert (cancelled.status, cancelled.error) == ("new", None)
    waiting = model.job_effect(held, event(4, "needs_review"))
    assert waiting is not None
    assert "waits for your review" in (waiting.error or "")


def test_a_person_who_resolved_or_dismissed_meanwhile_is_not_overruled_by_the_running_job() -> None:
    held = row(job_id="J1", job_n=1, status="dismissed")
    done = model.job_effect(held, event(2, "success", pr_url="https://x/pull/1"))
    assert done is not None
    assert (done.status, done.pr_url) == ("dismissed", "https://x/pull/1")
    again = model.job_effect(held, event(1, "pending", "J2"))
    assert again is not None
    assert again.status == "fixing"


def test_a_cluster_message_fits_the_broker_whatever_its_reports_hold() -> None:
    frame = Frame(
        file="\U0001f600" * 300, function="\U0001f600" * 200, module="\U0001f600" * 200, code="\U0001f600" * 200
    )
    huge = [evidence(n, "\u00e9" * 300, body='"\\' * 30_000, frames=[frame] * 100) for n in range(20)]
    found = model.refreshed(row(), facts(*huge), NOW)
    assert len(cluster_message(found, facts(*huge))) <= MESSAGE_BYTES


def test_what_a_person_wrote_is_kept_and_the_rest_follows_the_reports() -> None:
    before = row(title="Ours", edited=["title"], revision=4)
    found = model.refreshed(before, facts(evidence(1, "Theirs"), repositories={"https://github.com/a/b": 2}), NOW)
    assert (found.title, found.revision, found.suggested_repo_url) == ("Ours", 5, "https://github.com/a/b")


def test_a_repository_that_reports_only_suggest_is_never_chosen() -> None:
    suggested = model.refreshed(row(), facts(evidence(1), repositories={"https://github.com/a/b": 2}), NOW)
    assert (suggested.suggested_repo_url, suggested.github_repo_url) == ("https://github.com/a/b", None)
    named = {"https://github.com/a/b": 1}
    chosen = model.refreshed(row(), facts(evidence(1), repositories=named, chosen=named), NOW)
    assert chosen.github_repo_url == "https://github.com/a/b"


def test_a_trace_that_is_part_of_the_body_is_compared_once() -> None:
    base = {"id": "x", "source": "s", "title": "t", "created_at": NOW, "fingerprint": None}
    both = report_of({**base, "body": "words\nTRACE", "stacktrace": "TRACE"})
    assert (both.body, both.stacktrace) == ("words\n", "TRACE")
    same = report_of({**base, "body": "TRACE", "stacktrace": "TRACE"})
    assert (same.body, same.stacktrace) == ("TRACE", None)


def test_average_linkage_finds_the_groups_that_are_there() -> None:
    texts = ["invoice tax line missing", "invoice lacks tax line", "login redirect loops", "redirect loop at login"]
    documents = [cohesion.words(text, "") for text in texts]
    weight = cohesion.rarity(documents)
    table = cohesion.similarities([cohesion.vector(document, weight) for document in documents])
    assert [sorted(group) for group in cohesion.groups(table)] == [[0, 1], [2, 3]]
    assert cohesion.mean_of_pairs(table[:1][:, :1]) == 1.0


def test_a_search_question_is_words_and_nothing_else() -> None:
    assert words_of('"; DROP TABLE x; -- *NEAR( Übung') == ["drop", "table", "x", "near", "übung"]
    assert words_of("*** ---") == []


def test_clusters_that_share_only_what_everybody_says_are_not_alike() -> None:
    said = {
        "printer": "Printer driver crashes when printing A5 labels since the last update",
        "login": "The login page loops after OAuth callback since the last update",
        "dark": "Dark mode text unreadable in tables since the last update",
        "again": "The printer driver crashes when printing labels, A5, since the last update",
    }
    found = cohesion.alike(cohesion.centres({name: [cohesion.words(text, text)] for name, text in said.items()}))
    assert [{one, other} for _, one, other in found] == [{"printer", "again"}]
    assert found[0][0] <= 1.0
