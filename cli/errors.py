"""Exit codes and the one exception that carries them.

0 ok · 1 error · 2 usage · 3 declined or cancelled by the user · 4 not authenticated or forbidden · 5 the job ended
without success · 6 not found · 7 conflict · 8 still pending when the wait ran out · 9 rate limited or unavailable ·
78 unsafe configuration · 130 Ctrl-C.
"""

from enum import IntEnum

from cli.output import plain


class Exit(IntEnum):
    OK = 0
    ERROR = 1
    USAGE = 2
    CANCELLED = 3
    FORBIDDEN = 4
    JOB_FAILED = 5
    NOT_FOUND = 6
    CONFLICT = 7
    PENDING = 8
    UNAVAILABLE = 9
    CONFIGURATION = 78
    INTERRUPTED = 130


class CliError(Exception):
    """What happened, why, and what to try: a message on stderr and an exit code. ``kind`` is the problem's code."""

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        next_step: str = "",
        code: Exit = Exit.ERROR,
        request_id: str = "",
        kind: str = "",
    ) -> None:
        super().__init__(what)
        self.what, self.why, self.next_step, self.code, self.request_id = what, why, next_step, code, request_id
        self.kind = kind

    def lines(self) -> list[str]:
        """The message as lines for stderr."""
        lines = [f"Error: {plain(self.what)}"]
        if self.why:
            lines.append(f"  {plain(self.why)}")
        if self.next_step:
            lines.append(f"Try: {self.next_step}")
        if self.request_id:
            lines.append(f"Request: {self.request_id}")
        return lines


def exit_for_status(status: int) -> Exit:
    """The exit code that fits an HTTP status."""
    table = {400: Exit.USAGE, 401: Exit.FORBIDDEN, 403: Exit.FORBIDDEN, 404: Exit.NOT_FOUND, 409: Exit.CONFLICT}
    table |= {412: Exit.CONFLICT, 422: Exit.USAGE, 429: Exit.UNAVAILABLE, 502: Exit.UNAVAILABLE}
    table |= {503: Exit.UNAVAILABLE, 504: Exit.UNAVAILABLE}
    return table.get(status, Exit.ERROR)
