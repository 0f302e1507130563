"""A service process from start to end: settings, logs, signals, grace, exit code."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

import msgspec

from runtime import health, logs, telemetry
from runtime.settings import SettingsError, load

S = TypeVar("S", bound=msgspec.Struct)
Serve = Callable[[S, asyncio.Event], Awaitable[None]]

OK: Final = 0
CRASHED: Final = 1
BAD_SETTINGS: Final = 78  # EX_CONFIG of BSD's sysexits.h
GRACE_SECONDS: Final = 8.0
ABORT_SECONDS: Final = 1.5


def run(name: str, settings_type: type[S], serve: Serve[S]) -> int:
    """Run ``serve(settings, stop)`` until it returns, SIGTERM or SIGINT; returns the exit code.

    The first signal sets ``stop`` and gives ``serve`` 8 seconds to end in order; a second one, or the end of the
    grace, cancels it. 0: ended in order. 1: crashed or had to be cancelled. 78: the settings do not fit.
    """
    try:
        settings = load(settings_type)
    except SettingsError as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201  (logs are not configured yet)
        return BAD_SETTINGS
    logs.configure(name, getattr(settings, "log_level", "info"), getattr(settings, "log_format", "json"))
    telemetry.configure(name)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(supervise(name, settings, serve))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not installed on Windows
        return None
    return uvloop.new_event_loop


async def supervise(name: str, settings: S, serve: Serve[S]) -> int:
    """The part of ``run`` inside the event loop."""
    log = logs.logger("lifecycle")
    stop, now = asyncio.Event(), asyncio.Event()
    _on_signals(stop, now)
    async with AsyncExitStack() as stack:
        port = int(getattr(settings, "health_port", 0))
        mine = health.here()
        if port:
            await stack.enter_async_context(health.serve(getattr(settings, "health_host", "127.0.0.1"), port, mine))
        log.info("service.starting", health_port=port)
        work = asyncio.ensure_future(serve(settings, stop))
        await _first(work, stop)
        if not work.done():
            log.info("service.stopping", grace_seconds=GRACE_SECONDS)
            await _first(work, now, timeout=GRACE_SECONDS)
        return await _finish(work, log)


def _on_signals(stop: asyncio.Event, now: asyncio.Event) -> None:
    def received() -> None:
        (now if stop.is_set() else stop).set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, received)


async def _first(work: "asyncio.Future[Any]", event: asyncio.Event, timeout: float | None = None) -> None:
    waiter = asyncio.ensure_future(event.wait())
    await asyncio.wait({work, waiter}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()


async def _finish(work: "asyncio.Future[None]", log: Any) -> int:
    if not work.done():
        log.warning("service.aborted", reason="did not stop within its grace period")
        work.cancel()
        await asyncio.wait({work}, timeout=ABORT_SECONDS)
        return CRASHED
    error = None if work.cancelled() else work.exception()
    if error is not None:
        log.error("service.crashed", exc_info=error)
        return CRASHED
    log.info("service.stopped")
    return OK
