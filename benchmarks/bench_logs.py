"""Log lines through the broker: the log pipe against a bare pipelined publisher, latency, and a thousand viewers.

``python -m benchmarks.bench_logs``; each of our numbers stands beside bare nats-py doing the same in the same run.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import aclosing

import nats
import structlog
import uvloop
from nats.aio.client import Client
from nats.aio.msg import Msg

from benchmarks.measure import broker, main, median, milliseconds, tell
from messaging.connection import NatsBus, connect
from messaging.hub import Frames, LogHub
from messaging.logpipe import IN_FLIGHT, MAX_LINES, LogPublisher
from messaging.ports import CaughtUp, Stored

LINE = "2026-11-23 12:00:00 a line of a build log of the usual length, about one hundred characters long in all, yes"
LINES = 200_000
ROUNDS = 5


class BarePipeline:
    """The least that a reliable pipelined publisher must do: reply subject, ids, a bound, acks counted."""

    def __init__(self, client: Client, in_flight: int) -> None:
        self._client, self._slots = client, asyncio.Semaphore(in_flight)
        self._inbox = client.new_inbox()
        self._acked = 0
        self._all = asyncio.Event()
        self._wanted = -1

    async def start(self) -> None:
        await self._client.subscribe(self._inbox, cb=self._on_ack)
        await self._client.flush()

    async def _on_ack(self, _: Msg) -> None:
        self._acked += 1
        self._slots.release()
        if self._acked == self._wanted:
            self._all.set()

    async def run(self, subject: str, batches: int, lines: list[str], name: str) -> None:
        for number in range(batches):
            await self._slots.acquire()
            headers = {"Nats-Msg-Id": f"{name}.{number}"}
            await self._client.publish(subject, "\n".join(lines).encode(), reply=self._inbox, headers=headers)
        self._wanted = batches
        if self._acked != self._wanted:
            await self._all.wait()


async def bare_rate(url: str, name: str) -> float:
    client = await nats.connect(url)
    pipeline = BarePipeline(client, IN_FLIGHT)
    await pipeline.start()
    begin = time.perf_counter()
    await pipeline.run(f"logs.p.{name}", LINES // MAX_LINES, [LINE] * MAX_LINES, name)
    taken = time.perf_counter() - begin
    await client.close()
    return LINES / taken


async def our_rate(bus: NatsBus, job: str) -> float:
    pipe = LogPublisher(bus, "p", job, 1)
    group = [LINE] * MAX_LINES
    begin = time.perf_counter()
    for _ in range(0, LINES, MAX_LINES):
        await pipe.write(group)
    await pipe.close()
    return LINES / (time.perf_counter() - begin)


async def view_to_end(url: str, job: str) -> None:
    """What a viewer's process does: read a hub until the attempt's last chunk."""
    reader = await connect(url, service="reader")
    hub = LogHub(reader, "LOGS", [f"logs.p.{job}"])
    async with aclosing(hub.join_frames(0)) as steps:
        async for step in steps:
            if isinstance(step, CaughtUp):
                print("ready", flush=True)
            if isinstance(step, Frames) and b'"end":true' in step.data:
                print("end", flush=True)
                break
    await hub.close()
    await reader.close()


async def piped_rate(url: str, writer: NatsBus, job: str) -> float:
    """From the pipe to a viewer in another process that has received the last line."""
    argv = [sys.executable, "-m", "benchmarks.bench_logs", url, job]
    viewer = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE)
    assert viewer.stdout is not None
    await viewer.stdout.readline()
    begin = time.perf_counter()
    await our_rate(writer, job)
    await viewer.stdout.readline()
    taken = time.perf_counter() - begin
    await viewer.wait()
    return LINES / taken


async def throughput(url: str) -> None:
    bare, ours, piped = [], [], []
    writer = await connect(url, service="writer")
    for number in range(ROUNDS):
        bare.append(await bare_rate(url, f"bare{number}"))
        ours.append(await our_rate(writer, f"ours{number}"))
        piped.append(await piped_rate(url, writer, f"piped{number}"))
    await writer.close()
    tell(
        "log_lines_per_second",
        bare=round(median(bare)),
        log_pipe=round(median(ours)),
        log_pipe_to_viewer=round(median(piped)),
        pipe_to_bare=round(median(ours) / median(bare), 3),
        viewer_to_bare=round(median(piped) / median(bare), 3),
        goal=0.6,
        lines_per_chunk=MAX_LINES,
    )


async def live(
    url: str, *, viewers: int, rate: int, seconds: float, render: Callable[[Stored], bytes] = lambda stored: stored.data
) -> None:
    """Lines at a steady rate; each carries the time it was written, viewers note the difference."""
    writer, reader = await connect(url, service="writer"), await connect(url, service="reader")
    job = f"live{viewers}x{rate}"
    hub = LogHub(reader, "LOGS", [f"logs.p.{job}"], render=render)
    total = int(rate * seconds)
    delays: list[float] = []

    async def view() -> int:
        seen = 0
        async with aclosing(hub.join_frames(0)) as steps:
            async for step in steps:
                if isinstance(step, Frames):
                    now = time.time()
                    stamps = [float(part[:17]) for part in step.data.split(b"@")[1:]]
                    delays.extend(now - stamp for stamp in stamps)
                    seen += len(stamps)
                if seen >= total:
                    break
        return seen

    viewing = [asyncio.create_task(view()) for _ in range(viewers)]
    while hub.viewers < viewers:  # noqa: ASYNC110  (a benchmark may poll)
        await asyncio.sleep(0.01)
    pipe = LogPublisher(writer, "p", job, 1)
    begin = time.perf_counter()
    for number in range(total):
        await pipe.write([f"@{time.time():017.6f} {LINE}"])
        await asyncio.sleep(max(0.0, begin + (number + 1) / rate - time.perf_counter()))
    await pipe.close()
    seen = await asyncio.wait_for(asyncio.gather(*viewing), 30)
    lost = sum(total - count for count in seen)
    tell("log_latency", viewers=viewers, lines_per_second=rate, lost=lost, **milliseconds(delays))
    await hub.close()
    await writer.close()
    await reader.close()


async def run() -> None:
    async with broker() as server:
        await throughput(server.url)
        await live(server.url, viewers=1, rate=100, seconds=10)
        await live(server.url, viewers=1000, rate=160, seconds=10)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
        uvloop.run(view_to_end(sys.argv[1], sys.argv[2]))
    else:
        main(run)
