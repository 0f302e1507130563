"""The one error a caller of the engine meets."""

from __future__ import annotations

from typing import Literal

ErrorKind = Literal["not_a_repository", "unknown_revision", "git_failed", "git_missing"]


class RepositoryError(Exception):
    """A repository that cannot be read: `what` happened, `why`, and what to do `next_step`.

    `kind` is for programs (the command line maps the first two to exit code 6).
    """

    def __init__(self, kind: ErrorKind, what: str, why: str, next_step: str) -> None:
        super().__init__(f"{what}: {why}. {next_step}")
        self.kind = kind
        self.what = what
        self.why = why
        self.next_step = next_step
