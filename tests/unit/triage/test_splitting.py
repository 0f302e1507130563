"""When a split is advised, when it is proposed, and what people said about it."""

import pytest

from services.triage import cohesion, splitting
from services.triage.late import grown
from services.triage.splitting import Text

TAX = "invoice lacks its tax line vat amount missing"
LOGIN = "login redirect loops oauth callback state cookie"


def texts(*said: str, mark: str | None = None) -> list[Text]:
    return [Text(f"r{place}", cohesion.words(one, one), mark) for place, one in enumerate(said)]


def weight(held: list[Text]) -> dict[str, float]:
    return cohesion.rarity([text.words for text in held])


@pytest.mark.parametrize(
    ("before", "after", "looked_at"), [(0, 5, False), (5, 6, True), (6, 8, False), (8, 9, True), (9, 40, True)]
)
def test_a_growing_cluster_is_looked_at_now_and_then(before: int, after: int, looked_at: bool) -> None:
    assert splitting.due(before, after) is looked_at


def test_at_most_three_clusters_of_a_batch_are_looked_at_the_largest_first() -> None:
    rows = [{"cluster_id": f"c{number % 5}"} for number in range(50)]
    sizes = {f"c{number}": 10 + number for number in range(5)}
    assert grown(rows, sizes) == ["c4", "c3", "c2"]
    assert grown([{"cluster_id": "c1"}], {"c1": 11}) == []


def test_groups_without_a_common_word_are_proposed_largest_first() -> None:
    held = texts(TAX, LOGIN, TAX, LOGIN, TAX, LOGIN, TAX)
    found = splitting.proposed("c1", held, weight(held))
    assert found is not None
    assert found.groups == [["r0", "r2", "r4", "r6"], ["r1", "r3", "r5"]]
    assert "2 groups" in found.reason


def test_strays_and_reports_that_share_words_are_not_proposed() -> None:
    stray = texts(TAX, TAX, TAX, TAX, TAX, LOGIN)
    assert splitting.proposed("c1", stray, weight(stray)) is None
    alike = texts(*(f"{TAX} in the office" if n % 2 else f"{TAX} on the phone" for n in range(8)))
    assert splitting.proposed("c1", alike, weight(alike)) is None


def test_what_people_or_the_sender_keep_together_is_one_group() -> None:
    held = texts(TAX, LOGIN, TAX, LOGIN, TAX, LOGIN)
    kept = [("r0", "hub"), ("hub", "r1"), *(("r0", f"r{n}") for n in range(2, 6))]
    assert splitting.proposed("c1", held, weight(held), kept) is None
    assert len(splitting.judged("c1", held, weight(held)).groups) == 2
    grouped = texts(TAX, LOGIN, TAX, LOGIN, TAX, LOGIN, mark="sentry:7")
    assert splitting.proposed("c1", grouped, weight(grouped)) is None
