"""Git on the host, with nothing of the host's or the repository's configuration in effect.

Never run in a folder an agent wrote: filters, hooks and ``include.path`` of such a folder execute code.
"""

import asyncio
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HARDENING = (
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "credential.helper="),
    *("-c", "http.followRedirects=false"),
    *("-c", "protocol.allow=never"),
    *("-c", "protocol.file.allow=always"),
    *("-c", "protocol.http.allow=always"),
    *("-c", "protocol.https.allow=always"),
    *("-c", "gc.auto=0"),
    *("-c", "core.bigFileThreshold=4m"),
    *("-c", "core.packedGitWindowSize=32m"),
    *("-c", "core.packedGitLimit=512m"),
)


_GUARD = "ulimit -v 4194304; ulimit -c 0; "
_AT_ONCE = 'exec "$@"'
# Linux shares out by session, and nice counts within one only: sched(7), "The autogroup feature".
_YIELDING = '{ echo 5 >/proc/self/autogroup; } 2>/dev/null; exec nice -n 5 "$@"'


class GitError(Exception):
    """A git command failed; ``detail`` is the end of what it said on stderr."""

    def __init__(self, what: str, detail: str, code: int | None) -> None:
        super().__init__(f"git {what}: {detail or f'exit code {code}'}")
        self.what, self.detail, self.code = what, detail, code


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token file and the askpass script that reads it; both are private files outside every sandbox."""

    askpass: Path
    token_file: Path

    @staticmethod
    def write(folder: Path, token: str) -> "Credentials":
        """Make both files in ``folder`` (which is removed with the attempt)."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        token_file, askpass = folder / "token", folder / "askpass"
        _private(token_file, token, 0o600)
        script = '#!/bin/sh\ncase "$1" in Username*) echo x-access-token;; *) cat "$SOULCASTER_TOKEN_FILE";; esac\n'
        _private(askpass, script, 0o700)
        return Credentials(askpass=askpass, token_file=token_file)


def _private(path: Path, text: str, mode: int) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)


@dataclass(frozen=True, slots=True)
class Git:
    """Runs git in one bare repository of ours. In the ``background`` it gives way to whatever answers people."""

    folder: Path
    credentials: Credentials | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    background: bool = False

    async def __call__(
        self, *args: str, stdin: bytes = b"", timeout: float = 300.0, limit: int = 64 * 1024 * 1024
    ) -> bytes:
        """stdout of ``git <args>``. Raises GitError on failure, on time-out and above ``limit`` bytes of output."""
        argv = ["git", *HARDENING, *args]
        # A pack from a sandbox may unpack to far more than it weighs; the address space of the reader is bounded.
        guarded = ["sh", "-c", _GUARD + (_YIELDING if self.background else _AT_ONCE), "git", *argv]
        return await _run(guarded, args[0], self._environ(), self.folder, stdin, timeout, limit)

    async def text(self, *args: str, timeout: float = 300.0) -> str:
        return (await self(*args, timeout=timeout)).decode("utf-8", "replace").strip()

    async def succeeds(self, *args: str) -> bool:
        try:
            await self(*args)
        except GitError:
            return False
        return True

    def _environ(self) -> dict[str, str]:
        environ = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": "/nonexistent",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "GIT_ALLOW_PROTOCOL": "http:https:file",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
        }
        if self.credentials is not None:
            environ["GIT_ASKPASS"] = str(self.credentials.askpass)
            environ["SOULCASTER_TOKEN_FILE"] = str(self.credentials.token_file)
        return environ | dict(self.environ)


async def _run(
    argv: Sequence[str], what: str, environ: Mapping[str, str], folder: Path, stdin: bytes, timeout: float, limit: int
) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *argv,
        env=environ,
        cwd=folder,
        stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(timeout):
            _, out, err = await asyncio.gather(
                _feed(process, stdin), _read(process.stdout, limit), _read(process.stderr, 1 << 20, keep_last=True)
            )
            code = await process.wait()
    except TimeoutError:
        raise GitError(what, f"no end after {timeout:.0f} s", None) from None
    finally:
        if process.returncode is None:
            _kill_group(process.pid)
            await process.wait()
    if code != 0:
        raise GitError(what, err.decode("utf-8", "replace").strip()[-2000:], code)
    if len(out) > limit:
        raise GitError(what, f"more than {limit} bytes of output", code)
    return out


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


async def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    if process.stdin is None:
        return
    try:
        process.stdin.write(data)
        await process.stdin.drain()
    except (BrokenPipeError, ConnectionResetError, RuntimeError):
        return  # git ended early, its exit code tells; uvloop says so with a RuntimeError
    finally:
        process.stdin.close()


async def _read(stream: asyncio.StreamReader | None, limit: int, keep_last: bool = False) -> bytes:
    assert stream is not None
    kept = bytearray()
    while chunk := await stream.read(65536):
        kept += chunk
        if keep_last:
            del kept[:-limit]
        elif len(kept) > limit:
            del kept[limit + 1 :]  # read on so that git ends; one byte above the limit marks the excess
    return bytes(kept)
