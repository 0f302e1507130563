"""Crash sites across sources: where one tool's trace ends is what people and other tools name.

Reports of one source resemble each other in form, and the learned score compares them well. A typed report and an
error tracker's event about the same crash share little but two names: the error's class and the function where it was
raised. Both together, as whole identifiers, from another source, and pointing at one cluster only, are enough.
"""

import functools
import re
from collections.abc import Iterable
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from services.triage.engine.grow import Grow
from services.triage.engine.text import checksum
from services.triage.engine.types import Report

READ: Final = 6_000
KEPT: Final = 16
NAMES_KEPT: Final = 50_000
_FRAME: Final = re.compile(
    r'^\s*(?:File "[^"\n]+", line \d+, in|[\w./\\-]+:\d+ in)\s+(?P<name>[A-Za-z_]\w*)', re.MULTILINE
)
_NAME: Final = re.compile(r"[A-Za-z_]\w{3,79}")
_HUMPS: Final = re.compile(r"[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+\Z")
_FUNCTION: Final = re.compile(r"(?=.*[a-z])(?:\w+_\w+|[a-z]+[A-Z]\w*)\Z")


class Names(msgspec.Struct, frozen=True):
    """What a report names. `site` is (error, function) where its own trace ends, when it has one."""

    errors: frozenset[str]
    functions: frozenset[str]
    site: tuple[str, str] | None


def names_of(report: Report) -> Names:
    """Error classes (CamelCase) and functions (snake_case, camelCase) of a report, in its first 6,000 characters."""
    text = "\n".join((report.title[:500], report.body[:READ], (report.stacktrace or "")[:READ]))
    words = list(dict.fromkeys(_NAME.findall(text)))
    # Most words are plain ones in small letters: told apart before the patterns are tried.
    named = [word for word in words if "_" in word or not word.islower()]
    roles = list(map(_role, named))
    errors = [word for word, (error, _) in zip(named, roles, strict=True) if error][:KEPT]
    functions = [word for word, (_, function) in zip(named, roles, strict=True) if function][:KEPT]
    frames = _FRAME.findall(text) if errors else []
    site = (errors[0], frames[-1]) if errors and frames and _FUNCTION.match(frames[-1]) else None
    return Names(frozenset(errors), frozenset(functions), site)


@functools.lru_cache(maxsize=8_192)
def _role(word: str) -> tuple[bool, bool]:
    """Whether it may be the class of an error, and whether it may be a function."""
    return bool(_HUMPS.match(word)), bool(_FUNCTION.match(word))


class Sites:
    """Sites and mentions of the reports so far, by document number. Names are kept as checksums."""

    def __init__(self) -> None:
        self._owners: dict[int, list[int]] = {}
        self._mentions: dict[int, list[int]] = {}
        self._errors = Grow(np.uint32)
        self._ends = Grow(np.int64)
        self._sources: dict[str, int] = {}
        self._source = Grow(np.int32)

    def add(self, doc: int, report: Report, names: Names) -> None:
        """Remember a report's names; of every report, in order. The latest few documents of each name are kept."""
        telling = bool(names.functions and names.errors)
        self._errors.extend(sorted(map(checksum, names.errors)) if telling else [])
        self._ends.extend([self._errors.size])
        self._source.extend([self._sources.setdefault(report.source, len(self._sources))])
        if not telling:
            return
        if names.site:
            self._keep(self._owners, _site(*names.site), doc)
        for function in sorted(names.functions):
            self._keep(self._mentions, checksum(function), doc)

    @staticmethod
    def _keep(known: dict[int, list[int]], name: int, doc: int) -> None:
        docs = known.pop(name, [])
        known[name] = docs  # the name used last is forgotten last
        docs.append(doc)
        del docs[:-KEPT]
        if len(known) > NAMES_KEPT:
            del known[next(iter(known))]

    def source(self, doc: int) -> str:
        """Where a remembered report came from."""
        return list(self._sources)[int(self._source.view[doc])]

    def matches(self, report: Report, names: Names) -> Iterable[tuple[int, str, str]]:
        """(document, error, function) of earlier reports from other sources that share the crash site."""
        here = self._sources.get(report.source, -1)
        for function in sorted(names.functions):
            for error in sorted(names.errors):
                for doc in self._owners.get(_site(error, function), ()):
                    if self._source.view[doc] != here:
                        yield doc, error, function
        if names.site:
            error, function = names.site
            for doc in self._mentions.get(checksum(function), ()):
                if self._source.view[doc] != here and checksum(error) in self._errors_of(doc):
                    yield doc, error, function

    def _errors_of(self, doc: int) -> NDArray[np.uint32]:
        found: NDArray[np.uint32] = self._errors.view[self._ends.view[doc - 1] if doc else 0 : self._ends.view[doc]]
        return found


def _site(error: str, function: str) -> int:
    return checksum(error) << 32 | checksum(function)
