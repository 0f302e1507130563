"""How long ``soulcaster up`` takes to be ready, and what each of its processes weighs when idle.

``python -m benchmarks.bench_up``. Ready: from the start of the command to its ready file. Memory: resident size of each
process five seconds after that, then once more after REPORTS reports were clustered.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.measure import main, median, tell
from tests.support.embedded import Up, up
from tests.support.eventually import eventually

ROUNDS = 3
REPORTS = 200
GOAL_SECONDS, GOAL_MB = 5.0, 120.0


def resident(data: Path) -> dict[str, float]:
    """MB by process of the instance: resident, and of that what is its own (anonymous)."""
    found: dict[str, float] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            line = (folder / "cmdline").read_bytes().split(b"\0")
            environ = (folder / "environ").read_bytes()
            status = (folder / "status").read_text()
        except OSError:
            continue
        if f"={data}".encode() not in environ and str(data).encode() not in line:
            continue
        name = next((part.decode() for part in line if part.startswith(b"services.")), line[0].decode().rsplit("/")[-1])
        rss = next((int(row.split()[1]) for row in status.splitlines() if row.startswith("VmRSS")), 0)
        found["soulcaster up" if name.startswith("python") else name] = round(rss / 1024, 1)
    return dict(sorted(found.items()))


async def start(folder: Path, number: int) -> float:
    """Seconds until ready, on an empty data folder."""
    begin = time.perf_counter()
    async with up(folder / f"data{number}"):
        return time.perf_counter() - begin


async def weigh(folder: Path) -> None:
    async with up(folder / "weighed") as instance:
        await asyncio.sleep(5)
        tell("up_memory_idle_mb", goal_each=GOAL_MB, **{"after_reports": 0}, mb=resident(instance.data))
        await _feed(instance)
        await asyncio.sleep(5)
        tell("up_memory_idle_mb", goal_each=GOAL_MB, **{"after_reports": REPORTS}, mb=resident(instance.data))


async def _feed(instance: Up) -> None:
    for number in range(REPORTS):
        text = f"Export {number % 20} of page {number} fails with IndexError in module_{number % 20}/export.py"
        await instance.call("POST", "/ingest/manual", json={"text": text})

    async def clustered() -> bool:
        clusters = await instance.call("GET", "/clusters?limit=500")
        return sum(cluster["count"] for cluster in clusters) >= REPORTS

    await eventually(clustered, 60)


async def run() -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        taken = [await start(Path(folder), number) for number in range(ROUNDS)]
        tell(
            "up_ready_seconds", median=round(median(taken), 2), each=[round(one, 2) for one in taken], goal=GOAL_SECONDS
        )
        await weigh(Path(folder))


if __name__ == "__main__":
    main(run)
