"""Vectors for a file of reports: unlike the service, whoever waits for a file would rather wait than go without."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from services.triage.embedding_requests import Requests
from services.triage.embeddings import Failed, Vector, question
from services.triage.engine import Report

TRIES: Final = 6
FIRST_PAUSE: Final = 2.0  # seconds; doubles
LONGEST_PAUSE: Final = 600.0
ANSWER_SECONDS: Final = 120.0
BATCH: Final = 64
Tell = Callable[[str], None]


class NoAnswer(Exception):
    """The endpoint does not answer; the text is for people."""


@contextmanager
def vectors(
    url: str, model: str, key: str, tell: Tell, *, first_pause: float = FIRST_PAUSE
) -> Iterator[Callable[[Sequence[Report]], list[Vector | None]]]:
    """A function from reports to their vectors, None for those that have none. It raises NoAnswer."""
    from services.triage.endpoint import Endpoint  # heavy: loaded only where an endpoint is given

    with asyncio.Runner() as runner:
        endpoint = Endpoint(model, url=url, key=key, seconds=ANSWER_SECONDS)
        requests = Requests(endpoint, batch=BATCH)
        try:
            yield lambda reports: runner.run(_all(requests, reports, tell, first_pause))
        finally:
            runner.run(endpoint.close())


async def _all(requests: Requests, reports: Sequence[Report], tell: Tell, pause: float) -> list[Vector | None]:
    texts = [question(report) for report in reports]
    found = requests.known(texts)
    for attempt in range(1, TRIES + 1):
        wanted = [text for text in dict.fromkeys(texts) if text and text not in found]
        troubles = await requests.fill(wanted, found)
        if not troubles or (len(wanted) == 1 and troubles[0].splits):  # it is the text, not the endpoint
            return [found.get(text) for text in texts]
        trouble = next((one for one in troubles if one.lasting), troubles[0])
        if trouble.lasting or attempt == TRIES:
            raise NoAnswer(f"the embedding endpoint gives no vectors: {trouble.reason}")
        await _wait(troubles, pause * 2.0 ** (attempt - 1), tell)
    raise AssertionError("the last attempt returns or raises")


async def _wait(troubles: Sequence[Failed], growing: float, tell: Tell) -> None:
    seconds = min(max([growing, *(trouble.wait or 0.0 for trouble in troubles)]), LONGEST_PAUSE)
    tell(f"The embedding endpoint is asked again in {seconds:.0f} s: {troubles[0].reason}")
    await asyncio.sleep(seconds)
