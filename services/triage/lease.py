"""One writer: the instance that holds the lease row. Every write transaction checks it, so a zombie writes nothing."""

import os
import socket
from datetime import UTC, datetime, timedelta
from typing import Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.triage.database import Database
from services.triage.tables import leases

NAME: Final = "writer"
SECONDS: Final = 5.0
RENEW_SECONDS: Final = 1.0


class LeaseLost(Exception):
    """Another instance writes now: this one stops and waits its turn."""


class Lease:
    """``holder`` names this instance."""

    def __init__(self, database: Database, holder: str) -> None:
        self._database, self.holder = database, holder
        self._host, self._pid = socket.gethostname(), os.getpid()

    async def acquire(self) -> bool:
        """Take or renew the lease; False when a live instance holds it."""
        now = datetime.now(UTC)
        mine = {"holder": self.holder, "host": self._host, "pid": self._pid, "until": now + timedelta(seconds=SECONDS)}
        async with self._database.write(guarded=False) as connection:
            found = (await connection.execute(sa.select(leases).where(leases.c.name == NAME))).mappings().first()
            if found is None:
                await connection.execute(sa.insert(leases).values(name=NAME, **mine))
                return True
            if (
                found["holder"] != self.holder
                and found["until"] > now
                and not self._is_dead(found["host"], found["pid"])
            ):
                return False
            taken = await connection.execute(
                sa.update(leases).where(leases.c.name == NAME, leases.c.holder == found["holder"]).values(**mine)
            )
            return taken.rowcount == 1

    def _is_dead(self, host: str, pid: int) -> bool:
        """Whether the holder was a process of this machine that is gone: then a restart need not wait."""
        if host != self._host:
            return False
        if pid == self._pid:  # our own number: an earlier process of a container
            return True
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False

    async def guard(self, connection: AsyncConnection) -> None:
        """Raise LeaseLost unless the lease is still ours; locks the row until the transaction ends."""
        statement = sa.select(leases.c.holder).where(leases.c.name == NAME).with_for_update(read=True)
        holder = (await connection.execute(statement)).scalar_one_or_none()
        if holder != self.holder:
            raise LeaseLost(f"instance {holder} writes now")

    async def release(self) -> None:
        """Let the next instance go on at once."""
        async with self._database.write(guarded=False) as connection:
            await connection.execute(sa.delete(leases).where(leases.c.name == NAME, leases.c.holder == self.holder))
