"""The way to a container and back: objects below one prefix of a bucket, written and read by presigned URLs.

``desk.json`` (ours): what the container shall do, its next URLs, and a beat that tells it that its runner lives.
``in/<n>`` (ours): files and inputs. ``out/<call>/<part>`` (the container's): answers, each written once.
S3 is strongly consistent, so a part that is there is whole, and the next number is all a reader has to ask for.
"""

import asyncio
import json
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final

from runner_core.protocols import SandboxError
from runtime.ids import new_id
from schemas.errors import Failure
from services.runner_aws.aws import absent, insist

ROOT: Final = "sandboxes"
PART_LIMIT: Final = 4 * 1024**2
UPLOAD_LIMIT: Final = 512 * 1024**2  # of one object by the container


class Mailbox:
    """One sandbox's. ``ttl``: seconds without a beat after which the container ends itself; ``token``: seconds that
    the first URL holds (a task may wait long for capacity), ``renewed``: those of each later one."""

    def __init__(self, s3: Any, bucket: str, name: str, *, ttl: float, token: float, renewed: float = 600.0) -> None:
        self.name, self.prefix = name, f"{ROOT}/{name}"
        self._s3, self._bucket, self._ttl = s3, bucket, ttl
        self._token, self._renewed = round(token), round(max(renewed, ttl * 3))
        self._calls: dict[str, dict[str, Any]] = {}
        self._beat, self._writing = 0, asyncio.Lock()

    async def open(self) -> str:
        """The job token: a URL that reads the desk, which holds the others."""
        await self._write(self._token)
        return await self._readable("desk.json", self._token)

    async def beat(self) -> None:
        """Tell the container that we live, and renew its URLs."""
        await self._write(self._renewed)

    async def ask(self, call: dict[str, Any], data: bytes | Path | None = None) -> str:
        """Put a call on the desk, with ``data`` beside it; its id, under which the answer comes."""
        identity = new_id()
        if data is not None:
            name = f"in/{identity}"
            await insist("writing to the mailbox", lambda: self._put(name, data))
            call = call | {"url": await self._readable(name, self._renewed)}
        self._calls[identity] = call | {"id": identity}
        await self._write(self._renewed)
        return identity

    def heard(self, identity: str) -> None:
        """The container has the call: it leaves the desk with the next writing."""
        self._calls.pop(identity, None)

    async def read(self, name: str, limit: int = PART_LIMIT) -> bytes | None:
        """An object of the container's; None while there is none. Raises SandboxError (class gate above ``limit``)."""

        async def get() -> bytes | None:
            try:
                found = await self._s3.get_object(Bucket=self._bucket, Key=f"{self.prefix}/out/{name}")
            except self._s3.exceptions.ClientError as error:
                if absent(error):
                    return None
                raise
            async with found["Body"] as body:
                if found["ContentLength"] > limit:
                    reason = f"The container sent {found['ContentLength']} bytes where {limit} are allowed."
                    raise SandboxError(Failure(kind="gate", reason=reason, action="Ask for a smaller change."))
                return bytes(await body.read())

        return await insist("reading the mailbox", get)

    async def clear(self) -> None:
        """Remove every object."""
        pages = self._s3.get_paginator("list_objects_v2")

        async def remove() -> None:
            async for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self.prefix}/"):
                keys = [{"Key": item["Key"]} for item in page.get("Contents", ())]
                if keys:
                    await self._s3.delete_objects(Bucket=self._bucket, Delete={"Objects": keys, "Quiet": True})

        await insist("clearing the mailbox", remove)

    async def age(self) -> float | None:
        """Seconds, by S3's clock alone, since a runner last wrote the desk; None when there is none."""

        async def head() -> float | None:
            try:
                found = await self._s3.head_object(Bucket=self._bucket, Key=f"{self.prefix}/desk.json")
            except self._s3.exceptions.ClientError as error:
                if absent(error):
                    return None
                raise
            now = parsedate_to_datetime(found["ResponseMetadata"]["HTTPHeaders"]["date"])
            written: datetime = found["LastModified"]
            return (now - written).total_seconds()

        return await insist("looking at a mailbox", head)

    async def _write(self, seconds: int) -> None:
        async with self._writing:
            self._beat += 1
            desk = {
                "beat": self._beat,
                "ttl": self._ttl,
                "next": await self._readable("desk.json", seconds),
                "post": await self._s3.generate_presigned_post(
                    self._bucket,
                    f"{self.prefix}/out/${{filename}}",
                    Conditions=[["content-length-range", 0, UPLOAD_LIMIT]],
                    ExpiresIn=seconds,
                ),
                "calls": list(self._calls.values()),
            }
            data = json.dumps(desk).encode()
            await insist("writing to the mailbox", lambda: self._put("desk.json", data))

    async def _put(self, name: str, data: bytes | Path) -> None:
        where = {"Bucket": self._bucket, "Key": f"{self.prefix}/{name}"}
        if isinstance(data, bytes):
            await self._s3.put_object(**where, Body=data)
        else:
            with await asyncio.to_thread(data.open, "rb") as file:
                await self._s3.put_object(**where, Body=file)

    async def _readable(self, name: str, seconds: int) -> str:
        where = {"Bucket": self._bucket, "Key": f"{self.prefix}/{name}"}
        return str(await self._s3.generate_presigned_url("get_object", Params=where, ExpiresIn=seconds))
