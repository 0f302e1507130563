"""The searchable form of a set of files: BM25 fields over chunks, whole files, definition names, paths, literals."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.planner.localise.analyse import FileFacts
from services.planner.localise.fields import Field, FieldBuilder
from services.planner.localise.paths import stem_of
from services.planner.localise.tokens import compound_hash, terms_of


class FileEntry(NamedTuple):
    """One file of the index: `role` as in `paths.role_of`, `language` as in `paths.LANGUAGES`, `size` in bytes."""

    path: str
    sha: str
    size: int
    language: str
    role: str


class FileDefinition(NamedTuple):
    """A definition found by regular expression: 1-based `line`, nesting `depth` (0 top-level)."""

    name: str
    kind: str
    line: int
    depth: int


class Corpus:
    """Files in byte order of path with everything a query needs; arrays only, no text."""

    def __init__(self, files: Iterable[tuple[FileEntry, FileFacts]]) -> None:
        self.files: list[FileEntry] = []
        self.generated: list[bool] = []
        self.has_tests: list[bool] = []
        self.lines: list[int] = []
        self.imports: list[str] = []
        self._names: list[tuple[str, str, bytes, bytes]] = []
        chunk, whole, names, literals = (FieldBuilder(b) for b in (0.6, 0.75, 0.75, 0.3))
        owners: list[npt.NDArray[np.int32]] = []
        spans: list[npt.NDArray[np.uint32]] = []
        hashes: list[npt.NDArray[np.uint32]] = []
        for number, (entry, facts) in enumerate(files):
            self.files.append(entry)
            self.generated.append(facts.generated)
            self.has_tests.append(facts.tests_inside)
            self.lines.append(facts.lines)
            self.imports.append(facts.imports)
            self._names.append((facts.def_names, facts.def_kinds, facts.def_lines, facts.def_depths))
            lines = np.frombuffer(facts.chunk_lines, np.uint32).reshape(-1, 2)
            terms, counts = np.frombuffer(facts.terms, np.uint32), np.frombuffer(facts.counts, np.uint16)
            bounds = np.append(np.frombuffer(facts.chunk_ptr, np.uint32), len(terms)).astype(np.int64)
            piece = np.repeat(np.arange(len(lines), dtype=np.int32), np.diff(bounds))
            chunk.add_pieces(terms, counts, piece, len(lines))
            whole.add(*_merged(terms, counts))
            names.add(np.frombuffer(facts.name_terms, np.uint32), np.frombuffer(facts.name_counts, np.uint16))
            found = np.frombuffer(facts.literals, np.uint32)
            literals.add(found, np.ones(len(found), np.uint16))
            owners.append(np.full(len(lines), number, np.int32))
            spans.append(lines)
            hashes.append(np.frombuffer(facts.def_hashes, np.uint32))
        self.chunks, self.whole, self.names, self.literals = (f.build() for f in (chunk, whole, names, literals))
        self.chunk_owner = np.concatenate([np.zeros(0, np.int32), *owners])
        self.chunk_lines = np.concatenate([np.zeros((0, 2), np.uint32), *spans])
        self._build_definitions(hashes)
        self.number = {entry.path: i for i, entry in enumerate(self.files)}

    def __len__(self) -> int:
        return len(self.files)

    def _build_definitions(self, hashes: list[npt.NDArray[np.uint32]]) -> None:
        sizes = np.array([len(h) for h in hashes], dtype=np.int64)
        every = np.concatenate([np.zeros(0, np.uint32), *hashes])
        owner = np.repeat(np.arange(len(hashes), dtype=np.int32), sizes)
        position = np.arange(len(every)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        order = np.argsort(every, kind="stable")
        self._def_hash, self._def_owner, self._def_position = every[order], owner[order], position[order]

    def defining(self, name: str) -> list[tuple[int, FileDefinition]]:
        """(file number, definition) of everything called `name`, case and underscores ignored."""
        wanted = np.uint32(compound_hash(name))
        low, high = np.searchsorted(self._def_hash, wanted), np.searchsorted(self._def_hash, wanted, "right")
        return [
            (int(self._def_owner[i]), self.definition(int(self._def_owner[i]), int(self._def_position[i])))
            for i in range(int(low), int(high))
        ]

    def definition(self, file: int, position: int) -> FileDefinition:
        """The `position`-th definition of a file."""
        names, kinds, lines, depths = self._names[file]
        line = int(np.frombuffer(lines, np.uint32)[position])
        return FileDefinition(names.split("\n")[position], kinds.split("\n")[position], line, depths[position])

    def definitions(self, file: int) -> list[FileDefinition]:
        """All definitions of a file in line order."""
        names, kinds, lines, depths = self._names[file]
        if not names:
            return []
        numbers = np.frombuffer(lines, np.uint32)
        return [
            FileDefinition(name, kind, int(line), depth)
            for name, kind, line, depth in zip(names.split("\n"), kinds.split("\n"), numbers, depths, strict=True)
        ]

    @cached_property
    def paths(self) -> Field:
        """Tokens of the path, the file's stem twice."""
        builder = FieldBuilder(0.75)
        for entry in self.files:
            counts: dict[int, int] = {}
            for part in entry.path.rsplit(".", 1)[0].replace("-", "/").split("/"):
                for term in {*terms_of(part), compound_hash(part)}:
                    counts[term] = counts.get(term, 0) + 1
            stem = stem_of(entry.path)
            for term in {*terms_of(stem), compound_hash(stem)}:
                counts[term] = counts.get(term, 0) + 1
            builder.add(np.fromiter(counts, np.uint32), np.fromiter(counts.values(), np.uint16))
        return builder.build()

    @cached_property
    def basenames(self) -> dict[str, list[int]]:
        """Lower-case file name -> file numbers."""
        found: dict[str, list[int]] = {}
        for number, entry in enumerate(self.files):
            found.setdefault(entry.path.rsplit("/", 1)[-1].lower(), []).append(number)
        return found

    @cached_property
    def stems(self) -> dict[str, list[int]]:
        """Lower-case stem (underscores and dashes dropped) -> file numbers."""
        found: dict[str, list[int]] = {}
        for number, entry in enumerate(self.files):
            key = stem_of(entry.path).lower().replace("_", "").replace("-", "")
            found.setdefault(key, []).append(number)
        return found

    @cached_property
    def folders(self) -> npt.NDArray[np.int32]:
        """For each file the number of its folder."""
        known: dict[str, int] = {}
        return np.array(
            [known.setdefault(entry.path.rpartition("/")[0], len(known)) for entry in self.files], dtype=np.int32
        )


def _merged(
    terms: npt.NDArray[np.uint32], counts: npt.NDArray[np.uint16]
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint16]]:
    unique, inverse = np.unique(terms, return_inverse=True)
    total = np.bincount(inverse, weights=counts, minlength=len(unique))
    return unique, np.minimum(total, 65535).astype(np.uint16)
