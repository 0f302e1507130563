"""``analyze``: which clusters are loose and how to split them. ``cleanup``: merging clusters that read as one."""

from typing import Final

import sqlalchemy as sa

from schemas import triage as calls_
from schemas import triage_results as results
from services.triage import cohesion
from services.triage.calls import Desk
from services.triage.corrections import merge
from services.triage.engine import Constraints
from services.triage.late import text_of
from services.triage.splitting import SAMPLE, Judged, Text, judged
from services.triage.store import work
from services.triage.tables import clusters, feedback, proposals

REPORTS: Final = 20_000  # reports looked at in one project, newest first
ADVISED: Final = 50


async def _texts(desk: Desk, project_id: str) -> dict[str, list[Text]]:
    """Reports by cluster, a sample of each."""
    columns = [feedback.c[name] for name in ("id", "cluster_id", "title", "body", "source", "fingerprint")]
    async with desk.database.read() as connection:
        rows = await connection.execute(
            sa.select(*columns)
            .join(clusters, clusters.c.id == feedback.c.cluster_id)
            .where(feedback.c.project_id == project_id, clusters.c.merged_into.is_(None))
            .order_by(feedback.c.n.desc())
            .limit(REPORTS)
        )
        raw = [dict(row) for row in rows.mappings()]

    def read() -> dict[str, list[Text]]:
        found: dict[str, list[Text]] = {}
        for row in raw:
            held = found.setdefault(row["cluster_id"], [])
            if len(held) < SAMPLE:
                held.append(text_of(row))
        return found

    return await desk.grouping.run(read)


async def _titles(desk: Desk, project_id: str) -> dict[str, tuple[str, int]]:
    async with desk.database.read() as connection:
        rows = await connection.execute(
            sa.select(clusters.c.id, clusters.c.title, clusters.c["count"]).where(
                clusters.c.project_id == project_id, clusters.c.merged_into.is_(None)
            )
        )
        return {row[0]: (row[1], row[2]) for row in rows}


async def analyze(desk: Desk, call: calls_.Call) -> results.Analysis:
    """Cohesion of every cluster of three reports and more, with splits ready to be made."""
    texts = await _texts(desk, call.project_id)
    titles = await _titles(desk, call.project_id)
    found = await desk.grouping.run(_advise, texts)
    loose = sum(1 for advice in found if advice.quality == "loose")
    advised = [
        results.SplitAdvice(
            cluster_id=one.cluster_id,
            title=titles.get(one.cluster_id, ("", 0))[0],
            reason=one.reason,
            current_avg_similarity=one.mean,
            current_quality=one.quality,
            suggested_subcluster_count=len(one.groups),
            subcluster_cohesions=one.cohesions,
            groups=one.groups,
        )
        for one in found
        if one.groups
    ]
    return results.Analysis(
        project_id=call.project_id,
        total_clusters=len(titles),
        healthy_clusters=len(titles) - loose,
        loose_clusters=loose,
        split_recommendations=sorted(advised, key=lambda one: one.current_avg_similarity)[:ADVISED],
    )


def _advise(texts: dict[str, list[Text]]) -> list[Judged]:
    """Whoever asks is told, also of clusters that were put together by hand."""
    weight = cohesion.rarity([text.words for held in texts.values() for text in held])
    return [judged(id_, held, weight) for id_, held in texts.items() if len(held) >= 3]


async def cleanup(desk: Desk, call: calls_.CleanupCall) -> results.Cleanup:
    """Merge clusters that read as one; every merge is in the history and can be undone. Preview changes nothing."""
    texts = await _texts(desk, call.project_id)
    titles = await _titles(desk, call.project_id)
    async with desk.database.read() as connection:
        said = await work.all_constraints(connection, call.project_id)
        rows = await connection.execute(
            sa.select(proposals.c.score, proposals.c.into_id, proposals.c.other_id).where(
                proposals.c.project_id == call.project_id,
                proposals.c.kind == "merge",
                proposals.c.state == "open",
            )
        )
        proposed = [(row[0], row[1], row[2]) for row in rows if row[0] >= 0.5]
    found = await desk.grouping.run(_duplicates, texts, proposed, said, titles)
    merged = 0
    if not call.preview:
        for group in found:
            async with desk.grouping.lock(call.project_id):
                await merge(desk, call.project_id, group.into, group.others, call.actor)
            merged += 1
    gone = sum(len(group.others) for group in found)
    verb = "would be merged" if call.preview else "were merged"
    message = f"{gone} clusters {verb} into {len(found)}" if found else "No duplicate clusters found"
    return results.Cleanup(
        message=message,
        preview=call.preview,
        total_clusters=len(titles),
        duplicate_groups=len(found),
        merged_groups=merged,
        deleted_clusters=0 if call.preview else gone,
        remaining_clusters=len(titles) - (0 if call.preview else gone),
        groups=found,
        project_id=call.project_id,
    )


def _duplicates(
    texts: dict[str, list[Text]],
    proposed: list[tuple[float, str, str]],
    said: Constraints,
    titles: dict[str, tuple[str, int]],
) -> list[results.MergeGroup]:
    centres = cohesion.centres({id_: [text.words for text in held] for id_, held in texts.items()})
    pairs = [one for one in proposed if one[1] in texts and one[2] in texts] + cohesion.alike(centres)
    apart = {frozenset(pair) for pair in said.cannot}
    held_by = {text.id: id_ for id_, held in texts.items() for text in held}
    barred = {
        frozenset((held_by[a], held_by[b])) for a, b in (tuple(p) for p in apart) if a in held_by and b in held_by
    }
    parts: dict[str, set[str]] = {}
    scores: dict[str, float] = {}
    for score, one, other in sorted(pairs, reverse=True):
        first, second = parts.get(one, {one}), parts.get(other, {other})
        if first is second or any(frozenset((a, b)) in barred for a in first for b in second):
            continue
        joined = first | second
        for name in joined:
            parts[name] = joined
            scores[name] = min(scores.get(name, 1.0), score)
    whole = {id(part): part for part in parts.values()}
    return [_group(part, scores, titles) for part in whole.values()]


def _group(part: set[str], scores: dict[str, float], titles: dict[str, tuple[str, int]]) -> results.MergeGroup:
    ordered = sorted(part, key=lambda id_: (-titles.get(id_, ("", 0))[1], id_))
    score = round(min(scores[id_] for id_ in part), 3)
    reason = results.WhyReason(kind="terms", detail=f"their reports use the same words ({score:.0%})", weight=score)
    return results.MergeGroup(
        into=ordered[0], title=titles.get(ordered[0], ("", 0))[0], others=ordered[1:], score=score, reasons=[reason]
    )
