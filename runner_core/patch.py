"""What comes out of a sandbox, taken into the attempt's own bare repository and described as data.

The bundle is the agent's word and is not believed: object names are checked by git's fsck, the commit must sit directly
on the snapshot, and everything said about it is read from objects (``diff-tree --raw``, ``cat-file``), never from a
work tree.
"""

import asyncio
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from runner_core.git import Git, GitError
from runner_core.source import COMMIT, Base
from runtime.ids import new_id
from schemas.errors import Failure
from schemas.jobs import Limits

BUNDLE_BYTES = 64 * 1024 * 1024
READ_BYTES = 4 * 1024 * 1024  # of one blob; the gate refuses larger ones unread
MOST_CHANGES = 20_000
Status = Literal["added", "modified", "deleted", "type"]
_STATUS: dict[str, Status] = {"A": "added", "M": "modified", "D": "deleted", "T": "type"}
_FSCK = ("-c", "fetch.fsckObjects=true", "-c", "transfer.fsckObjects=true")


class PatchError(Exception):
    """The work cannot be taken in; ``failure`` is of class ``gate`` or ``infrastructure``."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.reason)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Change:
    """One changed path. Modes are git's octal strings (``000000``: absent), ``size`` is the new blob's in bytes.

    ``added_text`` holds the lines that the old blob did not have (all of a binary blob, as latin-1); ``unread``: the
    blob is too large to look at. ``collides_with`` is another path of the tree that is the same where case or Unicode
    form do not count.
    """

    path: str
    status: Status
    old_mode: str
    new_mode: str
    size: int = 0
    binary: bool = False
    unread: bool = False
    added_text: str = ""
    collides_with: str = ""


@dataclass(frozen=True, slots=True)
class Patch:
    """The agent's commit on the snapshot, its diff (``git apply`` form) and its changes, sorted by path."""

    commit: str
    diff: bytes
    changes: tuple[Change, ...]
    additions: int
    deletions: int

    @property
    def paths(self) -> list[str]:
        return [change.path for change in self.changes]


async def take_in(base: Base, bundle: bytes, limits: Limits) -> Patch:
    """Fetch ``refs/heads/work`` of a bundle and describe it against the snapshot; raises PatchError."""
    if len(bundle) > BUNDLE_BYTES:
        raise _refused(f"The agent's work weighs {len(bundle)} bytes packed; at most {BUNDLE_BYTES} are taken.")
    name = new_id()  # a fetch that was cut off may leave its ref locked
    file = base.git.folder.parent / f"{name}.bundle"
    await asyncio.to_thread(file.write_bytes, bundle)
    try:
        await base.git(
            *_FSCK, "fetch", "-q", "--no-tags", str(file), f"+refs/heads/work:refs/taken/{name}", timeout=120
        )
    except GitError as error:
        raise _refused("Git refuses the objects that came out of the sandbox.", str(error)) from error
    finally:
        file.unlink()
    return await describe(base.git, base.snapshot, f"refs/taken/{name}", limits)


async def describe(git: Git, snapshot: str, work: str, limits: Limits) -> Patch:
    """The patch between the snapshot and the ref ``work``."""
    try:
        parents = (await git.text("rev-list", "--parents", "--max-count=1", work)).split()
        if parents[1:] != [snapshot] or not COMMIT.match(parents[0]):
            raise _refused("The agent's commit does not sit on the commit it was given.")
        commit = parents[0]
        raw = await git("diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", snapshot, commit)
        entries = list(_entries(raw))
        if len(entries) > MOST_CHANGES:
            raise _refused(f"{len(entries)} files were changed; at most {limits.patch_files} are published.")
        sizes = await _sizes(git, [entry.new for entry in entries])
        names = await git("ls-tree", "-r", "-z", "--name-only", commit)
        twins = _collisions(names.decode("utf-8", "replace").split("\0"), {entry.path for entry in entries})
        changes = tuple([await _change(git, entry, sizes, twins) for entry in entries])
        diff = await git(*_DIFF, snapshot, commit, limit=max(limits.patch_bytes * 4, 1 << 20))
        added, removed = _count(await git("diff-tree", "-r", "-z", "--numstat", "--no-renames", snapshot, commit))
    except GitError as error:
        raise PatchError(_unreadable(error)) from error
    return Patch(commit=commit, diff=diff, changes=changes, additions=added, deletions=removed)


