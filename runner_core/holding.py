"""Who lives: a lock file that is held as long as its process lives, and free at once when it was killed."""

import contextlib
import fcntl
import os
from pathlib import Path


class Hold:
    """An exclusive lock on a file (flock(2)): a second hold of it fails, in the same process too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @staticmethod
    def take(path: Path) -> "Hold | None":
        """None when somebody alive holds it. Raises OSError when the folder is missing."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return Hold(descriptor)

    def release(self) -> None:
        """Idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether somebody alive holds it; False when it does not exist."""
    with contextlib.suppress(OSError):
        if path.exists():
            hold = Hold.take(path)
            if hold is None:
                return True
            hold.release()
    return False
