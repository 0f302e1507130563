"""The index of a repository at one commit."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

import msgspec

from services.planner.localise.analyse import ANALYSER_VERSION, FileFacts, analyse_blob, decode_facts, encode_facts
from services.planner.localise.corpus import Corpus, FileEntry
from services.planner.localise.gitread import GitRepository, TreeEntry
from services.planner.localise.history import Commit, History, read_history
from services.planner.localise.paths import is_soft_test, language_of, role_of
from services.planner.localise.store import FactStore, store_path

MAX_FILE_BYTES = 1_500_000
MAX_SOURCE_BYTES = 150_000_000  # beyond it the largest files are known by path only: memory stays bounded
_FLUSH_ROWS = 500


class RepositoryIndex:
    """Everything ranking and grounding read; built by `build`, never changed afterwards.

    Not to be shared by threads that query at the same time for the first time: lazily built parts are not locked.
    """

    def __init__(self, repository: GitRepository, commit: str, store: FactStore) -> None:
        started = time.perf_counter()
        self.repository = repository
        self.commit = commit
        self._store = store
        self.tree = repository.tree(commit)
        self.files: dict[str, TreeEntry] = {entry.path: entry for entry in self.tree.entries}
        self.analysed_blobs = 0
        self.unreadable: list[str] = []
        entries = [e for e in self._entries() if e.role != "test" or is_soft_test(e.path)]
        pairs = self._with_facts(entries)
        self.sources = Corpus(
            (_settled(entry, facts), facts)
            for entry, facts in pairs
            if facts.status in ("", "large") and not (entry.role == "test" and facts.tests_inside)
        )
        self.timings_ms = {"index": round((time.perf_counter() - started) * 1000, 1)}

    @classmethod
    def build(
        cls, repo_path: str | os.PathLike[str], rev: str, cache_dir: str | os.PathLike[str] | None = None
    ) -> RepositoryIndex:
        """Reads commit `rev` of the repository at `repo_path`.

        With `cache_dir`, facts are kept there by blob sha: a second commit analyses changed blobs only.
        Raises `RepositoryError` for a path that is no repository and for an unknown revision.
        """
        repository = GitRepository(repo_path)
        commit = repository.resolve(rev)
        path = store_path(Path(cache_dir), repository.git_dir) if cache_dir is not None else None
        return cls(repository, commit, FactStore(path))

    def close(self) -> None:
        """Closes the cache file; lazily built parts not yet used cannot be built any more."""
        self._store.close()

    def _entries(self) -> Iterator[FileEntry]:
        for entry in self.tree.entries:
            language = language_of(entry.path)
            role = role_of(entry.path)
            if language is not None and role != "skip":
                yield FileEntry(entry.path, entry.sha, entry.size, language, role)

    def _with_facts(self, entries: list[FileEntry]) -> Iterator[tuple[FileEntry, FileFacts]]:
        wanted: dict[str, FileEntry] = {}
        budget = MAX_SOURCE_BYTES
        for entry in sorted(entries, key=lambda e: e.size):
            if entry.size <= MAX_FILE_BYTES and entry.size <= budget:
                budget -= entry.size
                wanted.setdefault(_key(entry), entry)
        known: dict[str, bytes] = dict(self._store.get("blobs", wanted))
        missing = [entry for key, entry in wanted.items() if key not in known]
        known.update(self._analyse(missing))
        large = encode_facts(FileFacts(status="large", lines=0, generated=False, tests_inside=False))
        gone = encode_facts(FileFacts(status="missing", lines=0, generated=False, tests_inside=False))
        left = Counter(_key(entry) for entry in entries)
        for entry in entries:
            key = _key(entry)
            raw = known.get(key, gone if key in wanted else large)
            left[key] -= 1
            if not left[key]:  # of a large repository the raw facts are the larger half of the memory
                known.pop(key, None)
            yield entry, _decoded(raw, gone)

    def _analyse(self, entries: list[FileEntry]) -> Iterator[tuple[str, bytes]]:
        """Facts of new blobs, stored in batches; a blob under several languages is read once for each."""
        batch: list[tuple[str, bytes]] = []
        for entry, (_, content) in zip(entries, self.repository.blobs(e.sha for e in entries), strict=True):
            if content is None:
                self.unreadable.append(entry.path)
                continue
            self.analysed_blobs += 1
            row = (_key(entry), encode_facts(analyse_blob(content, entry.language)))
            batch.append(row)
            yield row
            if len(batch) >= _FLUSH_ROWS:
                self._store.put("blobs", batch)
                batch = []
        self._store.put("blobs", batch)

    @cached_property
    def tests(self) -> Corpus:
        """The test files, analysed on first use."""
        entries = [e for e in self._entries() if e.role == "test" and e.path not in self.sources.number]
        return Corpus((e, facts) for e, facts in self._with_facts(entries) if facts.status == "")

    @cached_property
    def commits(self) -> list[Commit]:
        """Commits up to this one, newest first; empty in a repository whose history cannot be walked."""
        return read_history(self.repository, self.commit, self._store)

    @cached_property
    def history(self) -> History:
        """History over the source files."""
        return History(self.commits, self.sources.number)

    def history_of(self, corpus: Corpus) -> History:
        """History over the files of one of this index's corpora."""
        return self.history if corpus is self.sources else self._test_history

    @cached_property
    def _test_history(self) -> History:
        return History(self.commits, self.tests.number)

    @cached_property
    def shallow(self) -> bool:
        """True when older history is missing."""
        return self.repository.is_shallow()

    @cached_property
    def commit_time(self) -> int:
        """Committer time of the indexed commit, unix seconds."""
        return self.repository.commit_time(self.commit)

    def read(self, path: str, limit: int = MAX_FILE_BYTES) -> str | None:
        """Text of a file at the commit; None when there is no such file, or it is larger than `limit` bytes."""
        return self.read_many([path], limit).get(path)

    def read_many(self, paths: Iterable[str], limit: int = MAX_FILE_BYTES) -> dict[str, str]:
        """Texts of several files by one git process; those missing or too large are left out."""
        chosen = [self.files[p] for p in dict.fromkeys(paths) if p in self.files and self.files[p].size <= limit]
        contents = self.repository.blobs(entry.sha for entry in chosen)
        return {
            entry.path: content.decode("utf-8", "replace").replace("\r\n", "\n")
            for entry, (_, content) in zip(chosen, contents, strict=True)
            if content is not None
        }


def _key(entry: FileEntry) -> str:
    return f"{entry.sha}.{entry.language}.{ANALYSER_VERSION}"


def _decoded(raw: bytes, fallback: bytes) -> FileFacts:
    try:
        return decode_facts(raw)
    except msgspec.DecodeError:  # a damaged cache row
        return decode_facts(fallback)


def _settled(entry: FileEntry, facts: FileFacts) -> FileEntry:
    """A file under `test/` without tests is a library for testers; a generated file is not edited by hand."""
    if entry.role == "test" or (facts.generated and entry.role == "source"):
        return entry._replace(role="aux")
    return entry
