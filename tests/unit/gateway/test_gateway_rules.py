"""The gateway's pure decisions."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.seal import Sealer, SealError
from runtime.settings import SettingsError, load
from schemas.projects import ApiKey, Project
from services.gateway import agent_jobs, auth, idempotency, pull_page, repositories, source_settings, sse
from services.gateway.handlers import config, ingest
from services.gateway.handlers.ops import project_in
from services.gateway.handlers.plans import version_of
from services.gateway.job_index import JobIndex, JobView, cursor_of, place_of
from services.gateway.limits import Rates, Seen
from services.gateway.positions import Position
from services.gateway.problems import Problem
from services.gateway.settings import Settings
from sources import TABLE

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/shop",
        "https://github.com/acme/shop.git",
        "git@github.com:acme/shop.git",
        "ssh://git@github.com/acme/shop.git",
        "https://git.example.com:8443/group/sub/repo",
    ],
)
def test_public_repositories_are_taken(url: str) -> None:
    assert repositories.check(url, local=False) == url


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c id",
        "--upload-pack=id",
        "file:///etc",
        "/etc",
        "https://user:pass@github.com/a/b",
        "https://token@github.com/a/b",
        "http://github.com/a/b",
        "https://127.0.0.1/a/b",
        "https://[::1]/a/b",
        "https://[::ffff:127.0.0.1]/a/b",
        "https://2130706433/a/b",
        "https://0x7f.1/a/b",
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/a/b",
        "https://localhost/a/b",
        "https://metadata.google.internal/a",
        "https://github.com",
        "https://github.com/a/b?x=1",
        "https://github.com:99999/a/b",
        "ftp://github.com/a/b",
        "javascript:alert(1)",
        "https://git hub.com/a/b",
        "https://github.com/a\nb",
        "C:\\repo",
        "",
    ],
)
def test_other_addresses_are_refused_with_a_reason(url: str) -> None:
    with pytest.raises(Problem) as caught:
        repositories.check(url, local=False)
    assert caught.value.status == 422


def test_local_repositories_are_taken_only_where_they_are_allowed() -> None:
    for url in ("/srv/repo", "file:///srv/repo", "http://127.0.0.1:3000/a/b.git"):
        assert repositories.check(url, local=True) == url
        with pytest.raises(Problem):
            repositories.check(url, local=False)
    for url in ("/srv/../etc", "file://elsewhere/srv/repo", "file:///srv/%2e%2e/etc", "http://github.com/a/b"):
        with pytest.raises(Problem):
            repositories.check(url, local=True)


@given(st.text(max_size=60))
def test_no_text_makes_the_repository_check_fail_otherwise(url: str) -> None:
    for local in (True, False):
        with contextlib.suppress(Problem):
            repositories.check(url, local=local)


def test_a_key_opens_only_while_it_is_not_revoked_or_expired() -> None:
    key = ApiKey(id="k", digest="d", project_id=None, role="viewer", created_at=NOW, expires_at=NOW)
    assert not auth.usable(key, NOW)
    assert auth.usable(key, NOW - timedelta(seconds=1))
    made, secret = auth.new_key()
    assert auth.key_id_of(secret) == made
    assert auth.digest(b"pepper", secret) != auth.digest(b"other", secret)
    assert all(auth.key_id_of(bad) is None for bad in ("", "sc_", "x_y_z", "sc_a.b_c", "sc_" + "a" * 40 + "_c"))


def test_sessions_end_for_idleness_and_in_the_end() -> None:
    from services.gateway.directory import Session

    session = Session(name="n", role="admin", created_at=NOW, seen_at=NOW)
    assert session.alive(NOW + timedelta(hours=11))
    assert not session.alive(NOW + timedelta(hours=13))
    busy = Session(name="n", role="admin", created_at=NOW, seen_at=NOW + timedelta(days=7))
    assert not busy.alive(NOW + timedelta(days=7, minutes=1))


def test_a_bucket_gives_its_burst_then_its_rate_and_each_name_has_its_own() -> None:
    rates = Rates(rate=2.0, burst=3)
    assert [rates.take("a", 0.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert rates.take("b", 0.0) == 0.0
    assert rates.take("a", 0.5) == 0.0
    assert rates.take("a", 0.5) == 0.5


def test_seen_forgets_the_oldest() -> None:
    seen = Seen(kept=2)
    for name in "abc":
        seen.add(name)
    assert [name in seen for name in "abc"] == [False, True, True]


def view(job_id: str, age: float = 0.0, **values: object) -> JobView:
    """A job as the index keeps it."""
    at = NOW - timedelta(seconds=age)
    fields: dict[str, object] = {
        "id": job_id,
        "project_id": "p",
        "cluster_id": "c",
        "created_at": at,
        "updated_at": at,
        **values,
    }
    return JobView(**fields)  # type: ignore[arg-type]


class NoBus:
    """The index needs a bucket only to run."""

    def state(self, bucket: str, type_: type) -> None:
        assert bucket == "jobs"
        assert type_ is JobView


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=40), st.integers(1, 7))
def test_pages_of_jobs_neither_skip_nor_repeat_whatever_arrives_between(jobs: list[tuple[int, int]], size: int) -> None:
    index = JobIndex(NoBus())  # type: ignore[arg-type]
    for age, number in jobs:
        index.learn(view(f"j{number}", age=float(age)))
    expected = [one.id for one in index.newest("p")]
    assert sorted(expected) == sorted({f"j{number}" for _, number in jobs})
    found: list[str] = []
    cursor: str | None = None
    for turn in range(len(expected) + 1):
        page, cursor = index.page("p", limit=size, after=place_of(cursor) if cursor else None)
        found += [one.id for one in page]
        index.learn(view(f"new{turn}", age=-1.0 - turn))
        if cursor is None:
            break
    assert [one for one in found if not one.startswith("new")] == expected


def test_a_cursor_survives_its_way_through_a_url_and_junk_does_not() -> None:
    one = view("job_1-x", age=0.123456)
    assert place_of(cursor_of(one)) == (-one.created_at.timestamp(), "job_1-x")
    for junk in ("", "x", "!!!!", "bm90IGEgbnVtYmVyfHg"):
        with pytest.raises(ValueError, match=r".+"):
            place_of(junk)


def test_only_cancelling_is_a_callers_step() -> None:
    statuses = ["pending", "running", "success", "failed", "cancelled", "needs_review"]
    for current in statuses:
        for wanted in statuses:
            step = agent_jobs.step(current, wanted)
            live = current in ("pending", "running")
            expected = "nothing" if current == wanted else "cancel" if live and wanted == "cancelled" else "refuse"
            assert step == expected


def test_positions_move_forward_only_and_read_back() -> None:
    here = Position(12, 40, 7)
    assert Position.parse(str(here)) == here
    assert here.at(jobs=3, plans=9) == Position(12, 40, 9)
    assert all(Position.parse(text) is None for text in ("", "j1", "j1-c2-p", "j1-c2-p3\n", "j-1-c2-p3"))


def test_an_event_is_one_event_whatever_its_data() -> None:
    assert sse.frame("log", b'{"a":\n1}\r\n', 7) == b'id: 7\nevent: log\ndata: {"a": 1}  \n\n'
    assert sse.frame("end", b"{}", None) == b"event: end\ndata: {}\n\n"


def test_a_secret_is_sealed_for_its_project_and_two_stay_active() -> None:
    sealer = Sealer(b"k" * 32)
    project = Project(id="p", name="P", user_id="u", created_at=NOW)
    for secret in ("first-secret-aa", "second-secret-bb", "third-secret-cc"):
        project = source_settings.with_secret(project, "sentry", secret, sealer)
    assert source_settings.opened(project, "sentry", sealer)["secrets"] == ["third-secret-cc", "second-secret-bb"]
    assert "secret-cc" not in str(source_settings.shown(project, "sentry"))
    stolen = Project(id="q", name="Q", user_id="u", created_at=NOW, settings=project.settings)
    with pytest.raises(SealError):
        source_settings.opened(stolen, "sentry", sealer)
    with pytest.raises(SealError):
        source_settings.opened(project, "sentry", None)


def test_a_door_left_open_refuses_to_start() -> None:
    base = {"HOST": "0.0.0.0"}
    for more, word in (
        ({}, "ADMIN_KEY"),
        ({"ADMIN_KEY": "x" * 20}, "SOULCASTER_SECRET_KEY"),
        ({"ADMIN_KEY": "short", "SOULCASTER_SECRET_KEY": "x"}, "shorter"),
    ):
        with pytest.raises(SettingsError, match=word):
            load(Settings, {**base, **more})
    assert load(Settings, {"HOST": "127.0.0.1"}).loopback
    assert not load(Settings, {**base, "ADMIN_KEY": "x" * 20, "SOULCASTER_SECRET_KEY": "x"}).allows_local_repositories


def test_small_readers_refuse_what_they_do_not_know() -> None:
    assert version_of('"v12"') == 12
    assert version_of('W/"v3"') == 3
    for bad in ('"x"', "v", "v-1", "v1e3"):
        with pytest.raises(Problem):
            version_of(bad)
    assert project_in("requests.fix.p.c") == "p"
    assert project_in("feedback.p.sentry") == "p"
    assert project_in("runners.sandbox_kilo.p.j") == "p"
    for bad in ("", "a\nb", "é", "x" * 256):
        with pytest.raises(Problem):
            idempotency.check_key(bad)
    assert idempotency.entry_key("p", "POST /a", "k") != idempotency.entry_key("p", "POST /b", "k")


def test_a_pull_request_page_holds_no_live_markup() -> None:
    hostile = "<script>x</script>\u202e\u200b"
    text = pull_page.render({"title": hostile, "body": hostile, "branch": hostile}, f"+{hostile}")
    assert "<script" not in text
    assert "\u202e" not in text


def test_a_source_that_is_only_a_line_in_the_table_has_a_webhook() -> None:
    (route,) = ingest.hooks(["toy"])
    assert (route.method, route.path, route.name, route.signed) == ("POST", "/ingest/toy/webhook", "ingest_toy", True)


def test_every_source_of_the_table_is_served_and_can_be_switched_and_proven() -> None:
    served = {route.path.split("/")[2] for route in ingest.ROUTES}
    assert served == set(TABLE) == set(config.SWITCHED)
    assert set(config.WITH_SECRET) == set(TABLE) - {"reddit", "manual"}
