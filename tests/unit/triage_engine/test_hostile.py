"""Reports are written by strangers."""

from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from services.triage.engine import Engine, Report
from services.triage.engine.describe import Evidence, describe
from services.triage.engine.text import line_key, plain, tokens
from services.triage.engine.trace import parse, split_body

NASTY = [
    "", "\x00", "\ud800\udfff", "a" * 60_000, "{" * 5_000, "\n" * 5_000, "at " * 3_000,
    "١٢٣ 中文字符 😀", "%s %n ../..", "at a.b(\n" * 900,
]  # fmt: skip
ANY = st.text(alphabet=st.characters(), max_size=400) | st.sampled_from(NASTY)
DATES = st.none() | st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30))
ENGINE = Engine()
COUNT = iter(range(10**9))


@given(title=ANY, body=ANY, trace=st.none() | ANY, moment=DATES)
@settings(max_examples=60, deadline=None)
def test_any_text_gets_a_cluster(title: str, body: str, trace: str | None, moment: datetime | None) -> None:
    item = f"r{next(COUNT)}"
    placed = ENGINE.assign(Report(id=item, title=title, body=body, stacktrace=trace, created_at=moment))
    assert placed.cluster_id == ENGINE.cluster_of(item)
    assert 0.0 <= placed.score <= 1.0
    back = Engine.restore([(Report(id=item), placed.cluster_id, ENGINE.last_memo())])
    assert back.cluster_of(item) == placed.cluster_id


@given(text=ANY)
@settings(max_examples=60, deadline=None)
def test_any_text_is_taken_apart(text: str) -> None:
    clean = plain(text)
    clean.encode("utf-8")
    assert "\x00" not in clean
    assert len(tokens(clean)) <= 1_200
    assert 0 <= line_key(text) < 2**32
    assert len(parse(clean).frames) <= 60
    split_body(clean)


@given(title=ANY, body=ANY)
@settings(max_examples=40, deadline=None)
def test_any_text_is_described_in_bounds(title: str, body: str) -> None:
    found = describe([Evidence(id="a", title=title, body=body), Evidence(id="b", title=body, body=title)])
    assert 0 < len(found.title) <= 120
    assert len(found.summary) < 600
    found.summary.encode("utf-8")


def test_a_megabyte_report_costs_no_more_than_a_long_one() -> None:
    engine = Engine()
    placed = engine.assign(
        Report(id="big", title="x" * 1_000_000, body="word " * 400_000, stacktrace="at a.b\n" * 200_000)
    )
    assert placed.new
    assert len(engine.last_memo()) < 100_000
