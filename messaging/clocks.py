"""How far the broker's clock is from ours: leases, time-outs and ages are told by one and read by the other."""

import time
from datetime import datetime
from typing import Final

from messaging import jetstream
from messaging.connection import connect
from messaging.link import Link
from messaging.ports import Unavailable
from schemas.subjects import FEEDBACK

ROUNDS: Final = 3


async def ahead(url: str, *, creds: str = "", within: float = 3.0) -> float:
    """Seconds that the broker's clock is ahead of this machine's, by the quickest of a few answers.

    Raises BusError when the broker does not answer or tells no time (``ts`` of stream info, nats-server 2.10).
    """
    bus = await connect(url, service="doctor", creds=creds, within=within)
    try:
        return min([await _once(bus.link, within) for _ in range(ROUNDS)])[1]
    finally:
        await bus.close()


async def _once(link: Link, within: float) -> tuple[float, float]:
    """How long the answer took, and how far ahead it was of the middle of that time."""
    sent, begun = time.time(), time.perf_counter()
    told = (await jetstream.call(link, f"STREAM.INFO.{FEEDBACK}", timeout=within)).ts
    took = time.perf_counter() - begun
    if not told:
        raise Unavailable("the broker tells no time; nats-server 2.10 or newer does")
    at = datetime.fromisoformat(told[:26].rstrip("Z") + "+00:00").timestamp()  # nanoseconds are more than we read
    return took, at - (sent + took / 2)
