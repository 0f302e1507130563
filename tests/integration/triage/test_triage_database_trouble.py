"""A database that is locked or restarted delays reports and answers 503; nothing is lost, nothing half stored."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from schemas import subjects
from schemas.triage import CallFailed
from services.triage.database import Database, driver_url
from tests.integration.triage.conftest import DATABASES
from tests.integration.triage.postgres import Postgres
from tests.integration.triage.stack import Stack, all_of, report, running
from tests.support.eventually import eventually


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_locked_sqlite_file_answers_503_and_reports_wait_in_the_stream(stack: Stack, tmp_path: Path) -> None:
    await stack.send(report("a1", "Before the lock"))
    (item,) = await stack.stored(1)
    lock = sqlite3.connect(tmp_path / "triage.db", isolation_level=None, check_same_thread=False)
    try:
        await asyncio.to_thread(lock.execute, "BEGIN EXCLUSIVE")  # triage works in this very loop
        await stack.send(report("a2", "During the lock, about another matter"))
        with pytest.raises(CallFailed) as caught:
            await stack.call("cluster_edit", id=item.cluster_id, changes={"title": "Locked"})
        assert (caught.value.error.status, caught.value.error.retry_after) == (503, 1.0)
        assert (await stack.call("stats")).total_feedback == 1
        lock.execute("ROLLBACK")
    finally:
        lock.close()
    await stack.stored(2)
    assert (await stack.call("cluster_get", id=item.cluster_id)).title == "Before the lock"


@pytest.mark.parametrize("database_url", [name for name in DATABASES if name == "postgresql"], indirect=True)
async def test_a_postgresql_restarted_again_and_again_loses_nothing(idle: Stack, postgres_server: Postgres) -> None:
    async def all_there(count: int) -> None:
        try:
            stats = await idle.call("stats", timeout=1)
        except Exception as error:  # 503 while the server starts
            raise AssertionError(str(error)) from error
        assert stats.total_feedback == count

    async with running(idle):
        for turn in range(1, 6):
            await idle.send(*(report(f"{turn}x{n}", f"Trouble {n}", fingerprint=str(n % 5)) for n in range(40)))
            await asyncio.to_thread(postgres_server.restart)
            await eventually(partial(all_there, turn * 40), within=30)
        assert sum(cluster.count for cluster in await idle.clusters()) == 200
        assert await all_of(idle.bus, subjects.DEAD, "dead.>") == []


def test_database_addresses_are_read_with_or_without_a_driver() -> None:
    assert driver_url("sqlite+aiosqlite:////x/t.db") == driver_url("sqlite:////x/t.db") == "sqlite+aiosqlite:////x/t.db"
    assert driver_url("postgres://h/d") == driver_url("postgresql://h/d") == "postgresql+asyncpg://h/d"
    with pytest.raises(ValueError, match="DATABASE_URL"):
        driver_url("mysql://h/d")


async def test_a_database_of_the_first_revision_is_brought_up_to_date_with_all_it_holds(idle: Stack) -> None:
    async with running(idle):
        await idle.send(report("a1", "Kept across the change", fingerprint="A"))
        await idle.stored(1)
    database = Database(idle.database_url)
    async with database.write(guarded=False) as connection:
        for column in ("proposals.kind", "proposals.groups", "clusters.proposals_open", "clusters.worded"):
            table, _, name = column.partition(".")
            await connection.execute(sa.text(f"ALTER TABLE {table} DROP COLUMN {name}"))
        await connection.execute(sa.text("DROP INDEX feedback_by_fingerprint"))
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '0001'"))
    await database.close()
    async with running(idle):
        await idle.send(report("a2", "Kept across the change", fingerprint="A"))
        items = await idle.stored(2)
        assert items[0].cluster_id == items[1].cluster_id
        view = await idle.call("cluster_get", id=items[0].cluster_id)
        assert (view.count, view.proposals_open, view.proposals, view.worded_by) == (2, 0, [], None)
