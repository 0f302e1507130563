"""Reports on their way in: verified by their source, limited, published; answered after the stream has them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import msgspec
from prometheus_client import Counter

from runtime import ids, logs
from runtime.seal import SealError
from schemas import subjects
from schemas.base import encode
from schemas.feedback import FeedbackItem
from schemas.projects import Project
from services.gateway import source_settings
from services.gateway.context import Gateway
from services.gateway.fixing import quota_exceeded
from services.gateway.limits import Held
from services.gateway.problems import Problem, invalid
from sources import TABLE, Filtered, Malformed

log = logs.logger("gateway.intake")
INGESTED = Counter("soulcaster_ingested_total", "Reports taken in, by outcome", ["source", "outcome"])

_EPOCH: Final = datetime.fromtimestamp(0, UTC)
Outcome = Literal["ok", "duplicate", "filtered"]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a delivery."""

    outcome: Outcome
    id: str | None = None
    message: str | None = None


def limit_rate(gateway: Gateway, project: str, source: str) -> None:
    """Problem 429 when this source of this project sends too fast; others are not touched."""
    wait = gateway.rates.take(f"{project}.{source}", gateway.clock.monotonic())
    if wait > 0:
        INGESTED.labels(source, "limited").inc()
        raise Problem(
            429, "rate_limited", f"The source {source} sends too many reports; slow down.", retry_after=max(wait, 1.0)
        )


def settings_of(gateway: Gateway, project: Project, source: str) -> dict[str, Any]:
    """The source's settings with secrets opened; Problem 503 when the key does not fit."""
    try:
        return source_settings.opened(project, source, gateway.sealer)
    except SealError as why:
        raise Problem(503, "secret_key", f"The stored secrets of {source} cannot be opened: {why}") from why


async def take(
    gateway: Gateway, project: Project, source: str, payload: Any, settings: dict[str, Any], delivery: str = ""
) -> Taken:
    """Normalise and publish one delivery. Problem 422 with the field when the payload is not what it should be.

    ``delivery``: the sender's own name of it, the same when it is sent again.
    """
    try:
        items = TABLE[source].normalise(
            payload, project_id=project.id, received_at=gateway.clock.now(), settings=settings
        )
    except Filtered as why:
        INGESTED.labels(source, "filtered").inc()
        return Taken("filtered", message=why.reason)
    except Malformed as why:
        INGESTED.labels(source, "malformed").inc()
        raise invalid(why.field, why.reason) from why
    if not items:
        return Taken("filtered", message="The delivery holds no report.")
    new = sum(item.event == "created" for item in items)
    if new:  # what changes a report that is there needs no room
        await check_quota(gateway, project, new)
    return await publish(gateway, items, delivery)


async def publish(gateway: Gateway, items: Sequence[FeedbackItem], delivery: str = "") -> Taken:
    """Store items in the stream FEEDBACK. ``duplicate`` when all of them had been stored before."""
    fresh = [await _publish_one(gateway, item, delivery) for item in items]
    outcome: Outcome = "ok" if any(fresh) else "duplicate"
    INGESTED.labels(items[0].source, outcome).inc(len(items))
    return Taken(outcome, items[0].id)


async def _publish_one(gateway: Gateway, item: FeedbackItem, delivery: str) -> bool:
    named = message_id(item, delivery)
    ack = await gateway.publish(subjects.feedback(item.project_id, item.source), encode(item), msg_id=named)
    # A new report is known by its id, a change of a known one only by its content.
    name = item.id if item.event == "created" else named
    known = name in gateway.seen
    gateway.seen.add(name)
    return not (ack.duplicate or known)


def message_id(item: FeedbackItem, delivery: str = "") -> str:
    """The same for the same content of the same report, whenever it is delivered.

    A report without a time of its own is dated by its delivery, so that date is no content. A change is known by its
    delivery too: what was closed, opened and closed again says the same twice and means it.
    """
    created = _EPOCH if item.created_at == item.received_at else item.created_at
    content = encode(msgspec.structs.replace(item, received_at=None, created_at=created)).decode()
    parts = (item.project_id, item.source, item.external_id, content)
    return ids.derived("feedback", *parts, *([delivery] if delivery and item.event == "updated" else []))


async def check_quota(gateway: Gateway, project: Project, requested: int) -> None:
    """Problem 429 when the owner's projects hold as many reports as the quota allows.

    While triage cannot be asked, the last answer counts; without one reports are taken in: they wait in the stream, and
    a sender that is turned away may never come back.
    """
    limit = gateway.settings.quota_feedback
    if not limit:
        return
    held = await _held(gateway, project.user_id)
    if held is None:
        return
    if held.reports + requested > limit:
        raise quota_exceeded("reports", held.reports, limit)
    held.reports += requested  # with no await in between, so that concurrent deliveries do not pass together


async def _held(gateway: Gateway, user: str) -> Held | None:
    now = gateway.clock.monotonic()
    held = gateway.quotas.fresh(user, now)
    if held is not None:
        return held
    owned = [other.id for other in gateway.directory.projects.values.values() if other.user_id == user]
    try:
        told = await gateway.triage.value("quota", project_ids=owned)
    except Problem as why:
        log.warning("quota.unknown", user_id=user, reason=why.detail)
        return gateway.quotas.stale(user)
    # Others may have asked at the same time: the first answer counts, with what was taken in since.
    return gateway.quotas.fresh(user, now) or gateway.quotas.told(user, told.feedback, now)
