"""Reports that say the same to the letter: no score is asked where nothing differs.

On the development sets 101 reports repeat an earlier one but for case and white space, and all of them belong with it.
"""

import hashlib
from collections.abc import Iterator

from services.triage.engine.types import Report


def key_of(report: Report) -> int | None:
    """64 bits of title, body and trace without case and white space. None where there is nothing to compare, and for
    a report whose sender groups: two groups of one sender may read the same."""
    if report.fingerprint:
        return None
    parts = [" ".join(part.casefold().split()) for part in (report.title, report.body, report.stacktrace or "")]
    if not any(parts):
        return None
    told = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big")


class Twins:
    """Document numbers by what the reports say. Those of forgotten reports stay; the caller knows which live."""

    def __init__(self) -> None:
        # Numbers only: a list for each report would be memory, and work for the garbage collector.
        self._latest: dict[int, int] = {}
        self._before: dict[int, int] = {}

    def of(self, key: int | None) -> Iterator[int]:
        """Earlier reports with the same words, the latest first."""
        doc = self._latest.get(key) if key is not None else None
        while doc is not None:
            yield doc
            doc = self._before.get(doc)

    def add(self, doc: int, key: int | None) -> None:
        """Remember a report just stored."""
        if key is None:
            return
        if key in self._latest:
            self._before[doc] = self._latest[key]
        self._latest[key] = doc
