"""The log pipe over a real broker that is killed, restarted and stopped while it prints."""

import asyncio
from functools import partial

from messaging.connection import NatsBus, connect
from messaging.logpipe import IN_FLIGHT, MAX_LINE, MAX_LINES, LogPublisher
from schemas.base import decode
from schemas.logs import LogChunk
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer

LINE = "line %08d of what the agent prints, about as long as such lines are on the average"


async def chunks(bus: NatsBus, job: str = "j") -> list[LogChunk]:
    found: list[LogChunk] = []
    after = 0
    while page := await bus.page("LOGS", f"logs.p.{job}", after=after, limit=1000):
        after = page[-1].sequence
        found += [decode(stored.data, LogChunk) for stored in page]
    return found


def check_numbering(found: list[LogChunk]) -> list[str]:
    """Chunks in stored order are numbered without gap, repeat or inversion; their lines."""
    expected = 0
    lines: list[str] = []
    for chunk in found:
        assert chunk.first == expected
        expected += len(chunk.lines)
        lines += chunk.lines
    return lines


def printed(pipe: LogPublisher, lines: int) -> bool:
    return pipe.next_line >= lines


async def test_lines_are_batched_numbered_and_ended(bus: NatsBus) -> None:
    pipe = LogPublisher(bus, "p", "j", 1)
    await pipe.write([LINE % n for n in range(200)])
    assert pipe.next_line == 200
    await pipe.close()
    found = await chunks(bus)
    assert check_numbering(found) == [LINE % n for n in range(200)]
    assert max(len(chunk.lines) for chunk in found) == MAX_LINES
    assert [chunk.end for chunk in found] == [False] * (len(found) - 1) + [True]
    assert {(chunk.job_id, chunk.project_id, chunk.attempt) for chunk in found} == {("j", "p", 1)}


async def test_a_single_line_is_sent_without_a_flush(bus: NatsBus) -> None:
    pipe = LogPublisher(bus, "p", "j", 1)
    await pipe.write(["alone"])

    async def stored() -> None:
        assert [chunk.lines for chunk in await chunks(bus)] == [["alone"]]

    await eventually(stored, within=2)
    await pipe.close(end=False)
    assert len(await chunks(bus)) == 1


async def test_a_change_of_stream_phase_or_step_begins_a_chunk(bus: NatsBus) -> None:
    pipe = LogPublisher(bus, "p", "j", 1)
    await pipe.write(["a"], stream="stdout")
    await pipe.write(["b"], stream="stderr")
    await pipe.write(["c"], stream="stderr", phase="verifying", step="s1")
    await pipe.close()
    found = await chunks(bus)
    assert check_numbering(found) == ["a", "b", "c"]
    assert [(chunk.stream, chunk.phase, chunk.step) for chunk in found[:3]] == [
        ("stdout", "agent", None),
        ("stderr", "agent", None),
        ("stderr", "verifying", "s1"),
    ]


async def test_a_line_without_end_is_split_and_marked_partial(bus: NatsBus) -> None:
    pipe = LogPublisher(bus, "p", "j", 1)
    await pipe.write(["x" * (2 * MAX_LINE + 10), "next"])
    await pipe.write(["half"], partial=True)
    await pipe.write(["way"])
    await pipe.close()
    found = await chunks(bus)
    assert [(len(chunk.lines[0]) if chunk.lines else 0, chunk.partial) for chunk in found][:2] == [(MAX_LINE, True)] * 2
    assert [len(line) for line in check_numbering(found)] == [MAX_LINE, MAX_LINE, 10, 4, 4, 3]
    assert [chunk.partial for chunk in found if "half" in chunk.lines] == [True]


async def test_numbering_goes_on_where_an_earlier_publisher_stopped(bus: NatsBus) -> None:
    first = LogPublisher(bus, "p", "j", 1)
    await first.write(["a", "b"])
    await first.close(end=False)
    second = LogPublisher(bus, "p", "j", 1, first=first.next_line)
    await second.write(["c"])
    await second.close()
    assert check_numbering(await chunks(bus)) == ["a", "b", "c"]


async def test_nothing_is_lost_repeated_or_out_of_order_when_the_server_is_killed(
    nats: NatsServer, bus: NatsBus
) -> None:
    runner = await connect(nats.url, service="runner")
    pipe = LogPublisher(runner, "p", "j", 1)
    total = 60_000

    async def print_all() -> None:
        for start in range(0, total, 20):
            await pipe.write([LINE % n for n in range(start, start + 20)])
        await pipe.close()

    printing = asyncio.create_task(print_all())
    for lines in (10_000, 30_000):
        await eventually(partial(printed, pipe, lines), within=30)
        assert not printing.done()
        await nats.restart()
    await asyncio.wait_for(printing, 60)
    assert check_numbering(await chunks(bus)) == [LINE % n for n in range(total)]
    await runner.close()


async def test_a_server_that_hangs_slows_the_writer_down_and_loses_nothing(nats: NatsServer, bus: NatsBus) -> None:
    pipe = LogPublisher(bus, "p", "j", 1)
    await pipe.write(["first"])
    await pipe.flush()
    nats.pause()
    total = 4 * IN_FLIGHT * MAX_LINES

    async def print_all() -> None:
        for start in range(0, total, MAX_LINES):
            await pipe.write([LINE % n for n in range(start, start + MAX_LINES)])
        await pipe.close()

    printing = asyncio.create_task(print_all())
    bound = (IN_FLIGHT + 2) * MAX_LINES + 1
    await asyncio.wait({printing}, timeout=3)  # longer than the pipe waits for an answer, so it goes back once
    assert not printing.done()
    assert pipe.next_line <= bound
    nats.resume()
    await asyncio.wait_for(printing, 30)
    assert check_numbering(await chunks(bus)) == ["first"] + [LINE % n for n in range(total)]


async def test_two_publishers_of_one_attempt_store_each_line_once(bus: NatsBus) -> None:
    for _ in range(2):
        pipe = LogPublisher(bus, "p", "j", 1)
        await pipe.write([LINE % n for n in range(MAX_LINES * 2)])
        await pipe.close()
    assert check_numbering(await chunks(bus)) == [LINE % n for n in range(MAX_LINES * 2)]


async def test_the_longest_line_in_its_longest_form_still_fits_in_a_message(bus: NatsBus) -> None:
    pipe = LogPublisher(bus, "p", "j", 1)
    await pipe.write(["\x01" * MAX_LINE, "\U0001f41b" * MAX_LINE])  # six bytes a character in JSON; four in UTF-8
    await pipe.close()
    assert [len(line) for line in check_numbering(await chunks(bus))] == [MAX_LINE, MAX_LINE]
