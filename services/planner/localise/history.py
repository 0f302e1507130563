"""What past commits say: which files similar messages touched, which files change together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

import msgspec
import numpy as np
import numpy.typing as npt

from services.planner.localise.fields import Field, FieldBuilder, Floats
from services.planner.localise.gitread import GitRepository
from services.planner.localise.store import FactStore
from services.planner.localise.tokens import count_terms

COMMITS_READ, MERGES_READ = 3000, 1000
_VERSION = 1
_MESSAGE_LIMIT = 2000
_NOISE = re.compile(
    r"^(?:Signed-off-by|Co-authored-by|Reviewed-by|git-svn-id|Change-Id|Closes?|Refs?)\b.*$", re.M | re.I
)
_MAX_FILES = 30
_SIMILAR_KEPT = 60


class Commit(msgspec.Struct, array_like=True, frozen=True):
    """One past commit: unix seconds, first line, message terms, up to 40 changed paths and their full count."""

    sha: str
    time: int
    author: str
    subject: str
    files: list[str]
    file_count: int
    terms: bytes
    counts: bytes


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Commit)


def read_history(repository: GitRepository, sha: str, store: FactStore) -> list[Commit]:
    """Commits reachable from `sha`, newest first; those seen before come from the store."""
    ids = repository.commit_ids(sha, COMMITS_READ, MERGES_READ)
    suffix = f".{_VERSION}"
    known: dict[str, Commit] = {}
    for key, raw in store.get("commits", (i + suffix for i in ids)):
        known[key.removesuffix(suffix)] = _decoder.decode(raw)
    missing = [i for i in ids if i not in known]
    fresh: list[tuple[str, bytes]] = []
    for entry in repository.log(missing):
        counts: dict[int, int] = {}
        count_terms(_NOISE.sub("", entry.message[:_MESSAGE_LIMIT]), counts)
        subject = _subject(entry.message)
        commit = Commit(
            entry.sha,
            entry.time,
            entry.author,
            subject[:200],
            entry.files,
            entry.file_count,
            np.fromiter(counts, np.uint32).tobytes(),
            np.minimum(np.fromiter(counts.values(), np.uint32), 65535).astype(np.uint16).tobytes(),
        )
        known[entry.sha] = commit
        fresh.append((entry.sha + suffix, _encode(commit)))
    store.put("commits", fresh)
    return [known[i] for i in ids if i in known]


def _subject(message: str) -> str:
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    if lines[0].startswith("Merge pull request") and len(lines) > 1:
        return lines[1]
    return lines[0]


class History:
    """Signals over the files of one corpus."""

    def __init__(self, commits: list[Commit], number: Mapping[str, int]) -> None:
        """`number` maps the corpus' paths to file numbers; paths that are gone do not count."""
        self.commits = commits
        self._size = len(number)
        self._files = [
            np.array([number[f] for f in c.files if f in number], dtype=np.int32)
            if c.file_count <= _MAX_FILES
            else None
            for c in commits
        ]

    @cached_property
    def _messages(self) -> Field:
        builder = FieldBuilder(0.75)
        for commit in self.commits:
            builder.add(np.frombuffer(commit.terms, np.uint32), np.frombuffer(commit.counts, np.uint16))
        return builder.build()

    @cached_property
    def _profiles(self) -> Field:
        """One document a file: the terms of all messages that touched it."""
        terms: list[npt.NDArray[np.uint32]] = [np.zeros(0, np.uint32)]
        owners: list[npt.NDArray[np.int32]] = [np.zeros(0, np.int32)]
        counts: list[npt.NDArray[np.uint16]] = [np.zeros(0, np.uint16)]
        for commit, files in zip(self.commits, self._files, strict=True):
            if files is None or not len(files):
                continue
            found = np.frombuffer(commit.terms, np.uint32)
            terms.append(np.tile(found, len(files)))
            counts.append(np.tile(np.frombuffer(commit.counts, np.uint16), len(files)))
            owners.append(np.repeat(files, len(found)))
        keys = np.concatenate(terms).astype(np.uint64) << np.uint64(32) | np.concatenate(owners).astype(np.uint64)
        unique, inverse = np.unique(keys, return_inverse=True)
        total = np.bincount(inverse, weights=np.concatenate(counts), minlength=len(unique))
        return Field(
            (unique >> np.uint64(32)).astype(np.uint32),
            (unique & np.uint64(0xFFFFFFFF)).astype(np.int32),
            np.minimum(total, 65535).astype(np.uint16),
            self._size,
            0.75,
        )

    def similar_commits(self, query: Mapping[int, float]) -> list[tuple[int, float]]:
        """(commit number, similarity) of the most similar messages, best first."""
        if not self.commits:
            return []
        scores = self._messages.score(query)
        best = np.argsort(-scores, kind="stable")[:_SIMILAR_KEPT]
        return [(int(i), float(scores[i])) for i in best if scores[i] > 0]

    def files_of_similar(self, similar: list[tuple[int, float]]) -> Floats:
        """Sum over similar commits of sim^2 / sqrt(files changed), per file."""
        scores = np.zeros(self._size, dtype=np.float32)
        for commit, similarity in similar:
            files = self._files[commit]
            if files is not None and len(files):
                scores[files] += np.float32(similarity**2 / np.sqrt(self.commits[commit].file_count))
        return scores

    def profile(self, query: Mapping[int, float]) -> Floats:
        """BM25 of the query over each file's past messages."""
        if not self.commits or not self._size:
            return np.zeros(self._size, dtype=np.float32)
        return self._profiles.score(query)

    def cochange(self, seeds: Mapping[int, float]) -> Floats:
        """How often each file changed with the seed files, a share of each seed's commits times the seed's weight."""
        together = np.zeros(self._size, dtype=np.float32)
        touched = dict.fromkeys(seeds, 0)
        rows: dict[int, Floats] = {seed: np.zeros(self._size, dtype=np.float32) for seed in seeds}
        for files in self._files:
            if files is None or len(files) < 1:
                continue
            for seed in files.tolist():
                if seed in rows:
                    touched[seed] += 1
                    rows[seed][files] += np.float32(1 / np.sqrt(len(files)))
        for seed, weight in seeds.items():
            if touched[seed]:
                row = rows[seed] / (touched[seed] + 2)
                row[seed] = 0
                together += np.float32(weight) * row
        return together

    def touching(self, file: int) -> list[int]:
        """Numbers of the commits that changed a file, newest first (commits of at most 30 files)."""
        return [i for i, files in enumerate(self._files) if files is not None and file in files]
