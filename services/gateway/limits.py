"""Limits of what comes in: a token bucket per project and source, so that a flood of one hurts no other; quotas."""

from collections import OrderedDict
from dataclasses import dataclass


@dataclass(slots=True)
class Bucket:
    """``tokens`` as of ``at`` (monotonic seconds)."""

    tokens: float
    at: float


class Rates:
    """``rate`` tokens a second, ``burst`` at most. Keeps the 10,000 most recent keys."""

    def __init__(self, rate: float, burst: int, kept: int = 10_000) -> None:
        self.rate, self.burst, self.kept = rate, burst, kept
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, name: str, now: float) -> float:
        """Take one token: 0.0 when there was one, else the seconds until there is."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = Bucket(float(self.burst), now)
            self._buckets[name] = bucket
            if len(self._buckets) > self.kept:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(name)
        bucket.tokens = min(float(self.burst), bucket.tokens + (now - bucket.at) * self.rate)
        bucket.at = now
        if bucket.tokens >= 1.0:
            bucket.tokens -= 1.0
            return 0.0
        return (1.0 - bucket.tokens) / self.rate


@dataclass(slots=True)
class Held:
    """Reports a user holds, as told at ``at`` (monotonic seconds), and those taken in since."""

    reports: int
    at: float


class Quotas:
    """What users hold, asked for again after a while: a webhook must not wait for triage each time."""

    def __init__(self, seconds: float = 5.0, kept: int = 10_000) -> None:
        self.seconds, self.kept = seconds, kept
        self._held: OrderedDict[str, Held] = OrderedDict()

    def fresh(self, user: str, now: float) -> Held | None:
        """What was told not long ago."""
        held = self._held.get(user)
        return held if held is not None and now - held.at < self.seconds else None

    def stale(self, user: str) -> Held | None:
        """What was told, however long ago."""
        return self._held.get(user)

    def told(self, user: str, reports: int, now: float) -> Held:
        """Remember a new answer."""
        held = self._held[user] = Held(reports, now)
        self._held.move_to_end(user)
        if len(self._held) > self.kept:
            self._held.popitem(last=False)
        return held


class Seen:
    """The last ids accepted, to answer ``duplicate`` where the broker's own window is over. Best effort."""

    def __init__(self, kept: int = 50_000) -> None:
        self.kept = kept
        self._ids: OrderedDict[str, None] = OrderedDict()

    def __contains__(self, item: str) -> bool:
        return item in self._ids

    def add(self, item: str) -> None:
        """Remember an id, forgetting the oldest."""
        self._ids[item] = None
        if len(self._ids) > self.kept:
            self._ids.popitem(last=False)
