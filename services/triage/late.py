"""Late evidence: what new reports say about clusters that are there is proposed, told and published, not done."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from services.triage import cohesion, splitting
from services.triage.changes import AUTOMATIC, Change
from services.triage.engine import Proposal
from services.triage.grouping import Grouping
from services.triage.splitting import SAMPLE, Text
from services.triage.store import proposals
from services.triage.store.reports import chunks
from services.triage.tables import constraints, feedback

LOOKS: Final = 3  # clusters looked at for a split in one batch, the largest first: so the cost of an arrival stays flat
BACKGROUND: Final = 300  # newest reports of the project, which say what words are common in it
WORDS: Final = 1_500  # characters of a body
_COLUMNS: Final = [feedback.c[name] for name in ("id", "cluster_id", "title", "body", "source", "fingerprint")]


def text_of(row: Any) -> Text:
    """What is compared of a stored report."""
    mark = f"{row['source']}:{row['fingerprint']}" if row["fingerprint"] else None
    return Text(row["id"], cohesion.words(row["title"], row["body"][:WORDS]), mark)


def grown(rows: Sequence[dict[str, Any]], sizes: dict[str, int]) -> list[str]:
    """Clusters that new ``rows`` made big enough to be looked at; ``sizes`` are those after the arrival."""
    added = Counter(row["cluster_id"] for row in rows)
    found = [id_ for id_, more in added.items() if splitting.due(sizes[id_] - more, sizes[id_])]
    return sorted(found, key=lambda id_: (-sizes[id_], id_))[:LOOKS]


async def propose(change: Change, grouping: Grouping, merges: Sequence[Proposal], looked_at: Sequence[str]) -> None:
    """Store new proposals; their clusters say so in their history and are published again."""
    project_id, now = change.project_id, change.now
    found = [proposals.merge_row(project_id, one, now) for one in merges]
    if looked_at:
        found += await _splits(change.connection, grouping, project_id, looked_at, now)
    for row in await proposals.add(change.connection, found):
        ends = list(dict.fromkeys((row["into_id"], row["other_id"])))
        await change.touch(ends)
        for id_ in ends:
            change.note(id_, "proposed", _told(change, row, id_), details={"proposal": row["id"]}, actor=AUTOMATIC)


def _told(change: Change, row: dict[str, Any], id_: str) -> str:
    if row["kind"] == "split":
        return f"Late evidence: its reports may be {len(row['groups'])} different things"
    other = change.rows[row["other_id"] if id_ == row["into_id"] else row["into_id"]]
    return f"Late evidence: it may be one with “{other.title or 'a new cluster'}” ({row['score']:.0%})"


async def _splits(
    connection: AsyncConnection, grouping: Grouping, project_id: str, ids: Sequence[str], now: datetime
) -> list[dict[str, Any]]:
    mine = sa.select(*_COLUMNS).where(feedback.c.project_id == project_id).order_by(feedback.c.n.desc())
    held = {}
    for id_ in ids:
        rows = await connection.execute(mine.where(feedback.c.cluster_id == id_).limit(SAMPLE))
        held[id_] = [dict(row) for row in rows.mappings()]
    around = [dict(row) for row in (await connection.execute(mine.limit(BACKGROUND))).mappings()]
    together = await _together(connection, [row["id"] for rows_ in held.values() for row in rows_])

    def judge() -> list[dict[str, Any]]:
        common = {row["id"]: text_of(row) for row in around}
        found = []
        for id_, rows_ in held.items():
            texts = [common.get(row["id"]) or text_of(row) for row in rows_]
            weight = cohesion.rarity([text.words for text in {**common, **{t.id: t for t in texts}}.values()])
            split = splitting.proposed(id_, texts, weight, together)
            if split is not None:
                score = round(split.inside - split.mean, 3)
                found.append(proposals.split_row(project_id, id_, split.groups, score, split.reason, now))
        return found

    return await grouping.run(judge)


async def _together(connection: AsyncConnection, ids: Sequence[str]) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for part in chunks(ids):
        rows = await connection.execute(
            sa.select(constraints.c.a, constraints.c.b).where(
                constraints.c.kind == "must", sa.or_(constraints.c.a.in_(part), constraints.c.b.in_(part))
            )
        )
        found += [(row[0], row[1]) for row in rows]
    return found
