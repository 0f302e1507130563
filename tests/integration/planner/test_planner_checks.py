"""Whether a plan still stands: asked of a real planner about a repository that moves on."""

from pathlib import Path
from typing import Any

from messaging.connection import NatsBus
from schemas.plans import PlanRequest
from tests.integration.planner.desk import Desk, cluster, commit, planner, shop, wish
from tests.integration.planner.test_planner_versions import edit
from tests.support.nats_server import NatsServer


def check(version: int | None = None, **values: Any) -> PlanRequest:
    return wish(None, cluster=cluster(), action="check", expected_version=version, **values)


def stale_notes(notes: list[str]) -> list[str]:
    return [note for note in notes if note.startswith("Stale: ")]


async def test_a_check_says_which_files_changed_and_takes_it_back_when_they_are_as_before(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    repo, desk = shop(tmp_path / "shop"), Desk(bus)
    before = (repo / "shop/pricing.py").read_text()
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(repo))
        made = await desk.plan()
        fresh = await desk.ask(check(1))
        commit(repo, {"shop/pricing.py": "def parse_price(text):\n    return 0\n"}, "Prices are free")
        stale = await desk.ask(check(1))
        noted = await desk.plan()
        commit(repo, {"shop/pricing.py": before}, "Prices are not free")
        again = await desk.ask(check(1))
        clean = await desk.plan()
    assert (fresh.status, fresh.stale, stale.stale, again.stale) == ("done", False, True, False)
    assert "shop/pricing.py" in stale.note
    assert len(stale_notes(noted.notes)) == 1
    assert stale_notes(clean.notes) == []
    assert noted.stale is not None
    assert (noted.stale.files, clean.stale) == (["shop/pricing.py"], None)
    assert made.checked_at is not None
    assert clean.checked_at is not None
    assert clean.checked_at > made.checked_at
    assert clean.version == 1


async def test_a_check_may_ask_for_the_plan_to_be_made_again_and_edits_stay(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    repo, desk = shop(tmp_path / "shop"), Desk(bus)
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(repo))
        await desk.ask(edit({"steps": ["Mine."]}, 1))
        unchanged = await desk.ask(check(2, reground=True))
        tip = commit(repo, {"shop/pricing.py": "def parse_price(text):\n    return 0\n"}, "Prices are free")
        outcome = await desk.ask(check(2, reground=True))
        plan = await desk.plan()
    assert (unchanged.version, unchanged.stale) == (2, False)
    assert (outcome.version, outcome.stale) == (3, True)
    assert "shop/pricing.py" in outcome.note
    assert (plan.base_commit, plan.steps, plan.author) == (tip, ["Mine."], "planner")
    assert "base_commit" in plan.changed_fields
    assert tip in plan.diff
    assert stale_notes(plan.notes) == []


async def test_a_repository_out_of_reach_is_said_and_refuses_nothing(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    repo, desk = shop(tmp_path / "shop"), Desk(bus)
    async with planner(tmp_path, nats.url):
        await desk.ask(wish(repo))
        repo.rename(tmp_path / "elsewhere")
        outcome = await desk.ask(check(1, reground=True))
        plan = await desk.plan()
    assert (outcome.status, outcome.stale) == ("done", None)
    assert "could not be checked" in outcome.note
    assert "could not be checked" in stale_notes(plan.notes)[0]


async def test_a_check_of_a_plan_that_is_not_there_fails_with_the_reason(
    tmp_path: Path, nats: NatsServer, bus: NatsBus
) -> None:
    desk = Desk(bus)
    async with planner(tmp_path, nats.url):
        nothing = await desk.ask(check())
        await desk.ask(wish(shop(tmp_path / "shop")))
        unknown = await desk.ask(check(7))
    for outcome, words in ((nothing, "no plan"), (unknown, "no version 7")):
        assert outcome.status == "failed"
        assert outcome.failure is not None
        assert words in outcome.failure.reason
