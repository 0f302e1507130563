"""Crash sites across sources: where one tool's trace ends is what people and other tools name.

Reports of one source resemble each other in form, and the learned score compares them well. A typed report and an
error tracker's event about the same crash share little but two names: the error's class and the function where it was
raised. Both together, as whole identifiers, from another source, and pointing at one cluster only, are enough.
"""

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from services.triage.engine.types import Report

READ: Final = 6_000
KEPT: Final = 16
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
    errors = [word for word in words if _HUMPS.match(word)][:KEPT]
    functions = [word for word in words if _FUNCTION.match(word)][:KEPT]
    frames = _FRAME.findall(text)
    site = (errors[0], frames[-1]) if errors and frames and _FUNCTION.match(frames[-1]) else None
    return Names(frozenset(errors), frozenset(functions), site)


class Sites:
    """Sites and mentions of the reports so far, by document number."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, str], list[int]] = {}
        self._mentions: dict[str, list[int]] = {}
        self._errors: dict[int, frozenset[str]] = {}
        self._source: dict[int, str] = {}

    def add(self, doc: int, report: Report, names: Names) -> None:
        """Remember a report's names; the latest few documents of each are kept."""
        if not names.functions or not names.errors:
            return
        self._source[doc], self._errors[doc] = report.source, names.errors
        if names.site:
            self._keep(self._owners.setdefault(names.site, []), doc)
        for function in names.functions:
            self._keep(self._mentions.setdefault(function, []), doc)

    @staticmethod
    def _keep(docs: list[int], doc: int) -> None:
        docs.append(doc)
        del docs[:-KEPT]

    def source(self, doc: int) -> str:
        """Where a remembered report came from."""
        return self._source[doc]

    def matches(self, report: Report, names: Names) -> Iterable[tuple[int, str, str]]:
        """(document, error, function) of earlier reports from other sources that share the crash site."""
        for function in sorted(names.functions):
            for error in sorted(names.errors):
                for doc in self._owners.get((error, function), ()):
                    if self._source[doc] != report.source:
                        yield doc, error, function
        if names.site:
            error, function = names.site
            for doc in self._mentions.get(function, ()):
                if self._source[doc] != report.source and error in self._errors[doc]:
                    yield doc, error, function
