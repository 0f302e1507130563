"""Applying the topology: create what is missing, update what differs, touch nothing else."""

import asyncio
from typing import Any, Final

from messaging import jetstream
from messaging.link import Link
from messaging.ports import NoResponders, Unavailable
from messaging.topology import (
    CONSUMERS,
    Consumer,
    Profile,
    StreamSpec,
    all_streams,
    runner_consumer,
)
from runtime.logs import logger

log = logger("messaging.provisioning")
_NS: Final = 1_000_000_000
_TRY_SECONDS: Final = 3.0  # a cluster without a leader yet answers nothing at all
_ALL_SECONDS: Final = 60.0


async def apply(
    link: Link, profile: Profile, *, runners: tuple[str, ...] = (), streams: list[StreamSpec] | None = None
) -> None:
    """All streams, then all consumers. ``streams`` replaces the table in tests of small limits."""
    for spec in streams if streams is not None else all_streams():
        await ensure_stream(link, spec, profile)
    for consumer in [*CONSUMERS.values(), *(runner_consumer(name) for name in dict.fromkeys(runners))]:
        await _write_consumer(link, consumer)


async def _ask(link: Link, verb: str, body: object = None) -> jetstream.Reply:
    """One API call, repeated while there is nobody to answer it: a cluster needs seconds to elect its leader.

    Every call made here may be repeated: creating what exists with the same configuration succeeds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _ALL_SECONDS
    while True:
        try:
            return await jetstream.call(link, verb, body, timeout=_TRY_SECONDS)
        except (NoResponders, Unavailable) as error:
            if loop.time() > deadline:
                raise Unavailable(f"{error}. Is JetStream on, and does the cluster have a leader?") from error
        await asyncio.sleep(0.25)


async def ensure_stream(link: Link, spec: StreamSpec, profile: Profile) -> None:
    """Create or update one stream. Raises BusError when the broker cannot change what differs (storage, retention)."""
    wanted = stream_config(spec, profile)
    try:
        current = (await _ask(link, f"STREAM.INFO.{spec.name}")).config
    except jetstream.ApiFailure as error:
        if error.err_code != jetstream.STREAM_NOT_FOUND:
            raise
        try:
            await _ask(link, f"STREAM.CREATE.{spec.name}", wanted)
        except jetstream.ApiFailure as late:
            if late.err_code != jetstream.STREAM_NAME_IN_USE:  # another provisioner was faster
                raise
            return
        log.info("stream.created", stream=spec.name)
        return
    changed = {name: value for name, value in wanted.items() if current.get(name, _ABSENT.get(name)) != value}
    if changed:
        await _ask(link, f"STREAM.UPDATE.{spec.name}", {**current, **wanted})
        log.info("stream.updated", stream=spec.name, changed=sorted(changed))


# What the server leaves out of its answer when unset.
_ABSENT: Final[dict[str, Any]] = {
    "allow_msg_ttl": False,
    "allow_rollup_hdrs": False,
    "allow_direct": False,
    "subject_delete_marker_ttl": 0,
    "compression": "none",
    "deny_delete": False,
}


def stream_config(spec: StreamSpec, profile: Profile) -> dict[str, Any]:
    """The stream as the broker's API wants it."""
    return {
        "name": spec.name,
        "subjects": list(spec.subjects),
        "retention": "workqueue" if spec.work_queue else "limits",
        "discard": "new" if spec.work_queue or spec.refuse_when_full else "old",
        "storage": "memory" if spec.memory else "file",
        "num_replicas": profile.replicas,
        "max_bytes": spec.max_bytes // profile.shrink,
        "max_age": int(spec.max_age * _NS),
        "max_msgs": spec.max_msgs,
        "max_msgs_per_subject": spec.per_subject,
        "max_consumers": spec.max_consumers,
        "max_msg_size": 1024 * 1024,
        "duplicate_window": int(spec.duplicate_window * _NS),
        "allow_direct": spec.direct,
        "allow_rollup_hdrs": spec.rollup,
        "allow_msg_ttl": spec.message_ttl or spec.marker_ttl > 0,
        "subject_delete_marker_ttl": int(spec.marker_ttl * _NS),
        "compression": profile.compression if spec.compress else "none",
    }


async def ensure_consumer(link: Link, consumer: Consumer) -> None:
    """Create unless it exists: a service without the right to create may call this for a provisioned consumer."""
    try:
        await _ask(link, f"CONSUMER.INFO.{consumer.stream}.{consumer.name}")
    except jetstream.ApiFailure as error:
        if error.err_code != jetstream.CONSUMER_NOT_FOUND:
            raise
        await _write_consumer(link, consumer)


async def _write_consumer(link: Link, consumer: Consumer) -> None:
    """Create or update. The API takes another filter without a word, so this is the only place that calls it."""
    single = len(consumer.filters) == 1
    config: dict[str, Any] = {
        "durable_name": consumer.name,
        "name": consumer.name,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": int(consumer.ack_wait * _NS),
        "max_deliver": -1,
        "max_ack_pending": consumer.pending,
        "max_waiting": 2048,
        "replay_policy": "instant",
        **({"filter_subject": consumer.filters[0]} if single else {"filter_subjects": list(consumer.filters)}),
    }
    verb = f"CONSUMER.CREATE.{consumer.stream}.{consumer.name}" + (f".{consumer.filters[0]}" if single else "")
    await _ask(link, verb, {"stream_name": consumer.stream, "config": config})
