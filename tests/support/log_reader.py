"""A reader of a job's log that behaves as a browser does: on a lost connection it comes back with its last event id."""

import asyncio
import json
from typing import Any

import aiohttp

from schemas.base import decode
from schemas.logs import LogChunk
from tests.support.eventually import eventually


class LogReader:
    """``chunks`` are (event id, chunk) as they came, over all connections; ``ended`` is the data of the last event."""

    def __init__(self, session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> None:
        self._session, self._url, self._headers = session, url, headers
        self.chunks: list[tuple[int, LogChunk]] = []
        self.ended: dict[str, Any] | None = None
        self.connections = 0
        self._last = ""

    async def read(self, within: float) -> None:
        """Until the server says that the job has ended and all was sent."""
        async with asyncio.timeout(within):
            await eventually(self._once, within)

    async def read_on(self, within: float) -> None:
        """Come back after the end, as a page that is opened again: what was written since then follows."""
        self.ended = None
        await self.read(within)

    async def _once(self) -> bool:
        """One connection, to its end."""
        headers = self._headers | ({"Last-Event-ID": self._last} if self._last else {})
        try:
            async with self._session.get(self._url, headers=headers) as response:
                self.connections += 1
                if response.status == 204:
                    self.ended = self.ended or {}
                if response.status == 200:
                    await self._events(response)
        except (aiohttp.ClientError, OSError):
            return False
        return self.ended is not None

    async def _events(self, response: aiohttp.ClientResponse) -> None:
        event: dict[str, str] = {}
        buffer = b""
        async for data in response.content.iter_any():
            *lines, buffer = (buffer + data).split(b"\n")
            for line in lines:
                if line:
                    name, _, value = line.decode().partition(": ")
                    event[name] = value
                else:
                    self._take(event)
                    event = {}

    def _take(self, event: dict[str, str]) -> None:
        self._last = event.get("id", self._last)
        if event.get("event") == "log":
            self.chunks.append((int(event["id"]), decode(event["data"].encode(), LogChunk)))
        elif event.get("event") == "end":
            self.ended = json.loads(event["data"])
