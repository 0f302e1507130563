"""Many texts in requests of the size that a server takes; one text that it cannot take spoils no other's answer."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from runtime.logs import logger
from services.triage.embeddings import PARTS, Failed, Memory, Vector, pieces

log = logger("triage.embeddings")
AT_ONCE: Final = 4  # requests


class Asked(Protocol):
    """``endpoint.Endpoint``."""

    model: str

    async def ask(self, texts: Sequence[str]) -> list[Vector | None]: ...


class Requests:
    """``batch``: texts in one request."""

    def __init__(self, endpoint: Asked, *, batch: int) -> None:
        self._endpoint, self._size = endpoint, batch
        self._memory = Memory()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._dims = 0

    @property
    def model(self) -> str:
        """Whose vectors these are."""
        return self._endpoint.model

    def known(self, texts: Iterable[str]) -> dict[str, Vector]:
        """Those that were answered lately."""
        return {text: vector for text in texts if (vector := self._memory.get(text)) is not None}

    async def fill(self, texts: Sequence[str], found: dict[str, Vector]) -> list[Failed]:
        """Ask for all texts and enter what comes, as it comes; the failures of whole requests.

        A text that is in neither has a vector of no use, or is one that the server does not take.
        """
        asked = [self._piece(part, found) for part in pieces(texts, self._size)]
        return [trouble for trouble in await asyncio.gather(*asked) if trouble is not None]

    async def _piece(self, texts: Sequence[str], found: dict[str, Vector]) -> Failed | None:
        trouble = await self._once(texts, found)
        if trouble is None or not trouble.splits or len(texts) == 1:
            return trouble
        whole = await self._parts(texts, found)
        if whole and len(texts) == self._size:
            # Nothing was wrong with any of the texts: the server takes fewer at a time (TEI takes 32).
            self._size = max(1, self._size // 2)
            log.info("embeddings.smaller", model=self.model, size=self._size, reason=trouble.reason)
        return None if any(text in found for text in texts) else trouble

    async def _parts(self, texts: Sequence[str], found: dict[str, Vector]) -> bool:
        """Ask in small parts, and a part that fails text by text unless all do; whether every part was answered."""
        parts = list(pieces(texts, -(-len(texts) // PARTS)))
        results = await asyncio.gather(*(self._once(part, found) for part in parts))
        if any(trouble is None for trouble in results):
            failed = [part for part, trouble in zip(parts, results, strict=True) if trouble and trouble.splits]
            again = [text for part in failed if len(part) > 1 for text in part]
            await asyncio.gather(*(self._once([text], found) for text in again))
        return all(trouble is None for trouble in results)

    async def _once(self, texts: Sequence[str], found: dict[str, Vector]) -> Failed | None:
        async with self._slots:
            try:
                answer = await self._endpoint.ask(texts)
                self._same_length(answer)
            except Failed as trouble:
                return trouble
        for text, vector in zip(texts, answer, strict=True):
            if vector is not None:
                found[text] = vector
                self._memory.put(text, vector)
        return None

    def _same_length(self, answer: Sequence[Vector | None]) -> None:
        """One model gives vectors of one length; another length is another model behind the same name."""
        for vector in answer:
            if vector is not None and len(vector) != (self._dims or len(vector)):
                raise Failed(f"vectors have {len(vector)} numbers now, before they had {self._dims}", lasting=True)
            if vector is not None:
                self._dims = len(vector)
