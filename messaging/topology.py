"""Streams, consumers and buckets as data, in one table; ``python -m messaging.provision`` applies it.

Every stream has a byte limit. Work queues refuse when full (the publisher sees ``Full``); the others drop the oldest.
Consumers have no delivery limit: after one, a work-queue message would stay, invisible, for ever. The worker counts
deliveries itself and dead-letters.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from schemas import subjects

if TYPE_CHECKING:
    from messaging.ports import Bus

HOUR: Final = 3600.0
DAY: Final = 24 * HOUR
MIB: Final = 1024**2
GIB: Final = 1024**3
DUPLICATE_WINDOW: Final = 600.0  # seconds in which a repeated Nats-Msg-Id is recognised

ProfileName = Literal["embedded", "cluster"]


@dataclass(frozen=True, slots=True)
class Profile:
    """What differs between a laptop and a cluster: values only. Byte limits are divided by ``shrink``."""

    name: ProfileName
    replicas: int
    shrink: int
    compression: Literal["none", "s2"]


PROFILES: Final[dict[str, Profile]] = {
    "embedded": Profile("embedded", replicas=1, shrink=10, compression="none"),
    "cluster": Profile("cluster", replicas=3, shrink=1, compression="s2"),
}


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream; ages and windows in seconds, 0 means no limit of that kind."""

    name: str
    subjects: tuple[str, ...]
    max_bytes: int
    work_queue: bool = False
    max_age: float = 0.0
    max_msgs: int = -1
    per_subject: int = -1
    max_consumers: int = -1
    memory: bool = False
    rollup: bool = False
    message_ttl: bool = False
    marker_ttl: float = 0.0
    direct: bool = False
    refuse_when_full: bool = False
    compress: bool = False

    @property
    def duplicate_window(self) -> float:
        return min(DUPLICATE_WINDOW, self.max_age) if self.max_age else DUPLICATE_WINDOW


@dataclass(frozen=True, slots=True)
class Consumer:
    """A durable pull consumer; ``ack_wait`` in seconds, ``pending`` is how many messages may be out at once."""

    name: str
    stream: str
    filters: tuple[str, ...]
    ack_wait: float = 30.0
    pending: int = 256


@dataclass(frozen=True, slots=True)
class Bucket:
    """A key-value bucket with one value a key. ``ttl`` ends all entries, ``ttl_of`` those of keys under a prefix."""

    name: str
    max_bytes: int
    ttl: float = 0.0
    ttl_of: tuple[tuple[str, float], ...] = ()
    memory: bool = False

    def ttl_for(self, key: str) -> float:
        """Seconds after which a key written now ends by itself, beyond the bucket's own ``ttl``; 0 is never."""
        return next((ttl for prefix, ttl in self.ttl_of if key.startswith(prefix + ".")), 0.0)

    def stream(self) -> StreamSpec:
        """The stream that holds the bucket, laid out as NATS' key-value convention has it (ADR-8)."""
        return StreamSpec(
            f"KV_{self.name}",
            (f"$KV.{self.name}.>",),
            self.max_bytes,
            max_age=self.ttl,
            per_subject=1,
            memory=self.memory,
            rollup=True,
            message_ttl=True,
            marker_ttl=60.0 if self.ttl else 0.0,
            refuse_when_full=True,
        )


