"""Artifacts in NATS object-store form (ADR-20), so that the ``nats`` command can read them.

nats-py's own ``get`` reads 13 MiB/s through a consumer; here chunks come by batched direct get, and nothing but publish
and get permissions is needed.
"""

import asyncio
import base64
import hashlib
from typing import Final

import msgspec

from messaging import publishing, reading
from messaging.link import Link
from messaging.ports import BusError, Stored
from runtime import ids

CHUNK: Final = 128 * 1024
_IN_FLIGHT: Final = 16
_PAGE: Final = 64
_GONE: Final = {"Nats-Rollup": "sub", "Nats-TTL": "1s"}  # replaces all of the subject, then ends by itself


class Meta(msgspec.Struct):
    """The description of an object; the subset of ADR-20 that we write."""

    name: str
    bucket: str
    nuid: str
    size: int
    chunks: int
    digest: str = ""
    deleted: bool = False


class NatsObjects:
    """Implements ports.Objects over one bucket."""

    def __init__(self, link: Link, bucket: str) -> None:
        self._link, self._bucket = link, bucket
        self._stream = f"OBJ_{bucket}"

    async def put(self, name: str, data: bytes) -> str:
        """Store; the digest as ``SHA-256=<base64url>``."""
        before = await self._meta(name)
        nuid = ids.new_id()
        pieces = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        for start in range(0, len(pieces), _IN_FLIGHT):
            group = pieces[start : start + _IN_FLIGHT]
            await asyncio.gather(*(self._publish(self._chunk_subject(nuid), piece) for piece in group))
        digest = "SHA-256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        meta = Meta(name, self._bucket, nuid, len(data), len(pieces), digest)
        await self._publish(self._meta_subject(name), msgspec.json.encode(meta), {"Nats-Rollup": "sub"})
        if before is not None:
            await self._publish(self._chunk_subject(before.nuid), b"", _GONE)
        return digest

    async def get(self, name: str) -> bytes | None:
        """The bytes, or None; raises BusError when what is stored is not what was put."""
        meta = await self._meta(name)
        if meta is None:
            return None
        found: list[Stored] = []
        while len(found) < meta.chunks:
            after = found[-1].sequence if found else 0
            page = await reading.page(self._link, self._stream, self._chunk_subject(meta.nuid), after, _PAGE)
            if not page:
                break
            found += page
        # Chunks are published in order, but one that was repeated after a lost connection is stored later.
        data = b"".join(stored.data for stored in found)
        digest = "SHA-256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
        if digest != meta.digest:
            raise BusError(f"artifact {name} is damaged: {len(data)} of {meta.size} bytes, digest differs")
        return data

    async def delete(self, name: str) -> None:
        """Remove; a name that is not there is no error."""
        meta = await self._meta(name)
        if meta is not None:
            await self._publish(self._meta_subject(name), b"", _GONE)
            await self._publish(self._chunk_subject(meta.nuid), b"", _GONE)

    async def names(self, prefix: str = "") -> list[str]:
        """Names that begin with ``prefix``, sorted."""
        names: list[str] = []
        after = 0
        while page := await reading.page(self._link, self._stream, f"$O.{self._bucket}.M.>", after, 256):
            after = page[-1].sequence
            metas = (msgspec.json.decode(stored.data, type=Meta) for stored in page if stored.data)
            names += [meta.name for meta in metas if not meta.deleted and meta.name.startswith(prefix)]
        return sorted(names)

    async def _meta(self, name: str) -> Meta | None:
        stored = await reading.newest(self._link, self._stream, self._meta_subject(name))
        if stored is None or not stored.data:
            return None
        meta = msgspec.json.decode(stored.data, type=Meta)
        return None if meta.deleted else meta

    def _chunk_subject(self, nuid: str) -> str:
        return f"$O.{self._bucket}.C.{nuid}"

    def _meta_subject(self, name: str) -> str:
        return f"$O.{self._bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"

    async def _publish(self, subject: str, data: bytes, headers: dict[str, str] | None = None) -> None:
        await publishing.publish(self._link, subject, data, publishing.with_id(None, headers))
