"""Files in folders that an agent writes: opened one component at a time, never through a symlink."""

import asyncio
import os
import shutil
import stat
from pathlib import Path, PurePosixPath

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class NotAFile(Exception):
    """The path is missing, leaves its root, or is no regular file."""


class TooBig(Exception):
    """The file is above the limit."""


def read(root: Path, relative: str, limit: int) -> bytes:
    """The bytes of a regular file below ``root``. Raises NotAFile or TooBig."""
    folder = -1
    try:
        folder, name = _descend(root, relative, create=False)
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        raise NotAFile(f"{relative}: {error.strerror}") from error
    finally:
        _close(folder)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise NotAFile(f"{relative}: not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1) if status.st_size <= limit else b""
        if status.st_size > limit or len(data) > limit:
            raise TooBig(f"{relative}: more than {limit} bytes")
        return data


def write(root: Path, relative: str, data: bytes | Path, executable: bool) -> None:
    """Replace a file below ``root``, with ``data`` or what that file holds; parents are made. Raises NotAFile."""
    folder = -1
    try:
        folder, name = _descend(root, relative, create=True)
        _remove(folder, name)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o755 if executable else 0o644, dir_fd=folder)
    except OSError as error:
        raise NotAFile(f"{relative}: {error.strerror}") from error
    finally:
        _close(folder)
    with os.fdopen(descriptor, "wb") as file:
        if isinstance(data, bytes):
            file.write(data)
        else:
            with data.open("rb") as source:
                shutil.copyfileobj(source, file, 1024 * 1024)


def disk_usage(*roots: Path) -> int:
    """Bytes on disk below ``roots``, symlinks not followed; what vanishes on the way counts as nothing."""
    total = 0
    pending = [str(root) for root in roots]
    while pending:
        try:
            with os.scandir(pending.pop()) as entries:
                for entry in entries:
                    try:
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            pending.append(entry.path)
                    except OSError:
                        continue
        except OSError:
            continue
    return total


async def remove_tree(root: Path) -> None:
    """Remove a folder whatever its depth and modes, never following a symlink. Missing is fine.

    ``rm`` and ``chmod`` walk by descriptors: a tree nested ten thousand deep ends neither of them.
    """
    if await _tool("rm", "-rf", "--", str(root)) != 0:
        await _tool("chmod", "-R", "u+rwX", "--", str(root))
        if await _tool("rm", "-rf", "--", str(root)) != 0:
            raise OSError(f"could not remove {root}")


async def _tool(*argv: str) -> int:
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    return await process.wait()


def _descend(root: Path, relative: str, create: bool) -> tuple[int, str]:
    parts = PurePosixPath(relative).parts
    if not parts or ".." in parts or parts[0] == "/":
        raise NotAFile(f"{relative}: leaves its folder")
    folder = os.open(root, FOLDER)
    try:
        for part in parts[:-1]:
            if create:
                _mkdir(folder, part)
            inner = os.open(part, FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
    except BaseException:
        os.close(folder)
        raise
    return folder, parts[-1]


def _mkdir(folder: int, name: str) -> None:
    try:
        os.mkdir(name, 0o755, dir_fd=folder)
    except FileExistsError:
        return


def _remove(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        os.close(descriptor)
