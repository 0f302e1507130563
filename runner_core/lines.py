"""Cuts a stream of bytes into lines of bounded length."""

LONGEST = 64 * 1024  # bytes of a line in the log; a longer one goes on in the next


class Lines:
    """Holds at most ``longest`` bytes, whatever it is fed.

    ``feed`` and ``flush`` give (text, partial): ``partial`` says that the line goes on in the next piece. A line is
    never cut inside a UTF-8 character; what is no UTF-8 comes out as U+FFFD.
    """

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._held = bytearray()

    def feed(self, data: bytes) -> list[tuple[str, bool]]:
        out: list[tuple[str, bool]] = []
        start = 0
        while (end := data.find(b"\n", start)) >= 0:
            self._take(data[start:end], out)
            out.append((_text(self._held), False))
            self._held.clear()
            start = end + 1
        self._take(data[start:], out)
        return out

    def flush(self) -> list[tuple[str, bool]]:
        if not self._held:
            return []
        last = (_text(self._held), False)
        self._held.clear()
        return [last]

    def _take(self, data: bytes, out: list[tuple[str, bool]]) -> None:
        self._held += data
        while len(self._held) > self._longest:
            cut = _boundary(self._held, self._longest)
            out.append((_text(self._held[:cut]), True))
            del self._held[:cut]


def _boundary(data: bytearray, limit: int) -> int:
    """The last start of a UTF-8 character at or before ``limit``; ``limit`` itself where there is none near."""
    for cut in range(limit, max(limit - 4, 0), -1):
        if data[cut] & 0xC0 != 0x80:
            return cut
    return limit


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "replace").removesuffix("\r")
