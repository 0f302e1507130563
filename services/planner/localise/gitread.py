"""Reads a repository from git's own objects: no checkout, no hooks, no filters, no network.

Works on bare, shallow and ordinary repositories. Every git process gets an empty environment and a
configuration that switches off what a repository's own config could make git run.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from services.planner.localise.errors import RepositoryError

# log.showSignature would start gpg.program, fsmonitor and hooksPath programs of the repository's choice;
# a partial clone would fetch missing objects, so every transport is refused.
_SAFE_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "log.showSignature=false",
    "log.mailmap=false",
    "diff.external=",
    "protocol.allow=never",
    "safe.directory=*",
    "gc.auto=0",
    "maintenance.auto=false",
)
_TIMEOUT_SECONDS = 120.0
_HEX = re.compile(r"^[0-9a-f]{40}(?:[0-9a-f]{24})?$")


class TreeEntry(NamedTuple):
    """One blob of the tree; `size` in bytes (0 when the blob is not here), `sha` in hex."""

    path: str
    sha: str
    size: int
    executable: bool


class Tree(NamedTuple):
    """What `ls-tree -r` says: blobs, and counts of what is not followed."""

    entries: list[TreeEntry]
    submodules: list[str]
    symlinks: list[str]


class LogEntry(NamedTuple):
    """One commit: unix seconds, whole message, up to `MAX_FILES_KEPT` changed paths and their full count."""

    sha: str
    time: int
    author: str
    message: str
    files: list[str]
    file_count: int


MAX_FILES_KEPT = 40


def git_environment() -> dict[str, str]:
    """An environment in which git reads no configuration but the repository's own and never asks or fetches."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": "/nonexistent",
        "LC_ALL": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_PAGER": "cat",
    }


