"""Vectors for arriving reports, where an endpoint gives them in time; reports go on without otherwise.

What holds after a crash: a vector is stored with the report's place, in one transaction (it is part of the engine's
memo). A report that was embedded and placed, but not stored, was seen by nobody; it is asked for and placed again.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, Literal

from prometheus_client import Counter

from runtime.clock import Clock
from runtime.logs import logger
from schemas.triage_results import Embeddings
from services.triage.embedding_requests import Requests
from services.triage.embeddings import Budget, Failed, Vector, pause, question
from services.triage.engine import Report
from services.triage.lease import LeaseLost

log = logger("triage.embedder")
VECTORS = Counter("soulcaster_embeddings_total", "Reports to embed, by what came of it", ["outcome"])


class Stopping(LeaseLost):
    """The instance stops: the reports are handed back, and the next instance places them."""


class Embedder:
    """``seconds`` for all requests of a batch of reports, ``per_hour`` texts an hour."""

    def __init__(self, requests: Requests, clock: Clock, over: asyncio.Event, *, seconds: float, per_hour: int) -> None:
        self._requests, self._clock, self._over, self._seconds = requests, clock, over, seconds
        self._budget = Budget(per_hour)
        self._failures = 0
        self._until = 0.0
        self._reason = ""
        self._spent = False
        self._given = self._missing = 0

    async def vectors(self, reports: Sequence[Report]) -> dict[str, Vector]:
        """By report id, for those that have one. Takes ``seconds`` at most.

        Whatever the endpoint does is no error. Raises Stopping where a stop comes first: nothing is placed then.
        """
        texts = await asyncio.to_thread(_texts, reports)  # half a millisecond each: calls must get their turn
        found = self._requests.known(texts.values())
        await self._unless_over(self._ask([text for text in dict.fromkeys(texts.values()) if text not in found], found))
        given = {id_: found[text] for id_, text in texts.items() if text in found}
        self._count("given", len(given))
        self._count("missing", len(texts) - len(given))
        return given

    def status(self) -> Embeddings:
        """For people."""
        now = self._clock.monotonic()
        state: Literal["working", "failing", "budget_spent"] = "failing"
        left = self._until - now
        if not self._failures:
            left = self._budget.renewed_in(now)
            state = "budget_spent" if left > 0 else "working"
        return Embeddings(
            model=self._requests.model,
            state=state,
            reason=self._reason if self._failures else None,
            next_at=self._clock.now() + timedelta(seconds=left) if left > 0 else None,
            given=self._given,
            missing=self._missing,
        )

    async def _unless_over(self, work: Coroutine[Any, Any, None]) -> None:
        tasks = [asyncio.ensure_future(work), asyncio.ensure_future(self._over.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if not tasks[0].done():
                raise Stopping("triage stops, and waits for no embeddings")
            tasks[0].result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask(self, wanted: list[str], found: dict[str, Vector]) -> None:
        now = self._clock.monotonic()
        if not wanted or now < self._until:
            return
        granted = self._budget.take(len(wanted), now)
        if granted < len(wanted) and not self._spent:
            log.warning(
                "embeddings.budget_spent", model=self._requests.model, seconds=round(self._budget.renewed_in(now))
            )
        self._spent = granted < len(wanted)
        if not granted:
            return
        troubles: list[Failed] = []
        try:
            async with asyncio.timeout(self._seconds):
                troubles = await self._requests.fill(wanted[:granted], found)
        except TimeoutError:
            troubles = [Failed(f"no answer within {self._seconds:g} s")]
        except Exception as error:  # vectors are a courtesy: a fault in asking for them must hold up no report
            log.error("embeddings.broken", exc_info=error)
            troubles = [Failed(f"{type(error).__name__}: {error}")]
        self._judge(troubles, lone=granted == 1)

    def _judge(self, troubles: list[Failed], *, lone: bool) -> None:
        if not troubles:
            if self._failures:
                log.info("embeddings.answered", model=self._requests.model, failures=self._failures)
            self._failures, self._reason, self._until = 0, "", 0.0
            return
        if not (lone and troubles[0].splits and self._failures):  # it may be the text: strangers make no pause grow
            self._failures += 1
        seconds = pause(self._failures, max((trouble.wait or 0.0 for trouble in troubles), default=None))
        self._reason, self._until = troubles[0].reason, self._clock.monotonic() + seconds
        log.warning("embeddings.failed", model=self._requests.model, reason=self._reason, pause_seconds=round(seconds))

    def _count(self, outcome: str, number: int) -> None:
        VECTORS.labels(outcome).inc(number)
        self._given += number if outcome == "given" else 0
        self._missing += number if outcome == "missing" else 0


def _texts(reports: Sequence[Report]) -> dict[str, str]:
    return {report.id: text for report in reports if (text := question(report))}
