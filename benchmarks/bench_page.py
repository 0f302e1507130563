"""The page in Chromium against a real instance: first paint, live lines, a log of 200,000 lines, 1,000 clusters.

``python -m benchmarks.bench_page`` (needs Chromium and the built page; CLUSTERS is the only long part, about a minute).
The browser's side is ``dashboard/e2e/bench.ts``. A live line's time is from just before its publish to the second frame
in which it stands on the page: both clocks are this machine's. Frame times are Chromium's without a GPU; a frame of an
idle page is told beside them, because a busy machine misses frames with an empty page as well.
"""

import asyncio
import gzip
import json
import os
import random
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measure import main, percentile, tell
from cli.client import Gateway
from cli.context import Target
from messaging.connection import connect
from messaging.logpipe import LogPublisher
from schemas import subjects
from schemas.jobs import Job
from tests.e2e.page_stack import page_stack, planted_job
from tests.support.eventually import eventually

DASHBOARD = Path(__file__).resolve().parents[1] / "dashboard"
CLUSTERS = 1000
LIVE_LINES, LIVE_SECONDS = 200, 0.1
LIVE_JOB = "PLANTEDLIVE0000000000000AA"
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


async def run() -> None:
    tell("page_bundle", **first_load())
    with tempfile.TemporaryDirectory(prefix="bench-page-") as folder:
        async with page_stack(Path(folder) / "data") as found:
            await fill(found)
            async with live_job(found):
                ready = Path(folder) / "ready.json"
                found["planted"]["live_job"] = LIVE_JOB
                await asyncio.to_thread(ready.write_text, json.dumps(found))
                told = await browser(ready)
    for line in told:
        if line["bench"] == "page_live_line":
            taken = sorted(line.pop("taken_ms"))
            line |= {f"p{share}_ms": round(percentile(taken, share / 100), 1) for share in (50, 95, 99)}
            line |= {"lines": len(taken), "goal_p95_ms": 300}
        tell(line.pop("bench"), **line)


def first_load() -> dict[str, Any]:
    """Compressed kB of what the inbox needs: the entry, what it imports at once, the style and the page itself."""
    folder = DASHBOARD / "dist"
    page = (folder / "index.html").read_text()
    names = [part.split('"')[0] for part in page.split('="/assets/')[1:]]
    files = [folder / "index.html", *(folder / "assets" / name for name in names)]
    gz = sum(len(gzip.compress(path.read_bytes(), 9)) for path in files)
    br = sum(path.with_name(f"{path.name}.br").stat().st_size for path in files)
    return {"files": len(files), "gzip_kb": round(gz / 1000, 1), "brotli_kb": round(br / 1000, 1), "goal_gzip_kb": 250}


def words(seed: int) -> str:
    """Words that no other report shares, so that each report is a cluster of its own."""
    chance = random.Random(seed)
    return " ".join("".join(chance.choice(CONSONANTS) + chance.choice(VOWELS) for _ in range(4)) for _ in range(6))


async def fill(found: dict[str, Any]) -> None:
    """Reports until there are CLUSTERS clusters."""
    target = Target(found["gateway"], found["api_key"], found["project_id"])
    async with Gateway(target) as gateway:
        for number in range(CLUSTERS):
            body = {"title": words(number), "text": f"{words(number + 10**6)} {words(number + 2 * 10**6)}"}
            await gateway.call("POST", "/ingest/manual", body=body)

        async def clustered() -> int:
            stats = await gateway.call("GET", "/stats")
            assert stats["total_feedback"] >= CLUSTERS
            return int(stats["total_clusters"])

        tell("page_clusters", clusters=await eventually(clustered, within=600))


@asynccontextmanager
async def live_job(found: dict[str, Any]) -> AsyncIterator[None]:
    """A job that waits for its next attempt, so that nobody touches it, and whose log goes on for as long as asked."""
    bus = await connect(found["nats"], service="orchestrator")
    now = datetime.now(UTC)
    waits = {"created_at": now, "started_at": now, "updated_at": now, "finished_at": None, "phase": "queued"}
    waits |= {name: now + timedelta(hours=1) for name in ("not_before", "deadline", "phase_deadline")}
    job = planted_job(LIVE_JOB, found["planted"]["other_cluster"], "pending", **waits)
    await bus.state("jobs", Job).create(subjects.key(job.project_id, job.id), job)
    printing = asyncio.ensure_future(_print(LogPublisher(bus, job.project_id, job.id, 1)))
    try:
        yield
    finally:
        printing.cancel()
        await asyncio.gather(printing, return_exceptions=True)
        await bus.close()


async def _print(pipe: LogPublisher) -> None:
    number = 0
    while True:
        await pipe.write([f"tick {number} {time.time() * 1e3:.1f}"])
        number += 1
        await asyncio.sleep(LIVE_SECONDS)


async def browser(ready: Path) -> list[dict[str, Any]]:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or "chromium"
    known = {"SOULCASTER_STACK": str(ready), "CHROMIUM": chromium, "LIVE_LINES": str(LIVE_LINES), "FORCE_COLOR": "0"}
    command = ("npx", "--no-install", "playwright", "test", "--config", "bench.config.ts")
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=DASHBOARD,
        env=os.environ | known,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode(errors="replace")
    if process.returncode != 0:
        raise RuntimeError(f"the browser's side failed:\n{said[-4000:]}")
    return [json.loads(line) for line in said.splitlines() if line.startswith('{"bench"')]


if __name__ == "__main__":
    main(run)