class GitRepository:
    """A local repository; raises `RepositoryError` when it is none or git cannot read it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise RepositoryError(
                "not_a_repository",
                f"No repository at {self.path}",
                "the folder does not exist or is not a folder",
                "Give the path of a git working copy or bare repository.",
            )
        answer = self._run(["rev-parse", "--absolute-git-dir"], check=False)
        if answer.returncode != 0:
            raise RepositoryError(
                "not_a_repository",
                f"No repository at {self.path}",
                _first_line(answer.stderr) or "git does not recognise the folder",
                "Give the path of a git working copy or bare repository.",
            )
        self.git_dir = Path(os.fsdecode(answer.stdout.rstrip(b"\n")))

    def _command(self, arguments: list[str]) -> list[str]:
        command = ["git", "-C", str(self.path), "--no-pager", "--literal-pathspecs"]
        for setting in _SAFE_CONFIG:
            command += ["-c", setting]
        return command + arguments

    def _run(
        self, arguments: list[str], *, stdin: bytes = b"", check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        try:
            answer = subprocess.run(
                self._command(arguments),
                input=stdin,
                capture_output=True,
                env=git_environment(),
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        except FileNotFoundError as error:
            raise RepositoryError(
                "git_missing",
                "git cannot be started",
                "no git program on PATH",
                "Install git 2.34 or later.",
            ) from error
        except subprocess.TimeoutExpired as error:
            raise RepositoryError(
                "git_failed",
                f"git {arguments[0]} gave no answer",
                f"it ran longer than {_TIMEOUT_SECONDS:.0f} s",
                "Check the disk and the repository with `git fsck`.",
            ) from error
        if check and answer.returncode != 0:
            raise RepositoryError(
                "git_failed",
                f"git {arguments[0]} failed in {self.path}",
                _first_line(answer.stderr) or f"exit code {answer.returncode}",
                "Check the repository with `git fsck`.",
            )
        return answer

    def resolve(self, rev: str) -> str:
        """The commit id that `rev` names now; everything else is read by that id, so a moving branch does no harm."""
        if rev.startswith("-") or not rev.strip() or "\0" in rev:
            raise self._unknown(rev, "that is not a revision")
        answer = self._run(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}"], check=False)
        sha = answer.stdout.decode("ascii", "replace").strip().splitlines()
        if answer.returncode != 0 or not sha or not _HEX.match(sha[-1]):
            raise self._unknown(rev, _first_line(answer.stderr) or "no commit of that name in this repository")
        if self._run(["cat-file", "-e", f"{sha[-1]}^{{tree}}"], check=False).returncode != 0:
            raise self._unknown(rev, "the commit's tree is missing here")
        return sha[-1]

    def _unknown(self, rev: str, why: str) -> RepositoryError:
        return RepositoryError(
            "unknown_revision",
            f"Unknown revision {rev!r} in {self.path}",
            why,
            "Fetch it, or name a branch, tag or commit the repository holds.",
        )

    def commit_time(self, sha: str) -> int:
        """Committer time in unix seconds."""
        answer = self._run(["log", "-1", "--no-show-signature", "--format=%ct", sha])
        return int(answer.stdout.split()[0])

    def is_shallow(self) -> bool:
        """True when history was cut by `--depth`: then history signals know less."""
        return self._run(["rev-parse", "--is-shallow-repository"], check=False).stdout.strip() == b"true"

    def tree(self, sha: str) -> Tree:
        """Every path of the commit, in byte order of path."""
        sized = self._run(["ls-tree", "-r", "-z", "-l", "--full-tree", sha], check=False)
        # sizes need the blobs, which a partial clone may not hold: then the tree is read without them
        raw = sized.stdout if sized.returncode == 0 else self._run(["ls-tree", "-r", "-z", "--full-tree", sha]).stdout
        entries: list[TreeEntry] = []
        submodules: list[str] = []
        symlinks: list[str] = []
        for record in raw.split(b"\0"):
            if not record:
                continue
            head, _, name = record.partition(b"\t")
            mode, kind, blob, *size = head.split()
            path = name.decode("utf-8", "backslashreplace")
            if kind == b"commit":
                submodules.append(path)
            elif mode == b"120000":
                symlinks.append(path)
            else:
                length = int(size[0]) if size and size[0].isdigit() else 0
                entries.append(TreeEntry(path, blob.decode("ascii"), length, mode == b"100755"))
        return Tree(entries, submodules, symlinks)

    def blobs(self, shas: Iterable[str]) -> Iterator[tuple[str, bytes | None]]:
        """Contents through one `cat-file --batch`; None for an object that is not here (partial clone, damage)."""
        wanted = list(shas)
        restarts = 0
        while wanted:
            done = 0
            for pair in self._batch(wanted):
                done += 1
                yield pair
            wanted = wanted[done:]
            if wanted:  # git died on this object; go on behind it, but not for ever
                restarts += 1
                yield wanted[0], None
                wanted = wanted[1:]
                if restarts > 3:
                    yield from ((sha, None) for sha in wanted)
                    return

    def _batch(self, shas: list[str]) -> Iterator[tuple[str, bytes | None]]:
        with tempfile.TemporaryFile() as orders:
            orders.write("".join(f"{sha}\n" for sha in shas).encode("ascii"))
            orders.seek(0)
            with subprocess.Popen(
                self._command(["cat-file", "--batch", "--buffer"]),
                stdin=orders,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=git_environment(),
                bufsize=1 << 20,
            ) as process:
                assert process.stdout is not None
                try:
                    for sha in shas:
                        head = process.stdout.readline().split()
                        if not head:
                            return
                        if len(head) != 3:
                            yield sha, None
                            continue
                        size = int(head[2])
                        content = process.stdout.read(size + 1)
                        if len(content) < size + 1:
                            return
                        yield sha, content[:-1]
                finally:
                    process.kill()

    def commit_ids(self, sha: str, limit: int, merges: int) -> list[str]:
        """Ancestors of `sha`, newest first: `limit` ordinary ones, then `merges` first-parent merges (PR titles)."""
        plain = self._run(["rev-list", "--no-merges", "-n", str(limit), sha], check=False).stdout.split()
        merged = self._run(
            ["rev-list", "--merges", "--first-parent", "-n", str(merges), sha], check=False
        ).stdout.split()
        return [item.decode("ascii") for item in [*plain, *merged]]

    def log(self, shas: list[str]) -> Iterator[LogEntry]:
        """Time, message and changed paths (first-parent diff for merges, renames not followed) of each commit."""
        if not shas:
            return
        answer = self._run(
            [
                "log", "--no-walk=unsorted", "--stdin", "-z", "--name-only", "--no-renames", "--no-show-signature",
                "--no-ext-diff", "--no-textconv", "--diff-merges=first-parent", "--root",
                "--format=%x01%H%x02%ct%x02%an%x02%B%x03",
            ],
            stdin=("\n".join(shas) + "\n").encode("ascii"),
            check=False,
        )  # fmt: skip
        for record in answer.stdout.split(b"\x01"):
            head, _, names = record.partition(b"\x03")
            parts = head.split(b"\x02", 3)
            if len(parts) != 4 or not _HEX.match(parts[0].decode("ascii", "replace")):
                continue  # the empty start, or a message that holds our separators
            files = [
                name.decode("utf-8", "backslashreplace").lstrip("\n")
                for name in names.split(b"\0")
                if name.strip(b"\n")
            ]
            yield LogEntry(
                parts[0].decode("ascii"),
                int(parts[1]) if parts[1].isdigit() else 0,
                parts[2].decode("utf-8", "replace"),
                parts[3].decode("utf-8", "replace").strip(),
                files[:MAX_FILES_KEPT],
                len(files),
            )


def _first_line(raw: bytes) -> str:
    lines = raw.decode("utf-8", "replace").strip().splitlines()
    return lines[0].removeprefix("fatal: ") if lines else ""
