"""Three servers, three replicas: the same promises while the leader of a stream is killed."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import msgspec

from messaging.connection import NatsBus, connect
from messaging.logpipe import LogPublisher
from messaging.ports import Stored
from messaging.provision import provision
from schemas.base import decode
from schemas.logs import LogChunk
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer, cluster

TOTAL = 5_000


async def leader_of(bus: NatsBus, stream: str, servers: list[NatsServer]) -> NatsServer:
    info = msgspec.json.decode((await bus.link.call(f"$JS.API.STREAM.INFO.{stream}")).data)
    name = info["cluster"]["leader"]
    return next(server for server in servers if name == f"test-{server.port}")


async def test_logs_and_state_survive_the_death_of_their_leaders(tmp_path: Path) -> None:
    async with cluster(tmp_path) as servers:
        url = ",".join(server.url for server in servers)
        await provision(url, "cluster")
        writer, reader = await connect(url, service="writer"), await connect(url, service="reader")
        chunks: list[LogChunk] = []

        async def read() -> None:
            async with aclosing(reader.follow("LOGS", ["logs.p.j"])) as items:
                async for item in items:
                    if isinstance(item, Stored):
                        chunks.append(decode(item.data, LogChunk))
                        if chunks[-1].end:
                            return

        async def write() -> None:
            pipe = LogPublisher(writer, "p", "j", 1)
            for start in range(0, TOTAL, 10):
                await pipe.write([f"line {number}" for number in range(start, start + 10)])
                await pipe.flush()
            await pipe.close()

        reading, writing = asyncio.create_task(read()), asyncio.create_task(write())
        state = writer.state("jobs", dict)
        revision = await state.create("p.j", {"n": 0})
        await eventually(lambda: len(chunks) > 50, within=20)
        dead = await leader_of(reader, "LOGS", servers)
        await dead.kill9()
        await state.replace("p.j", {"n": 1}, revision)
        await asyncio.wait_for(writing, 90)
        await asyncio.wait_for(reading, 30)
        lines = [line for chunk in chunks for line in chunk.lines]
        assert lines == [f"line {number}" for number in range(TOTAL)]
        entry = await state.get("p.j")
        assert entry is not None
        assert entry.value == {"n": 1}
        await writer.close()
        await reader.close()
