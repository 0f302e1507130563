"""The cache on disk: one SQLite file per repository, facts by blob sha and commits by commit sha.

SQLite because a writer killed at any point leaves the last whole transaction, and several processes may read.
A cache that cannot be opened or is damaged is set aside: it is only ever a saving of time.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path


class FactStore:
    """`get`/`put` of opaque bytes in the tables `blobs` and `commits`; keys are hex shas plus a version suffix."""

    def __init__(self, path: Path | None) -> None:
        """`path` None keeps everything in memory for the life of the object."""
        self._connection = self._open(path)

    @staticmethod
    def _open(path: Path | None) -> sqlite3.Connection:
        if path is None:
            return _prepare(sqlite3.connect(":memory:", check_same_thread=False))
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=20, check_same_thread=False)
        try:
            return _prepare(connection)
        except sqlite3.DatabaseError:
            connection.close()
            with contextlib.suppress(OSError):
                path.replace(path.with_suffix(".damaged"))
            return _prepare(sqlite3.connect(path, timeout=20, check_same_thread=False))

    def get(self, table: str, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """The stored ones of `keys`, in no order."""
        assert table in ("blobs", "commits")
        wanted = list(keys)
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            try:
                yield from self._connection.execute(f"SELECT id, data FROM {table} WHERE id IN ({marks})", part)  # noqa: S608
            except sqlite3.DatabaseError:  # a damaged page: what cannot be read is analysed again
                return

    def put(self, table: str, rows: Iterable[tuple[str, bytes]]) -> None:
        """Stores rows in one transaction; a full or read-only disk costs the saving, not the answer."""
        assert table in ("blobs", "commits")
        with contextlib.suppress(sqlite3.DatabaseError), self._connection:
            self._connection.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", rows)  # noqa: S608

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


def _prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=OFF")
    for table in ("blobs", "commits"):
        connection.execute(f"CREATE TABLE IF NOT EXISTS {table} (id TEXT PRIMARY KEY, data BLOB) WITHOUT ROWID")
    connection.commit()
    return connection


def store_path(cache_dir: Path, git_dir: Path) -> Path:
    """The cache file of one repository: named by its path's hash, so folders of the same name do not meet."""
    digest = hashlib.sha256(str(git_dir.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return cache_dir / f"localise-{digest}.sqlite"
