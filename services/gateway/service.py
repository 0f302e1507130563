"""Wiring: the application from the route table, the watches that feed it, and the order of stopping."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from messaging.connection import connect
from messaging.ports import Bus, BusError
from runtime import health, logs
from runtime.clock import Clock, SystemClock
from runtime.seal import KEY_BYTES, Sealer, SealError
from runtime.settings import SettingsError
from services.gateway import follow_ups
from services.gateway.context import Gateway, assemble
from services.gateway.dashboard import Dashboard
from services.gateway.dispatch import GATEWAY, dispatch
from services.gateway.edge import DASHBOARD, edge, on_prepare
from services.gateway.routes import TABLE
from services.gateway.settings import Settings
from services.gateway.table import Route

log = logs.logger("gateway")
SWEEP_SECONDS = 600.0
AGAIN_SECONDS = 1.0
CLOSE_SECONDS = 3.0


async def serve(settings: Settings, stop: asyncio.Event, *, bus: Bus | None = None) -> None:
    """Run until ``stop`` is set: first no new requests, then the streams end, then the rest."""
    link = bus or await connect(settings.nats_url, service="gateway", creds=settings.nats_creds)
    try:
        async with running(settings, link) as gateway, listening(gateway) as port:
            health.here().add("nats", link.ping)
            log.info("gateway.ready", host=settings.host, port=port, open=gateway.open)
            await stop.wait()
            gateway.stopping.set()
    finally:
        if bus is None:
            await link.close()


@asynccontextmanager
async def running(settings: Settings, bus: Bus, clock: Clock | None = None) -> AsyncIterator[Gateway]:
    """The gateway's parts with their watches; ready when projects and keys have been read."""
    gateway = assemble(
        settings, bus, clock or SystemClock(), admin_key=admin_key(settings), secret_key=secret_key(settings)
    )
    watches: list[Callable[[], Awaitable[None]]] = [shelf.run for shelf in gateway.directory.shelves]
    watches += [gateway.jobs.run, gateway.plans.run, lambda: _sweep(gateway), lambda: follow_ups.run(gateway)]
    tasks = [asyncio.create_task(_forever(watch)) for watch in watches]
    try:
        if settings.default_project:
            await gateway.directory.ensure_project(settings.default_project, gateway.clock.now())
        await gateway.directory.ready(30.0)
        yield gateway
    finally:
        gateway.stopping.set()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await gateway.hubs.close()
        if gateway.http is not None:
            await gateway.http.close()


async def _forever(watch: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await watch()
        except Exception:  # a watch that ends would leave the gateway blind; begin it again and say so
            log.exception("watch.failed")
        await asyncio.sleep(AGAIN_SECONDS)


async def _sweep(gateway: Gateway) -> None:
    while True:
        with contextlib.suppress(BusError):
            await gateway.directory.sweep(gateway.clock.now())
        await asyncio.sleep(SWEEP_SECONDS)


@asynccontextmanager
async def listening(gateway: Gateway) -> AsyncIterator[int]:
    """Listen; yields the port."""
    settings = gateway.settings
    runner = web.AppRunner(application(gateway), access_log=None, handle_signals=False, shutdown_timeout=CLOSE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
        yield int(runner.addresses[0][1])
    finally:
        gateway.stopping.set()
        await runner.cleanup()


def application(gateway: Gateway) -> web.Application:
    """The aiohttp application of a gateway."""
    app = web.Application(middlewares=[edge])
    app[GATEWAY] = gateway
    app[DASHBOARD] = Dashboard(Path(gateway.settings.dashboard_dir))
    app.on_response_prepare.append(on_prepare)
    for route in TABLE:
        app.router.add_route(route.method, route.path, _handler(route))
        if route.method == "GET" and route.media != "text/event-stream":
            app.router.add_route("HEAD", route.path, _handler(route))
    return app


def _handler(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await dispatch(route, request)

    return handle


def admin_key(settings: Settings) -> str:
    """The admin key from the setting or its file; raises SettingsError."""
    if settings.admin_key or not settings.admin_key_file:
        return settings.admin_key
    try:
        key = Path(settings.admin_key_file).read_text(encoding="utf-8").strip()
    except OSError as why:
        raise SettingsError(f"ADMIN_KEY_FILE cannot be read: {why.strerror}") from why
    if len(key) < 16:
        raise SettingsError("ADMIN_KEY_FILE holds fewer than 16 characters.")
    return key


def secret_key(settings: Settings) -> bytes | None:
    """The bytes of SOULCASTER_SECRET_KEY, None when it is not set; raises SettingsError."""
    if not settings.soulcaster_secret_key:
        return None
    try:
        Sealer.from_text(settings.soulcaster_secret_key)
    except SealError as why:
        raise SettingsError(f"SOULCASTER_SECRET_KEY: {why}") from why
    return base64.b64decode(settings.soulcaster_secret_key.strip())[:KEY_BYTES]
