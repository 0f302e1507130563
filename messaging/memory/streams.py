"""A stream in memory: limits, duplicate ids, expected sequences, expiry with markers."""

import asyncio
import time
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping

from messaging.matching import matches_any
from messaging.ports import Conflict, Full, PubAck, Stored, TooLarge
from messaging.topology import StreamSpec

MAX_PAYLOAD = 1024 * 1024


class MemoryStream:
    """What a stream of nats-server does, as far as the house relies on it."""

    def __init__(self, spec: StreamSpec) -> None:
        self.spec = spec
        self.last_seq = 0
        self.changed = asyncio.Event()
        self._messages: OrderedDict[int, Stored] = OrderedDict()
        self._by_subject: dict[str, list[int]] = {}
        self._ids: dict[str, tuple[int, float]] = {}
        self._bytes = 0

    def publish(self, subject: str, data: bytes, headers: Mapping[str, str]) -> PubAck:
        """Store; raises Full, Conflict, TooLarge. An id seen inside the window answers with the first sequence."""
        if len(data) > MAX_PAYLOAD:
            raise TooLarge(f"a message of {len(data)} bytes is above the broker's limit; store it as object")
        msg_id = headers.get("Nats-Msg-Id")
        self._check_expected(subject, headers)  # before the id, as nats-server does it
        if msg_id is not None and (known := self._known(msg_id)):
            return PubAck(self.spec.name, known, duplicate=True)
        self._make_room(subject, data)
        if headers.get("Nats-Rollup") == "sub":
            self._drop_all(subject)
        self.last_seq += 1
        stored = Stored(subject, self.last_seq, data, dict(headers), time.time())
        self._messages[self.last_seq] = stored
        self._by_subject.setdefault(subject, []).append(self.last_seq)
        self._bytes += len(data)
        if msg_id is not None:
            self._ids[msg_id] = (self.last_seq, time.monotonic())
        self._trim(subject)
        self._schedule_end(stored)
        self._notify()
        return PubAck(self.spec.name, stored.sequence)

    def _known(self, msg_id: str) -> int:
        sequence, at = self._ids.get(msg_id, (0, 0.0))
        return sequence if time.monotonic() - at < self.spec.duplicate_window else 0

    def _check_expected(self, subject: str, headers: Mapping[str, str]) -> None:
        expected = headers.get("Nats-Expected-Last-Subject-Sequence")
        sequences = self._by_subject.get(subject)
        current = sequences[-1] if sequences else 0
        if expected is not None and int(expected) != current:
            raise Conflict(f"{subject}: wrong last sequence: {current}")

    def _make_room(self, subject: str, data: bytes) -> None:
        spec = self.spec
        over = 0 <= spec.max_msgs <= len(self._messages) or 0 < spec.max_bytes < self._bytes + len(data)
        replaced = spec.per_subject > 0 and len(self._by_subject.get(subject, ())) >= spec.per_subject
        if over and not replaced and (spec.work_queue or spec.refuse_when_full):
            raise Full(f"{subject}: the stream {spec.name} is at its limit; work is not being taken off it fast enough")
        while over and self._messages and not replaced:
            self.remove(next(iter(self._messages)))
            over = 0 <= spec.max_msgs <= len(self._messages)

    def _trim(self, subject: str) -> None:
        sequences = self._by_subject.get(subject, [])
        while 0 < self.spec.per_subject < len(sequences):
            self.remove(sequences[0])

    def _drop_all(self, subject: str) -> None:
        for sequence in list(self._by_subject.get(subject, ())):
            self.remove(sequence)

    def _schedule_end(self, stored: Stored) -> None:
        own = stored.headers.get("Nats-TTL")
        seconds = float(own.rstrip("s")) if own else self.spec.max_age
        if 0 < seconds < 3600:
            asyncio.get_running_loop().call_later(seconds, self._expire, stored.sequence)

    def _expire(self, sequence: int) -> None:
        stored = self._messages.get(sequence)
        if stored is None:
            return
        self.remove(sequence)
        if self.spec.marker_ttl and "Nats-Marker-Reason" not in stored.headers:
            headers = {"Nats-Marker-Reason": "MaxAge", "Nats-TTL": f"{self.spec.marker_ttl:g}s"}
            self.publish(stored.subject, b"", headers)

    def remove(self, sequence: int) -> None:
        """Delete one message, if it is there."""
        stored = self._messages.pop(sequence, None)
        if stored is None:
            return
        self._bytes -= len(stored.data)
        sequences = self._by_subject[stored.subject]
        sequences.remove(sequence)
        if not sequences:
            del self._by_subject[stored.subject]

    def get(self, sequence: int) -> Stored | None:
        return self._messages.get(sequence)

    def last(self, subject: str) -> Stored | None:
        """The newest message of exactly this subject."""
        sequences = self._by_subject.get(subject)
        return self._messages[sequences[-1]] if sequences else None

    def after(self, sequence: int, filters: tuple[str, ...], limit: int | None = None) -> list[Stored]:
        """Messages under the filters with a greater sequence, oldest first."""
        keys = list(self._messages)
        found = []
        for key in keys[bisect_right(keys, sequence) :]:
            if matches_any(filters, self._messages[key].subject):
                found.append(self._messages[key])
                if limit is not None and len(found) >= limit:
                    break
        return found

    def _notify(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()
