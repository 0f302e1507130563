"""Starts the processes of an embedded instance, restarts one that dies, stops all in order and leaves none."""

import asyncio
import contextlib
import fcntl
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import IO

import aiohttp

from cli.client import Gateway
from cli.context import Target
from cli.embedded.layout import BROKER_CONFIG, DEFAULT_PROJECT, ROOT, Layout
from cli.embedded.services import SERVICES, Instance, environment
from cli.errors import CliError, Exit
from messaging.ports import BusError
from messaging.provision import provision
from runtime.processes import Child, nats_server_binary

STOP_SECONDS = 6.0


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the data folder: two instances on one folder would corrupt the stream store."""
    try:
        opened = layout.lock.open("w")
    except OSError as error:
        raise CliError(
            f"cannot write into {layout.data}",
            why=error.strerror or str(error),
            next_step="choose another folder with --data",
            code=Exit.USAGE,
        ) from error
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CliError(
                f"{layout.data} is in use by another `soulcaster up`",
                next_step="stop that one, or choose another folder with --data",
                code=Exit.CONFLICT,
            ) from error
        yield


class Supervisor:
    """The processes of one instance. ``start`` returns when the gateway says that all is ready."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        self._broker: Child | None = None
        self._services: dict[str, Child] = {}
        self._watchers: list[asyncio.Task[None]] = []
        self._stopping = False
        self._logs: list[IO[bytes]] = []

    async def start(self, *, within: float = 60.0) -> None:
        """Start all; raises CliError naming the part that did not come up and the end of its log."""
        deadline = time.monotonic() + within
        await self._start_broker(deadline)
        for name in SERVICES:
            await self._start_service(name)
            self._watchers.append(asyncio.create_task(self._keep(name)))
        await self._await_ready(deadline)
        if self.instance.repository:
            await self._choose_repository()

    async def stop(self) -> None:
        """Services first, all at once; the broker last, so that their last words are stored."""
        self._stopping = True
        for watcher in self._watchers:
            watcher.cancel()
        await asyncio.gather(*self._watchers, return_exceptions=True)
        await asyncio.gather(*(child.stop(STOP_SECONDS) for child in self._services.values()))
        if self._broker:
            await self._broker.stop(2.0)
        for file in self._logs:
            file.close()

    def pids(self) -> dict[str, int]:
        """Process id by name, broker included."""
        broker = {"nats-server": self._broker.pid} if self._broker else {}
        return broker | {name: child.pid for name, child in self._services.items()}

    async def _start_broker(self, deadline: float) -> None:
        await self._run_broker()
        while True:
            try:
                await provision(self.instance.nats_url, "embedded")
                break
            except (OSError, ConnectionError, TimeoutError) as error:
                if self._ended() or time.monotonic() > deadline:
                    raise self._did_not_start("nats-server", str(error)) from error
                await asyncio.sleep(0.05)
        self._watchers.append(asyncio.create_task(self._keep_broker()))

    def _ended(self) -> bool:
        return self._broker is None or self._broker.returncode is not None

    async def _run_broker(self) -> None:
        log, port = self._log("nats-server"), str(self.instance.nats_port)
        env = {"PATH": os.defpath, "NATS_STORE": str(self.instance.layout.nats)}
        argv: list[str | Path] = [nats_server_binary(), "--config", BROKER_CONFIG, "--port", port]
        self._broker = await Child.start("nats-server", argv, env=env, stdout=log, stderr=log, die_with_parent=True)

    async def _start_service(self, name: str) -> None:
        log = self._log(name)
        argv = [sys.executable, "-m", f"services.{name}"]
        self._services[name] = await Child.start(
            name, argv, env=environment(name, self.instance), cwd=ROOT, stdout=log, stderr=log, die_with_parent=True
        )

    def _log(self, name: str) -> IO[bytes]:
        file = (self.instance.layout.logs / f"{name}.log").open("ab")
        self._logs.append(file)
        return file

    async def _keep(self, name: str) -> None:
        """Start a service again when it dies: at once, then after ever longer pauses while it keeps dying young."""
        pause = 0.0
        while True:
            born = time.monotonic()
            code = await self._services[name].wait()
            await self._services[name].kill()
            if code == Exit.CONFIGURATION:
                return  # bad settings do not mend themselves; readiness names the log
            pause = 0.0 if time.monotonic() - born > 10 else min(max(pause * 2, 0.5), 10.0)
            await asyncio.sleep(pause)
            await self._start_service(name)

    async def _keep_broker(self) -> None:
        while True:
            assert self._broker
            await self._broker.wait()
            await asyncio.sleep(0.2)
            await self._run_broker()
            await self._provision_again()

    async def _provision_again(self) -> None:
        """A broker that was killed comes back without the bucket that lived in its memory: make it anew."""
        while not self._ended():
            try:
                await provision(self.instance.nats_url, "embedded")
            except (OSError, ConnectionError, TimeoutError, BusError):
                await asyncio.sleep(0.05)
            else:
                return

    async def _await_ready(self, deadline: float) -> None:
        last = ""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while time.monotonic() < deadline:
                for name, child in self._services.items():
                    if child.returncode == Exit.CONFIGURATION:
                        raise self._did_not_start(name, "its settings do not fit", Exit.CONFIGURATION)
                try:
                    async with session.get(self.instance.gateway_url + "/readyz") as response:
                        if response.status == 200:
                            return
                        last = (await response.text())[:500]
                except (aiohttp.ClientError, TimeoutError) as error:
                    last = str(error)
                await asyncio.sleep(0.05)
        raise self._did_not_start("gateway", last)

    async def _choose_repository(self) -> None:
        """Make the repository named on the command line the default project's own."""
        layout, path = self.instance.layout, f"/projects/{DEFAULT_PROJECT}"
        async with Gateway(Target(self.instance.gateway_url, layout.admin_key(), DEFAULT_PROJECT)) as gateway:
            await gateway.call("PATCH", path, body={"default_repo_url": self.instance.repository})

    def _did_not_start(self, name: str, why: str, code: Exit = Exit.UNAVAILABLE) -> CliError:
        path = self.instance.layout.logs / f"{name}.log"
        tail = path.read_text(errors="replace").strip().split("\n")[-5:] if path.exists() else []
        return CliError(
            f"{name} did not get ready",
            why="\n  ".join([why, *tail]),
            next_step=f"read {self.instance.layout.logs}, then soulcaster doctor",
            code=code,
        )


@contextlib.asynccontextmanager
async def running(instance: Instance, ready_file: Path | None = None) -> AsyncIterator[Supervisor]:
    """A ready instance, its ready files written; everything is stopped and the files are gone afterwards."""
    layout = instance.layout
    with locked(layout):
        supervisor = Supervisor(instance)
        files = [layout.ready] + ([ready_file] if ready_file else [])
        try:
            await supervisor.start()
            for file in files:
                write_ready(file, instance)
            yield supervisor
        finally:
            for file in files:
                file.unlink(missing_ok=True)
            await supervisor.stop()


def partial_of(file: Path) -> Path:
    """Where a ready file is written before it takes its name."""
    return file.with_name(file.name + ".part")


def write_ready(file: Path, instance: Instance) -> None:
    """Write the ready file at once and whole, readable by its owner only: it holds the API key."""
    partial = partial_of(file)
    partial.touch(mode=0o600)
    partial.write_text(json.dumps(instance.ready()) + "\n")
    partial.replace(file)
