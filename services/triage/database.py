"""One database behind one class: SQLite file (WAL) or PostgreSQL, migrated at start, written by one instance only."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

MIGRATION_LOCK: Final = 7_310_233_917  # key of PostgreSQL's advisory lock around migrations
BUSY_SECONDS: Final = 3.0
# SQLSTATE: connection lost (08), rolled back for another (40), out of resources (53), stopping or starting (57P).
_DOWN: Final = ("08", "40", "53", "57P")
_DRIVERS: Final = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}

Dialect = Literal["sqlite", "postgresql"]
Guard = Callable[[AsyncConnection], Awaitable[None]]


class DatabaseDown(Exception):
    """The database is locked, restarting or out of reach: nothing was stored, try again."""


def driver_url(url: str) -> str:
    """The URL with our async driver; raises ValueError for a database we do not know."""
    scheme, found, rest = url.partition("://")
    if not found or scheme.split("+")[0] not in _DRIVERS:
        raise ValueError(f"DATABASE_URL must begin with sqlite:/// or postgresql://, got {scheme[:20]!r}")
    return f"{_DRIVERS[scheme.split('+')[0]]}://{rest}"


class Database:
    """Connections for reading and for writing. Every write transaction passes ``guard`` first (see ``lease``)."""

    def __init__(self, url: str) -> None:
        self.engine = _engine(driver_url(url))
        self.dialect: Dialect = "sqlite" if self.engine.dialect.name == "sqlite" else "postgresql"
        self.guard: Guard | None = None
        self._writing = self.engine.execution_options(write=True)

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """A snapshot; raises DatabaseDown."""
        with _down():
            async with self.engine.begin() as connection:
                yield connection

    @asynccontextmanager
    async def write(self, *, guarded: bool = True) -> AsyncIterator[AsyncConnection]:
        """One transaction, committed at the end of the block; raises DatabaseDown, and what the guard raises."""
        with _down():
            async with self._writing.begin() as connection:
                if guarded and self.guard is not None:
                    await self.guard(connection)
                yield connection

    async def migrate(self) -> None:
        """Bring the schema to the newest revision, in one transaction, one instance at a time."""
        async with self.write(guarded=False) as connection:
            if self.dialect == "postgresql":
                await connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            await connection.run_sync(_upgrade)

    async def overwrite(self, connection: AsyncConnection) -> None:
        """What this connection deletes from now on is overwritten in SQLite's file, not just forgotten.

        PostgreSQL's own VACUUM does that in its time. The pragma stays with the connection, at a small cost.
        """
        if self.dialect == "sqlite":
            await connection.exec_driver_sql("PRAGMA secure_delete=ON")

    async def settle(self) -> None:
        """Rewrite the index of texts without what was deleted, and empty SQLite's write-ahead log into the file."""
        if self.dialect == "sqlite":
            async with self.write() as connection:
                await self.overwrite(connection)
                await connection.exec_driver_sql("INSERT INTO feedback_text(feedback_text) VALUES('optimize')")
            with _down():
                async with self.engine.connect() as connection:
                    driver: Any = (await connection.get_raw_connection()).driver_connection
                    await driver.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # outside of any transaction

    async def ping(self) -> None:
        """One real query."""
        async with self.read() as connection:
            await connection.execute(sa.text("SELECT 1"))

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


class _down:
    """Turns what means "not now" into DatabaseDown; other errors (a bug, a bad value) pass."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if is_down(error):
            raise DatabaseDown(f"the database does not answer: {error}") from error


def is_down(error: BaseException | None) -> bool:
    """Whether an error says that the database, not the statement, is the trouble."""
    if error is None:
        return False
    if isinstance(error, PoolTimeout | OSError | asyncio.TimeoutError):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if any(code.startswith(_DOWN) for code in _codes(error)):
        return True
    if isinstance(error, OperationalError | InterfaceError):
        said = str(error).lower()
        return not any(word in said for word in ("no such table", "no such column", "syntax error"))
    return "ConnectionDoesNotExistError" in {type(one).__name__ for one in _chain(error)}


def is_bad_value(error: BaseException) -> bool:
    """Whether a statement was refused for what a report holds: a value that the database or its driver can't take."""
    if any(code.startswith(("22", "23")) for code in _codes(error)):
        return True
    if any(
        isinstance(one, DataError | IntegrityError | ValueError | TypeError | OverflowError) for one in _chain(error)
    ):
        return True
    return isinstance(error, StatementError) and not isinstance(error, DBAPIError)


def _codes(error: BaseException) -> list[str]:
    """PostgreSQL's SQLSTATE codes in an error and its causes."""
    return [code for one in _chain(error) if isinstance(code := getattr(one, "sqlstate", None), str)]


def _chain(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and all(one is not known for known in found):
            found.append(one)
            waiting += [one.__cause__, getattr(one, "orig", None)]
    return found


def _engine(url: str) -> AsyncEngine:
    # Parameters hidden: what reports say must not end up in logs.
    if not url.startswith("sqlite"):
        return create_async_engine(
            url, pool_size=8, pool_pre_ping=True, connect_args={"timeout": 5}, hide_parameters=True
        )
    path = sa.make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(url, connect_args={"timeout": BUSY_SECONDS}, hide_parameters=True)
    sa.event.listen(engine.sync_engine, "connect", _prepare)
    sa.event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(connection: Any, record: Any) -> None:
    # sqlite3 would begin transactions by itself, late and never around DDL; we begin them ourselves.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={int(BUSY_SECONDS * 1000)}"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    # A deferred transaction that turns into a writer fails at once when another one wrote: writers begin as such.
    writes = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _upgrade(connection: sa.Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
