"""Values of buckets as bytes: structs as JSON, anything else msgspec can write too."""

from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import msgspec

from messaging.ports import BusError, Entry
from runtime.logs import logger

T = TypeVar("T")
log = logger("messaging.codec")


def is_marker(headers: Mapping[str, str]) -> bool:
    """Whether a stored message says that the key has no value: deleted, purged, expired."""
    return "Nats-Marker-Reason" in headers or headers.get("KV-Operation", "PUT") != "PUT"


class Codec(Generic[T]):
    """Encoder and decoder of one type, made once."""

    def __init__(self, type_: type[T]) -> None:
        self._decoder: Any = msgspec.json.Decoder(type_)
        self._encoder = msgspec.json.Encoder()

    def encode(self, value: T) -> bytes:
        return self._encoder.encode(value)

    def decode(self, data: bytes, where: str) -> T:
        """Raises BusError naming the key: what is stored was not written by this version of the schema."""
        try:
            value: T = self._decoder.decode(data)
        except msgspec.DecodeError as error:
            raise BusError(f"{where} holds something else than expected: {error}") from error
        return value

    def readable(self, bucket: str, key: str, data: bytes, revision: int) -> Entry[T] | None:
        """One of many: None for what another version of the schema wrote, told in the log.

        A reader of a whole bucket must not be stopped by one record for as long as that record lies there.
        """
        try:
            return Entry(key, self.decode(data, f"{bucket}/{key}"), revision)
        except BusError as error:
            log.error("entry.unreadable", bucket=bucket, key=key, reason=str(error))
            return None
