"""Who lives: a lock file that is held as long as its process lives, and free at once when it was killed.

A lock file has its name only while it is held: it is locked under another name first. Whoever finds it free may remove
what it stands for, and looking whether it is free never gets into its owner's way.
"""

import fcntl
import os
from pathlib import Path

from runtime.ids import new_id


class Hold:
    """An exclusive lock on a file (flock(2)): a second hold of it fails, in the same process too."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    @staticmethod
    def make(path: Path) -> "Hold":
        """A lock file that did not exist, held from its first moment on. Raises OSError when the folder is missing."""
        while True:
            fresh = path.with_name(f".{path.name}.{new_id()}")
            descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                os.rename(fresh, path)
            except FileNotFoundError:  # somebody who clears up took it for a dead one's before it was locked
                os.close(descriptor)
                continue
            return Hold(descriptor)

    def release(self) -> None:
        """Idempotent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def is_held(path: Path) -> bool:
    """Whether somebody alive holds it; False when it does not exist."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