STREAMS: Final[dict[str, StreamSpec]] = {
    spec.name: spec
    for spec in (
        StreamSpec(subjects.FEEDBACK, ("feedback.*.*",), 10 * GIB, max_age=30 * DAY),
        StreamSpec(
            subjects.REQUESTS, ("requests.>",), GIB, work_queue=True, max_age=7 * DAY, max_msgs=10_000, direct=True
        ),
        StreamSpec(subjects.RUNNERS, ("runners.*.*.*",), GIB, work_queue=True, max_age=6 * HOUR, max_msgs=5_000),
        StreamSpec(
            subjects.JOBS, ("jobs.*.*.*",), 4 * GIB, max_age=30 * DAY, max_consumers=5_000, direct=True, compress=True
        ),
        StreamSpec(
            subjects.CLUSTERS,
            ("clusters.*.*",),
            4 * GIB,
            per_subject=5,
            max_consumers=5_000,
            direct=True,
            compress=True,
        ),
        StreamSpec(
            subjects.LOGS, ("logs.*.*",), 20 * GIB, max_age=7 * DAY, max_consumers=5_000, direct=True, compress=True
        ),
        StreamSpec(subjects.DEAD, ("dead.*",), 2 * GIB, max_age=30 * DAY, direct=True),
    )
}

CONSUMERS: Final[dict[str, Consumer]] = {
    consumer.name: consumer
    for consumer in (
        Consumer("triage", subjects.FEEDBACK, ("feedback.>",), ack_wait=60, pending=2_000),
        Consumer("triage-jobs", subjects.JOBS, ("jobs.*.*.status",)),
        Consumer("planner", subjects.REQUESTS, ("requests.plan.>",), ack_wait=20, pending=64),
        Consumer("orchestrator", subjects.REQUESTS, ("requests.fix.>", "requests.cancel.>"), ack_wait=15),
        Consumer("orchestrator-attempts", subjects.JOBS, ("jobs.*.*.attempt",), ack_wait=15),
    )
}

BUCKETS: Final[dict[str, Bucket]] = {
    bucket.name: bucket
    for bucket in (
        Bucket(subjects.KV_JOBS, 10 * GIB),
        Bucket(subjects.KV_PLANS, 10 * GIB),
        Bucket(subjects.KV_PROJECTS, 2 * GIB, ttl_of=(("idem", DAY),)),
        Bucket(subjects.KV_RUNNERS, 256 * MIB, ttl=30),
        Bucket(subjects.KV_SECRETS, 256 * MIB, ttl=HOUR, memory=True),
        Bucket(subjects.KV_COLLECTOR, 256 * MIB),
    )
}

OBJECT_STREAM: Final = StreamSpec(
    f"OBJ_{subjects.OBJECTS}",
    (f"$O.{subjects.OBJECTS}.C.>", f"$O.{subjects.OBJECTS}.M.>"),
    40 * GIB,
    rollup=True,
    message_ttl=True,
    direct=True,
    refuse_when_full=True,
)

KNOWN_RUNNERS: Final = ("sandbox_kilo", "aws_kilo")


def all_streams() -> list[StreamSpec]:
    """Every stream of the house: message streams, buckets, object store."""
    return [*STREAMS.values(), *(bucket.stream() for bucket in BUCKETS.values()), OBJECT_STREAM]


def stream_spec(name: str) -> StreamSpec:
    """The stream of this name; raises KeyError."""
    return next((spec for spec in all_streams() if spec.name == name), None) or _unknown(name)


def _unknown(name: str) -> StreamSpec:
    raise KeyError(f"no stream {name!r} in messaging/topology.py; it has {[spec.name for spec in all_streams()]}")


def runner_consumer(runner: str) -> Consumer:
    """The consumer of all runner processes with this id. Any id works: a third runner needs no change here."""
    return Consumer(
        subjects.token(runner, "runner"), subjects.RUNNERS, (f"runners.{runner}.>",), ack_wait=20, pending=1_000
    )


def consumer_spec(consumer: str | Consumer) -> Consumer:
    """A consumer by its name in CONSUMERS; any other name is a runner's."""
    if isinstance(consumer, Consumer):
        return consumer
    return CONSUMERS.get(consumer) or runner_consumer(consumer)


async def ensure_runner(bus: "Bus", runner: str) -> Consumer:
    """The consumer of this runner id, created unless the provisioner did it already."""
    consumer = runner_consumer(runner)
    await bus.ensure_consumer(consumer)
    return consumer
