"""Dead letters: what no worker could process, listed, tried again, or dropped by a person."""

from collections.abc import Sequence

from messaging.ports import Bus, BusError
from runtime import ids
from schemas.base import decode
from schemas.errors import DeadLetter
from schemas.subjects import DEAD

_PAGE = 200


class NotFound(BusError):
    """No dead letter has this id (any more)."""


async def list(bus: Bus, *, after: int = 0, limit: int = _PAGE) -> Sequence[tuple[int, DeadLetter]]:
    """``(sequence, letter)``, oldest first; page on with the last sequence as ``after``."""
    stored = await bus.page(DEAD, "dead.*", after=after, limit=limit)
    return [(one.sequence, decode(one.data, DeadLetter)) for one in stored]


async def retry(bus: Bus, letter_id: str) -> str:
    """Publish the letter's message to its subject again, under a fresh id, then remove the letter; the new id.

    Raises NotFound, and BusError for a letter whose data was cut.
    """
    sequence, letter = await _find(bus, letter_id)
    if len(letter.data.encode()) >= 256 * 1024:
        raise BusError(f"dead letter {letter_id} was cut at 256 KiB and cannot be tried again; drop it")
    fresh = ids.new_id()
    headers = {"Soulcaster-Retry-Of": letter.id}
    await bus.publish(letter.subject, letter.data.encode(), msg_id=fresh, headers=headers)
    await bus.remove(DEAD, sequence)
    return fresh


async def drop(bus: Bus, letter_id: str) -> None:
    """Remove the letter. Raises NotFound."""
    sequence, _ = await _find(bus, letter_id)
    await bus.remove(DEAD, sequence)


async def _find(bus: Bus, letter_id: str) -> tuple[int, DeadLetter]:
    after = 0
    while page := await list(bus, after=after):
        for sequence, letter in page:
            if letter.id == letter_id:
                return sequence, letter
        after = page[-1][0]
    raise NotFound(f"no dead letter {letter_id}; it may have been retried or dropped already")
