"""Pages of several subjects as one ordered page."""

from collections.abc import Sequence

from messaging.ports import Stored


def merge_pages(pages: Sequence[Sequence[Stored]], limit: int) -> list[Stored]:
    """The messages of all pages by sequence, each once, up to where the first full page ends.

    A page of ``limit`` messages may go on beyond its last one, so nothing later than that is known to be complete.
    """
    full = [page[-1].sequence for page in pages if len(page) >= limit]
    horizon = min(full) if full else None
    found = {one.sequence: one for page in pages for one in page if horizon is None or one.sequence <= horizon}
    return [found[sequence] for sequence in sorted(found)]