_DIFF = ("diff-tree", "-p", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--no-renames")


@dataclass(frozen=True, slots=True)
class _Entry:
    old_mode: str
    new_mode: str
    old: str
    new: str
    status: Status
    path: str


def _entries(raw: bytes) -> Iterable[_Entry]:
    """Entries of ``git diff-tree -z --raw`` (git-diff-tree(1), "Raw output format")."""
    fields = raw.decode("utf-8", "replace").split("\0")
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        old_mode, new_mode, old, new, letter = head.removeprefix(":").split(" ")
        yield _Entry(old_mode, new_mode, old, new, _STATUS[letter[0]], path)


async def _sizes(git: Git, objects: list[str]) -> dict[str, int]:
    wanted = [name for name in objects if name.strip("0")]
    out = await git("cat-file", "--batch-check=%(objectname) %(objectsize)", stdin="\n".join(wanted).encode() + b"\n")
    rows = (line.split(" ") for line in out.decode().splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


async def _change(git: Git, entry: _Entry, sizes: dict[str, int], twins: dict[str, str]) -> Change:
    size = sizes.get(entry.new, 0)
    new = await _blob(git, entry.new, entry.new_mode, size)
    binary = b"\0" in new[:8000]  # git's own rule
    old = b"" if binary or not new else await _blob(git, entry.old, entry.old_mode, READ_BYTES)
    known = set(old.split(b"\n"))
    added = new if binary else b"\n".join(line for line in new.split(b"\n") if line not in known)
    return Change(
        path=entry.path,
        status=entry.status,
        old_mode=entry.old_mode,
        new_mode=entry.new_mode,
        size=size,
        binary=binary,
        unread=size > READ_BYTES,
        added_text=added.decode("latin-1" if binary else "utf-8", "replace"),
        collides_with=twins.get(entry.path, ""),
    )


async def _blob(git: Git, name: str, mode: str, size: int) -> bytes:
    """Content of a regular file's or a symlink's blob; empty for what is absent, too large or no blob."""
    if not name.strip("0") or mode == "160000" or size > READ_BYTES:
        return b""
    return await git("cat-file", "blob", name, limit=READ_BYTES)


def _collisions(tree: list[str], changed: set[str]) -> dict[str, str]:
    """Changed path -> another path of the tree that a case-folding or normalising file system takes for the same."""
    seen: dict[str, str] = {}
    twins: dict[str, str] = {}
    for path in tree:
        folded = unicodedata.normalize("NFC", path).casefold()
        other = seen.setdefault(folded, path)
        if other != path:
            twins |= {one: two for one, two in ((path, other), (other, path)) if one in changed}
    return twins


def _count(numstat: bytes) -> tuple[int, int]:
    rows = [row.split("\t") for row in numstat.decode("utf-8", "replace").split("\0") if row]
    numbers = [(int(a), int(b)) for a, b, *_ in (row for row in rows if len(row) >= 3) if a.isdigit() and b.isdigit()]
    return sum(a for a, _ in numbers), sum(b for _, b in numbers)


def _refused(reason: str, detail: str = "") -> PatchError:
    action = "Read the log for what the agent did, narrow the plan, and start the fix again."
    return PatchError(Failure(kind="gate", reason=reason, action=action, detail=detail[:2000]))


def _unreadable(error: GitError) -> Failure:
    if "bytes of output" in str(error):
        return Failure(
            kind="gate",
            reason="The patch is larger than what is published.",
            action="Narrow the plan so that the fix stays small, and start it again.",
        )
    return Failure(
        kind="infrastructure",
        reason="The patch could not be read.",
        action="It is tried again; if it stays, look at the runner's log.",
        detail=str(error)[:2000],
    )
