"""What the issue names outright: paths, frames, dotted names, defined symbols. Each becomes a value per file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from services.planner.localise.corpus import Corpus
from services.planner.localise.fields import Floats
from services.planner.localise.frames import Frame, match_path, names_folder
from services.planner.localise.query import Query


@dataclass(slots=True)
class Mentions:
    """Values per file (0 none .. 1 certain), and for the evidence shown what was matched by file number."""

    values: dict[str, Floats]
    frames: dict[int, list[Frame]] = field(default_factory=dict)
    names: dict[int, list[tuple[float, str]]] = field(default_factory=dict)
    dotted: dict[int, list[str]] = field(default_factory=dict)
    paths: dict[int, list[str]] = field(default_factory=dict)


def find_mentions(corpus: Corpus, query: Query) -> Mentions:
    """All mentions of one query in one corpus."""
    names = ("fpath", "fbase", "frame", "frame_last", "dot_symbol", "dot_module", "stem_title", "def_max", "def_title")
    found = Mentions({name: np.zeros(len(corpus), dtype=np.float32) for name in names})
    paths = [entry.path for entry in corpus.files]
    _paths(corpus, query, paths, found)
    _frames(corpus, query, paths, found)
    resolver = _Modules(corpus)
    for dotted, weight in query.dotted.items():
        resolver.mark(dotted, weight, found)
    _symbols(corpus, query, found)
    for word in query.title_words:
        for number in corpus.stems.get(word, ()):
            found.values["stem_title"][number] = max(
                found.values["stem_title"][number], 1.0 / np.sqrt(len(corpus.stems[word]))
            )
    return found


def _paths(corpus: Corpus, query: Query, paths: list[str], found: Mentions) -> None:
    for printed, _ in query.paths:
        for number, share in match_path(printed, corpus.basenames, paths):
            flag = found.values["fpath" if names_folder(printed, paths[number]) else "fbase"]
            flag[number] = max(flag[number], share)
            found.paths.setdefault(number, []).append(printed)


def _frames(corpus: Corpus, query: Query, paths: list[str], found: Mentions) -> None:
    inner = list(reversed(query.frames))
    depth = 0
    for frame in inner:
        matches = match_path(frame.path, corpus.basenames, paths)
        for number, share in matches:
            found.values["frame"][number] = max(found.values["frame"][number], share * 0.85**depth)
            if depth == 0:
                found.values["frame_last"][number] = max(found.values["frame_last"][number], share)
            found.frames.setdefault(number, []).append(frame)
        depth += bool(matches)


def _symbols(corpus: Corpus, query: Query, found: Mentions) -> None:
    for name, weight in query.identifiers.items():
        places = corpus.defining(name)
        if not places or len(places) > 200:
            continue
        value = weight / len(places) ** 0.7
        for number, definition in places:
            shown = value * (1.0 if definition.depth < 2 else 0.5)
            found.values["def_max"][number] = max(found.values["def_max"][number], shown)
            if weight >= 3.0:
                found.values["def_title"][number] = max(found.values["def_title"][number], shown)
            found.names.setdefault(number, []).append((shown, definition.name))


class _Modules:
    """Resolves dotted names (`a.b.C.d`, `com.acme.Foo`, `crate::x::y`) to files by path suffix."""

    def __init__(self, corpus: Corpus) -> None:
        self._corpus = corpus
        self._by_stem: dict[str, list[int]] = {}
        for number, entry in enumerate(corpus.files):
            self._by_stem.setdefault(_module_parts(entry.path)[-1], []).append(number)
        self._parts = [_module_parts(entry.path) for entry in corpus.files]

    def _modules(self, parts: list[str]) -> list[int]:
        """Files whose module path ends in `parts` (at least two, or one that is unique)."""
        found = [n for n in self._by_stem.get(parts[-1], ()) if self._parts[n][-len(parts) :] == parts]
        if len(parts) == 1 and len(found) > 1:
            return [n for n in found if len(self._parts[n]) == 1]
        return found if len(found) <= 5 else []

    def mark(self, dotted: str, weight: float, found: Mentions) -> None:
        parts = dotted.split(".")
        for cut in range(len(parts), 0, -1):
            modules = self._modules(parts[:cut])
            if cut == 1 and len(parts) == 1:
                return
            if not modules:
                continue
            rest = parts[cut:]
            for number in modules:
                self._mark_module(number, rest, dotted, weight, found)
            return
        self._mark_member(parts, dotted, weight, found)

    def _mark_module(self, number: int, rest: list[str], dotted: str, weight: float, found: Mentions) -> None:
        owners = [n for n, d in self._corpus.defining(rest[0]) if d.depth == 0] if rest else []
        if not rest:
            found.values["dot_module"][number] = max(found.values["dot_module"][number], weight)
        elif number in owners:
            found.values["dot_symbol"][number] = max(found.values["dot_symbol"][number], weight)
        else:  # re-exported by a package: the file below it that defines the name
            folder = self._corpus.files[number].path.rpartition("/")[0] + "/"
            below = [n for n in owners if self._corpus.files[n].path.startswith(folder)]
            for owner in below[:3]:
                found.values["dot_symbol"][owner] = max(found.values["dot_symbol"][owner], weight / len(below))
                found.dotted.setdefault(owner, []).append(dotted)
            found.values["dot_module"][number] = max(found.values["dot_module"][number], weight * 0.5)
        found.dotted.setdefault(number, []).append(dotted)

    def _mark_member(self, parts: list[str], dotted: str, weight: float, found: Mentions) -> None:
        """`QuerySet.union`: a type and its member defined in one file."""
        if len(parts) < 2:
            return
        holders = {n for n, _ in self._corpus.defining(parts[-2])}
        members = {n for n, _ in self._corpus.defining(parts[-1])}
        both = holders & members
        for number in sorted(both)[:4]:
            found.values["dot_symbol"][number] = max(found.values["dot_symbol"][number], weight / len(both))
            found.dotted.setdefault(number, []).append(dotted)


def _module_parts(path: str) -> list[str]:
    parts = path.split("/")
    stem = parts[-1].split(".", 1)[0]
    if stem in ("__init__", "index", "mod", "lib") and len(parts) > 1:
        return parts[:-1]
    return [*parts[:-1], stem]
