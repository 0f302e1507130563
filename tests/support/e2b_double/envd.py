"""The part of the double inside a sandbox: files, and processes over Connect RPC with its JSON codec.

Connect's streaming envelopes: one byte of flags (0x02: end of stream), four bytes of length, big-endian, then JSON
(connectrpc.com/docs/protocol). Output that nobody listens to is lost, as with the real one.
"""

import asyncio
import base64
import json
import os
import signal
from typing import Any

from aiohttp import BodyPartReader, web

from tests.support.e2b_double.faults import Fault
from tests.support.e2b_double.machine import Machine, Process

SIGNALS = {"SIGNAL_SIGKILL": signal.SIGKILL, "SIGNAL_SIGTERM": signal.SIGTERM}


class Refusal(Exception):
    """A Connect error of a unary call."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


async def read_file(machine: Machine, request: web.Request) -> web.Response:
    """GET /files?path="""
    path = request.query["path"]
    code, data = await machine.output("cat", "--", path)
    if code != 0:
        return _error(404, f"path not found: {path}")
    return web.Response(body=data, content_type="application/octet-stream")


async def write_files(machine: Machine, request: web.Request) -> web.Response:
    """POST /files, multipart or octets; answers a list."""
    files: list[tuple[str, bytes]] = []
    if request.content_type == "application/octet-stream":
        files.append((request.query["path"], await request.read()))
    else:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            assert isinstance(part, BodyPartReader)
            files.append((request.query.get("path") or str(part.filename), bytes(await part.read())))
    for path, data in files:
        if path.startswith("/opt/") and request.query.get("username") == "root":
            await asyncio.to_thread(machine.write_as_root, path, data)
            continue
        code, _ = await machine.output("sh", "-c", 'mkdir -p "${1%/*}" && cat > "$1"', "sh", path, given=data)
        if code != 0:
            return _error(400, f"cannot write {path}")
    return web.json_response([{"path": p, "name": p.rpartition("/")[2], "type": "file"} for p, _ in files])


async def unary(machine: Machine, request: web.Request) -> web.Response:
    """POST /process.Process/{List,SendSignal,...}"""
    call, body = request.match_info["call"], await request.json()
    try:
        return web.json_response(await _unary(machine, call, body))
    except Refusal as refusal:
        return web.json_response({"code": refusal.code, "message": refusal.message}, status=refusal.status)


async def _unary(machine: Machine, call: str, body: dict[str, Any]) -> dict[str, Any]:
    match call:
        case "List":
            config = [
                {"config": {"cmd": p.cmd, "args": p.args, "envs": {}}, "pid": p.pid} for p in machine.processes.values()
            ]
            return {"processes": config}
        case "SendSignal":
            process = _process(machine, body)
            await machine.kill(process.pid, SIGNALS[body["signal"]])
            return {}
        case "SendInput":
            process = _process(machine, body)
            await asyncio.to_thread(os.write, process.stdin, base64.b64decode(body["input"]["stdin"]))
            return {}
        case "CloseStdin":
            _process(machine, body).close_stdin()
            return {}
    raise Refusal(404, "unimplemented", call)


def _process(machine: Machine, body: dict[str, Any]) -> Process:
    pid = int(body["process"]["pid"])
    if pid not in machine.processes:
        raise Refusal(404, "not_found", f"process with pid {pid} not found")
    return machine.processes[pid]


async def stream(machine: Machine, request: web.Request, fault: Fault | None, kill: Any) -> web.StreamResponse:
    """POST /process.Process/{Start,Connect}: the events of one process until it ends."""
    raw = await request.read()
    body = json.loads(raw[5 : 5 + int.from_bytes(raw[1:5], "big")])
    response = web.StreamResponse(headers={"Content-Type": "application/connect+json"})
    feed = _Feed(request, response, fault, kill)
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def heard(name: str, data: bytes) -> None:
        events.put_nowait({"data": {name: base64.b64encode(data).decode()}})

    if request.match_info["call"] == "Connect":
        try:
            process = _process(machine, body)
        except Refusal as refusal:
            await response.prepare(request)
            await feed.end({"error": {"code": refusal.code, "message": refusal.message}})
            return response
        process.heard.add(heard)
    else:
        config = body["process"]
        args, env = config.get("args", []), config.get("envs", {})
        process = await machine.run(config["cmd"], args, env, config.get("cwd", ""), heard)
        if not body.get("stdin"):
            process.close_stdin()
    try:
        await response.prepare(request)
        await _events(machine, process, events, feed, _limit(request))
    except ConnectionError:
        return response
    finally:
        process.heard.discard(heard)  # the process goes on without its listener
    return response


async def _events(
    machine: Machine, process: Process, events: "asyncio.Queue[dict[str, Any]]", feed: "_Feed", limit: float | None
) -> None:
    await feed.send({"start": {"pid": process.pid}})
    ended = asyncio.create_task(process.ended.wait())
    dead = asyncio.create_task(machine.dead.wait())
    try:
        async with asyncio.timeout(limit):
            while not (ended.done() and events.empty()):
                if dead.done():
                    return feed.abort()
                more = asyncio.create_task(events.get())
                try:
                    await asyncio.wait({more, ended, dead}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    more.cancel()  # also when the listener goes: nothing is lost by it, for it waits or is done
                if more.done():
                    await feed.send(more.result())
                else:
                    await asyncio.wait({more})
    except TimeoutError:
        await machine.kill(process.pid, signal.SIGKILL)
        return await feed.end({"error": {"code": "deadline_exceeded", "message": "context deadline exceeded"}})
    finally:
        ended.cancel()
        dead.cancel()
    if machine.dead.is_set():
        return feed.abort()
    status = f"exit status {process.code}"
    end = {"exitCode": process.code, "exited": True, "status": status} | ({"error": status} if process.code else {})
    await feed.send({"end": end})
    await feed.end({})


class _Feed:
    """Writes envelopes, and suffers the stream's fault."""

    def __init__(self, request: web.Request, response: web.StreamResponse, fault: Fault | None, kill: Any) -> None:
        self._request, self._response, self._fault, self._kill = request, response, fault, kill
        self._sent = 0

    async def send(self, event: dict[str, Any]) -> None:
        payload = json.dumps({"event": event}).encode()
        fault = self._fault
        if (
            fault is not None
            and fault.kind in ("cut", "half_open", "kill")
            and self._sent >= fault.after
            and self._sent
        ):
            await self._suffer(fault)
        await self._response.write(b"\0" + len(payload).to_bytes(4, "big") + payload)
        self._sent += len(payload)

    async def end(self, trailer: dict[str, Any]) -> None:
        payload = json.dumps(trailer).encode()
        await self._response.write(b"\2" + len(payload).to_bytes(4, "big") + payload)
        await self._response.write_eof()

    def abort(self) -> None:
        if self._request.transport is not None:
            self._request.transport.abort()

    async def _suffer(self, fault: Fault) -> None:
        if fault.kind == "half_open":
            await asyncio.Event().wait()  # until the client gives up and the handler is cancelled
        if fault.kind == "kill":
            await self._kill()
        self.abort()
        raise ConnectionResetError


def _limit(request: web.Request) -> float | None:
    given = int(request.headers.get("Connect-Timeout-Ms", "0"))
    return given / 1000 if given else None


def _error(status: int, message: str) -> web.Response:
    return web.json_response({"code": status, "message": message}, status=status)
