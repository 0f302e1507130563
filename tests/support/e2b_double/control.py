"""The double's control plane: sandboxes are created, listed, found by metadata, extended and killed."""

import asyncio
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from tests.support.e2b_double.machine import Machine


@dataclass
class Box:
    """A sandbox as the control plane knows it."""

    id: str
    machine: Machine
    body: dict[str, Any]
    access: str
    end: datetime = field(default_factory=lambda: datetime.now(UTC))
    timer: asyncio.TimerHandle | None = None
    started: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.body.get("metadata") or {})


class Control:
    """``templates`` that exist; ``most`` sandboxes at a time; ``door`` is the port behind the host ``allow_out`` names.

    ``created`` counts sandboxes ever made; ``lag`` seconds pass before a new sandbox is listed.
    """

    def __init__(self, folder: Path, templates: set[str], most: int, doors: dict[str, int]) -> None:
        self._folder, self._templates, self._most, self._doors = folder, templates, most, doors
        self.boxes: dict[str, Box] = {}
        self.created: list[tuple[float, dict[str, Any]]] = []
        self.lag = 0.0
        self.networks: dict[str, list[dict[str, Any]]] = {}  # what each sandbox was told to reach, change by change
        self._keys: dict[str, str] = {}
        self._ending: set[asyncio.Task[None]] = set()

    async def create(self, request: web.Request) -> web.Response:
        body, key = await request.json(), request.headers.get("Idempotency-Key")
        if key and self._keys.get(key) in self.boxes:
            return web.json_response(_answer(self.boxes[self._keys[key]]), status=201)
        if body["templateID"] not in self._templates:
            return error(404, f"template '{body['templateID']}' not found")
        if len(self.boxes) >= self._most:
            return error(429, "you have reached the maximum number of concurrent E2B sandboxes")
        box = Box(secrets.token_hex(10), Machine(Path(), None), body, secrets.token_urlsafe(16))
        box.machine = Machine(self._folder / box.id, self._door(body))
        if key:
            self._keys[key] = box.id
        self.boxes[box.id] = box
        self.created.append((time.monotonic(), body))
        await box.machine.boot()
        self.extend(box, float(body.get("timeout", 15)))
        return web.json_response(_answer(box), status=201)

    def _door(self, body: dict[str, Any]) -> int | None:
        """The one outside port that this sandbox reaches: of an allowed host that exists. Everything else is denied."""
        allowed = (body.get("network") or {}).get("allowOut") or []
        return next((port for host, port in self._doors.items() if host in allowed), None)

    async def list(self, request: web.Request) -> web.Response:
        wanted = dict(parse_qsl(unquote(request.query.get("metadata", ""))))
        old = datetime.now(UTC) - timedelta(seconds=self.lag)
        rows = [
            _detail(box) for box in self.boxes.values() if wanted.items() <= box.metadata.items() and box.started <= old
        ]
        start, limit = int(request.query.get("nextToken") or 0), int(request.query.get("limit") or 100)
        more = {"x-next-token": str(start + limit)} if len(rows) > start + limit else {}
        return web.json_response(rows[start : start + limit], headers=more)

    async def get(self, request: web.Request) -> web.Response:
        box = self.boxes.get(request.match_info["id"])
        return web.json_response(_detail(box)) if box else error(404, "sandbox not found")

    async def kill(self, request: web.Request) -> web.Response:
        box = self.boxes.get(request.match_info["id"])
        if box is None:
            return error(404, "sandbox not found")
        await asyncio.shield(self._ended(box))
        return web.Response(status=204)

    async def timeout(self, request: web.Request) -> web.Response:
        box = self.boxes.get(request.match_info["id"])
        if box is None:
            return error(404, "sandbox not found")
        self.extend(box, float((await request.json())["timeout"]))
        return web.Response(status=204)

    async def network(self, request: web.Request) -> web.Response:
        """A change of what a sandbox may reach. The double has no network to open; it keeps what it was told."""
        box = self.boxes.get(request.match_info["id"])
        if box is None:
            return error(404, "sandbox not found")
        self.networks.setdefault(box.id, []).append(await request.json())
        return web.Response(status=204)

    async def connect(self, request: web.Request) -> web.Response:
        box = self.boxes.get(request.match_info["id"])
        if box is None:
            return error(404, "sandbox not found")
        self.extend(box, float((await request.json())["timeout"]))  # a connect sets the time-out anew
        return web.json_response(_answer(box))

    def extend(self, box: Box, seconds: float) -> None:
        if box.timer is not None:
            box.timer.cancel()
        box.end = datetime.now(UTC) + timedelta(seconds=seconds)
        box.timer = asyncio.get_running_loop().call_later(seconds, self._expire, box)

    def _expire(self, box: Box) -> None:
        self._ended(box)

    def _ended(self, box: Box) -> "asyncio.Task[None]":
        task = asyncio.create_task(self.end(box))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task

    async def end(self, box: Box) -> None:
        if self.boxes.pop(box.id, None) is None:
            return
        if box.timer is not None:
            box.timer.cancel()
        await box.machine.destroy()

    async def close(self) -> None:
        await asyncio.gather(*[self.end(box) for box in list(self.boxes.values())])
        await asyncio.gather(*self._ending)


def error(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """As the API gives errors."""
    return web.json_response({"code": status, "message": message}, status=status, headers=headers)


def _answer(box: Box) -> dict[str, Any]:
    return {
        "templateID": box.body["templateID"],
        "sandboxID": box.id,
        "clientID": "double",
        "envdVersion": "0.6.7",
        "envdAccessToken": box.access,
        "domain": None,
    }


def _detail(box: Box) -> dict[str, Any]:
    return {
        "templateID": box.body["templateID"],
        "sandboxID": box.id,
        "clientID": "double",
        "startedAt": box.started.isoformat(),
        "endAt": box.end.isoformat(),
        "cpuCount": 2,
        "memoryMB": 2048,
        "diskSizeMB": 4096,
        "state": "running",
        "envdVersion": "0.6.7",
        "metadata": box.metadata,
    }
