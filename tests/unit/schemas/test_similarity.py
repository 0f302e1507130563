"""Which fixes are about the same work."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.base import encode
from schemas.clusters import Cluster, ClusterStatus, Evidence
from schemas.feedback import Frame
from schemas.similarity import Footprint, OpenWork, changed_files, marks_of, reason, refusal, still_open

NOW = datetime(2026, 11, 23, tzinfo=UTC)
REPO = "https://github.com/acme/shop"


def work(job: str = "j1", **values: Any) -> Footprint:
    given: dict[str, Any] = {"job_id": job, "cluster_id": f"c-{job}", "project_id": "p", "repo_url": REPO}
    return Footprint(**{**given, **values})


def cluster(*evidence: Evidence, status: ClusterStatus = "new") -> Cluster:
    return Cluster(
        id="c1",
        project_id="p",
        revision=1,
        title="t",
        count=1,
        status=status,
        created_at=NOW,
        updated_at=NOW,
        evidence=list(evidence),
    )


def crash(name: str, file: str = "/srv/shop/pricing.py", **values: Any) -> Evidence:
    frames = [Frame(file=file, function="parse", in_app=True), Frame(file="json/decoder.py", in_app=False)]
    given: dict[str, Any] = {"feedback_id": name, "source": "sentry", "title": "t", "exception_type": "KeyError"}
    return Evidence(**{**given, "frames": frames, **values})


def test_a_pull_request_that_changed_one_of_the_first_files_is_similar() -> None:
    mine = work("new", files=["a.py", "b.py", "c.py"])
    assert reason(mine, work(files=["z.py", "c.py"], pr_url="u")) == ("it changes c.py, which this plan names as well")
    assert reason(mine, work(files=["z.py"], pr_url="u")) is None


def test_two_running_jobs_are_similar_only_when_a_best_file_is_shared() -> None:
    mine = work("new", files=["a.py", "b.py", "hub.py"])
    assert reason(mine, work(files=["x.py", "y.py", "hub.py"])) is None
    assert "a.py" in (reason(mine, work(files=["x.py", "y.py", "a.py"])) or "")
    assert "hub.py" in (reason(mine, work(files=["hub.py"])) or "")


def test_files_of_another_repository_are_other_files_and_spellings_of_one_are_not() -> None:
    mine = work("new", files=["a.py"])
    assert reason(mine, work(files=["a.py"], repo_url="https://github.com/acme/site")) is None
    assert reason(mine, work(files=["a.py"], repo_url="https://github.com/Acme/shop.git")) is not None


def test_the_same_crash_page_or_report_is_similar_wherever_it_is() -> None:
    page = "https://sentry.io/organizations/acme/issues/5/"
    for first, second in (
        (crash("f1"), crash("f2", "C:\\app\\shop\\pricing.py")),
        (crash("f1", "a/b.py", url=page), crash("f2", "c/d.py", url=page)),
        (crash("f1", "a/b.py"), crash("f1", "c/d.py")),
    ):
        mine, other = work("new", marks=marks_of(cluster(first))), work(marks=marks_of(cluster(second)))
        assert reason(mine, other) is not None, (mine.marks, other.marks)


def test_the_same_exception_at_another_place_is_another_crash() -> None:
    mine = work("new", marks=marks_of(cluster(crash("f1"))))
    assert reason(mine, work(marks=marks_of(cluster(crash("f2", "/srv/shop/cart.py"))))) is None
    libraries = crash("f3", exception_type="KeyError", frames=[Frame(file="json/decoder.py", function="parse")])
    assert [mark for mark in marks_of(cluster(libraries)) if mark.startswith("crash")] == []


def test_tests_documents_and_lock_files_do_not_tell_work_apart() -> None:
    changed = ["shop/cart.py", "tests/test_cart.py", "CHANGELOG.md", "uv.lock", "web/cart.spec.ts", "docs/index.html"]
    assert changed_files(changed) == ["shop/cart.py"]


def test_a_pull_request_is_open_while_its_cluster_says_so() -> None:
    said = {status: still_open(encode(cluster(status=status))) for status in ("fixing", "pr_opened", "resolved", "new")}
    assert said == {"fixing": True, "pr_opened": True, "resolved": False, "new": False}
    assert still_open(None) is False


def test_open_work_is_found_until_it_is_dropped_and_never_finds_itself() -> None:
    known = OpenWork()
    known.put(work("j1", files=["a.py"]))
    known.put(work("j2", files=["a.py"], project_id="other"))
    mine = work("j3", files=["a.py"])
    known.put(mine)
    assert [one.job_id for one in known.like(mine)] == ["j1"]
    known.put(work("j1", files=["b.py"], pr_url="u"))
    assert known.like(mine) == []
    known.put(work("j1", files=["a.py"], pr_url="u"))
    assert known.like(mine)[0].pr_url == "u"
    known.drop("j1")
    assert known.like(mine) == []


def test_a_refusal_names_the_first_three_and_counts_the_rest() -> None:
    known = OpenWork()
    for n in range(5):
        known.put(work(f"j{n}", files=["a.py"]))
    text = refusal(known.like(work("new", files=["a.py"])))
    assert text.startswith("Similar work is open: job j4 (running): it is expected to change a.py")
    assert text.endswith("and 2 more.")


footprints = st.builds(
    lambda job, cluster, files, marks, pr: Footprint(
        job_id=f"j{job}", cluster_id=f"c{cluster}", project_id="p", files=files, marks=marks, pr_url=pr
    ),
    st.integers(0, 9),
    st.integers(0, 4),
    st.lists(st.sampled_from("abcde"), unique=True, max_size=3),
    st.lists(st.sampled_from("xyz"), unique=True, max_size=2),
    st.sampled_from([None, "u"]),
)


@given(st.lists(footprints, max_size=30), footprints)
def test_the_index_finds_exactly_what_comparing_with_everything_finds(found: list[Footprint], mine: Footprint) -> None:
    known, plain = OpenWork(), {}
    for one in found:
        known.put(one)
        plain[one.job_id] = one
    expected = {job for job, other in plain.items() if job != mine.job_id and reason(mine, other)}
    assert {one.job_id for one in known.like(mine)} == expected
