"""The log pipe: masked, capped, without gaps whoever is cancelled."""

import asyncio
import json
from pathlib import Path

import pytest

from messaging.memory import MemoryBus
from messaging.ports import BusError
from runner_core.log_archive import LogArchive
from runner_core.logs import LogCapReached, LogPipe
from runner_core.masking import Needles
from runner_core.protocols import Line
from tests.unit.runner_core.test_prompt import task

NEEDLES = Needles({"key": "sk-0123456789-secret"})


class Sink:
    """A publisher that remembers; ``gate`` holds it back, ``error`` breaks it."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str | None, bool]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.ended = False

    async def write(
        self, lines: list[str], *, stream: str, phase: str, step: str | None = None, partial: bool = False
    ) -> None:
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.got += [(line, stream, step, partial and n == len(lines)) for n, line in enumerate(lines, 1)]

    async def flush(self) -> None: ...

    async def close(self, end: bool = True) -> None:
        self.ended = end


async def test_a_secret_cut_in_two_is_masked_on_both_streams() -> None:
    sink = Sink()
    pipe = LogPipe(sink, NEEDLES, 10_000)
    for name in ("stdout", "stderr"):
        channel = pipe.channel(name)
        await channel.feed(b"a sk-01234")
        await channel.feed(b"56789-secret b\nlast")
        await channel.close()
    await pipe.close()
    assert [line for line, *_ in sink.got] == ["a [redacted:key] b", "last"] * 2
    assert sink.ended


async def test_a_secret_that_only_decoding_spells_is_masked() -> None:
    sink = Sink()
    pipe = LogPipe(sink, NEEDLES, 10_000)
    channel = pipe.channel("stdout", lambda text, stream: [Line(json.loads(text), step="1")])
    await channel.feed(b'"\\u0073k-0123456789-secret \\ud800"\n')
    await pipe.close()
    assert sink.got == [("[redacted:key] ?", "agent", "1", False)]


async def test_printing_too_much_ends_it_and_own_words_still_fit() -> None:
    sink = Sink()
    pipe = LogPipe(sink, NEEDLES, 100)
    with pytest.raises(LogCapReached):
        await pipe.channel("stdout").feed(b"x" * 40 + b"\n" + b"y" * 80 + b"\n")
    await pipe.system("why it ended\nand what to do")
    await pipe.close()
    assert [line for line, *_ in sink.got][-2:] == ["why it ended", "and what to do"]


async def test_a_cancelled_writer_leaves_no_gap() -> None:
    sink = Sink()
    sink.gate.clear()
    pipe = LogPipe(sink, NEEDLES, 10**6)

    async def write() -> None:
        for number in range(500):
            await pipe.system(str(number))

    writer = asyncio.create_task(write())
    await asyncio.wait({writer}, timeout=0.05)
    assert not writer.done()  # held back: memory stays bounded
    writer.cancel()
    await asyncio.wait({writer})
    sink.gate.set()
    await pipe.system("end")
    await pipe.close()
    numbers = [line for line, *_ in sink.got]
    assert numbers == [*(str(n) for n in range(len(numbers) - 1)), "end"]


async def test_a_broken_publisher_is_told_to_the_writer() -> None:
    sink = Sink()
    sink.error = BusError("too large")
    pipe = LogPipe(sink, NEEDLES, 10**6)
    await pipe.system("one")
    with pytest.raises(BusError, match="too large"):
        await pipe.flush()
    await pipe.abandon()


async def test_the_archive_holds_the_same_lines_under_the_same_numbers(memory_bus: MemoryBus, tmp_path: Path) -> None:
    objects = memory_bus.objects()
    for _ in range(2):
        archive = LogArchive(tmp_path / "log", task())
        pipe = LogPipe(Sink(), NEEDLES, 10_000, archive)
        await pipe.system("one\ntwo")
        await pipe.channel("stdout").feed(b"three\n")
        await pipe.close()
        await archive.store(objects)
        (tmp_path / "log").unlink()
    chunks = [json.loads(line) for line in (await objects.get("logs/p/J.ndjson") or b"").splitlines()]
    assert [(chunk["first"], chunk["lines"]) for chunk in chunks] == [(0, ["one", "two"]), (2, ["three"])] * 2
