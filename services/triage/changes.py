"""One change to a project's clusters: everything it implies is written, told and published together or not at all."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from schemas import subjects
from services.triage import model
from services.triage.rows import ClusterRow, Facts, cluster_message
from services.triage.store import clusters, proposals, work

AUTOMATIC = "triage"


class Change:
    """Used inside one write transaction; ``finish`` writes rows, history and outbox, and answers the clusters."""

    def __init__(self, connection: AsyncConnection, project_id: str, now: datetime, actor: str = AUTOMATIC) -> None:
        self.connection, self.project_id, self.now, self.actor = connection, project_id, now, actor
        self.rows: dict[str, ClusterRow] = {}
        self._fresh: set[str] = set()
        self._history: list[dict[str, Any]] = []

    async def touch(self, ids: Iterable[str]) -> None:
        """Load clusters that the change concerns; unknown ids become new clusters."""
        wanted = [id_ for id_ in dict.fromkeys(ids) if id_ not in self.rows]
        found = await clusters.load(self.connection, self.project_id, wanted)
        for id_ in wanted:
            row = found.get(id_)
            if row is None:
                row = ClusterRow(id=id_, project_id=self.project_id, created_at=self.now, updated_at=self.now)
                self._fresh.add(id_)
            elif row.merged_into is not None:
                _revive(row)
            self.rows[id_] = row

    def note(self, cluster_id: str, kind: str, message: str, **more: Any) -> str:
        """Add to the cluster's history; the entry's id. ``more``: ``details``, ``reverse``, ``actor``."""
        actor = more.pop("actor", self.actor)
        entry = work.history_row(self.project_id, cluster_id, kind, actor, self.now, message, **more)
        self._history.append(entry)
        return str(entry["id"])

    def merged(self, other: str, into: str) -> None:
        """``other`` lives on in ``into``: it is published a last time, empty."""
        self.rows[other].merged_into = into
        self.rows[other].seen_at = None

    async def finish(self) -> list[ClusterRow]:
        """Recompute the clusters from their reports, apply the rules, write and queue; the rows as they are now."""
        facts = await clusters.facts(self.connection, list(self.rows))
        waiting = await proposals.open_counts(self.connection, list(self.rows))
        for row in self.rows.values():
            row.proposals_open = 0 if row.merged_into else waiting.get(row.id, 0)
        done = [self._settled(row, facts.get(row.id)) for row in self.rows.values()]
        await clusters.save(
            self.connection,
            [row for row in done if row.id in self._fresh],
            [row for row in done if row.id not in self._fresh],
        )
        await work.add_history(self.connection, self._history)
        await work.queue(
            self.connection,
            [
                (
                    subjects.cluster(self.project_id, row.id),
                    f"{row.id}.{row.revision}",
                    cluster_message(row, facts.get(row.id)),
                )
                for row in done
            ],
        )
        return done

    def _settled(self, row: ClusterRow, facts: Facts | None) -> ClusterRow:
        found = model.refreshed(row, facts, self.now)
        if model.woken(found):
            self.note(found.id, "reopened", f"The snooze ended: {found.count} reports", actor=AUTOMATIC)
            found.snoozed_until = None
        if model.closed_by_source(found, facts):
            found.status = "resolved"
            self.note(found.id, "resolved", "All its reports were closed where they came from", actor=AUTOMATIC)
        return found


def _revive(row: ClusterRow) -> None:
    """A cluster that had been merged away gets reports again (an undo, or its founder was split off)."""
    row.merged_into, row.dismissed_reason, row.status, row.edited = None, None, "new", []
