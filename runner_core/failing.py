"""Names of failing tests, read from what test runners print. Pure; a runner that is not known here names none.

Formats: pytest's short summary (docs.pytest.org, "Detailed summary report"), unittest, go test, cargo test, TAP
(testanything.org), jest, vitest, mocha and RSpec.
"""

import re
from typing import Final

MOST: Final = 200  # names that are kept
LONGEST: Final = 200  # characters of one
_ANSI: Final = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")
_FORMS: Final = (
    re.compile(r"^(?:FAILED|ERROR) (\S+\.py|\S+::.*?)(?: - .*)?$"),  # pytest; parametrised names may hold spaces
    re.compile(r"^(?:FAIL|ERROR): (\S+ \([\w.]+\))"),  # unittest
    re.compile(r"^\s*--- FAIL: (\S+)"),  # go
    re.compile(r"^test (\S+) \.\.\. FAILED$"),  # cargo
    re.compile(r"^\s*not ok \d+ -? ?(.+?)(?: # .*)?$"),  # TAP, node --test
    re.compile(r"^\s*● (.+)$"),  # jest
    re.compile(r"^\s*(?:FAIL|×|✗|✖|✘)\s+(\S.* > .+?)(?: \d+ms)?$"),  # vitest
    re.compile(r"^rspec (\S+:\d+)"),
)
_NO_TEST: Final = re.compile(r"# (?:SKIP|TODO)\b", re.IGNORECASE)


class FailingTests:
    """Reads output piece by piece, cut anywhere; ``names`` are in order of appearance."""

    def __init__(self) -> None:
        self._held = b""
        self.names: dict[str, None] = {}

    def feed(self, data: bytes) -> None:
        """A piece of output."""
        *lines, self._held = (self._held + data).split(b"\n")
        self._held = self._held[-65536:]
        for line in lines:
            self._line(line)

    def close(self) -> frozenset[str]:
        """All names, once nothing more comes."""
        self._line(self._held)
        self._held = b""
        return frozenset(self.names)

    def _line(self, raw: bytes) -> None:
        if len(self.names) >= MOST or len(raw) > 4 * LONGEST:
            return
        text = _ANSI.sub(b"", raw).decode("utf-8", "replace").rstrip()
        for form in _FORMS:
            if (found := form.match(text)) is not None and not _NO_TEST.search(text):
                self.names.setdefault(found[1].strip()[:LONGEST])
                return
