"""Says in words why a file was ranked where it was, from the contributions that ranked it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from services.planner.localise.corpus import Corpus, FileDefinition
from services.planner.localise.fields import Floats
from services.planner.localise.frames import Frame
from services.planner.localise.history import Commit
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.query import Query
from services.planner.localise.results import Candidate, Evidence, Symbol
from services.planner.localise.signals import Signals
from services.planner.localise.tokens import terms_of

_KINDS = {
    "fpath": "path", "fbase": "path", "frame": "stack_frame", "frame_last": "stack_frame", "dot_sym": "dotted_name",
    "dot_mod": "dotted_name", "def_max": "symbol", "def_title": "symbol", "stem_title": "file_name",
    "path_mix": "file_name", "path_title": "file_name", "c3_mix": "text", "c3_title": "text", "bm_title": "text",
    "ck_ident": "text", "c3_err": "error_text", "literal": "literal", "sym_mix": "symbol_words",
    "sym_title": "symbol_words", "h2_title": "history", "h2_prof": "history",
    "cochange": "cochange", "dirsib": "neighbour", "aux": "demoted", "markup": "demoted", "is_init": "demoted",
    "dts": "demoted",
}  # fmt: skip
_MIN_WEIGHT = 0.05
_MAX_SYMBOLS = 6
_FEW_COMMITS = 3  # a share of fewer says nothing


# evidence a person can check at a glance comes before what only the arithmetic knows
_SURE = ("path", "stack_frame", "dotted_name", "symbol", "literal")


@dataclass(frozen=True, slots=True)
class Asked:
    """One ranking under way: what was asked of what, and what each signal contributed to each file."""

    index: RepositoryIndex
    corpus: Corpus
    query: Query
    signals: Signals
    parts: dict[str, Floats]


def explain(asked: Asked, number: int, score: float, share: float) -> Candidate:
    """The candidate with its evidence and the definitions the issue points at."""
    symbols = pointed_symbols(asked.corpus, asked.query, asked.signals, number)
    weights: dict[str, float] = {}
    for name, values in asked.parts.items():
        weights[_KINDS[name]] = weights.get(_KINDS[name], 0.0) + float(values[number])
    details = _details(asked, number, symbols) | _history_details(asked, number)
    evidence = [
        Evidence(kind, details[kind], round(weight, 3))
        for kind, weight in weights.items()
        if kind in details and (abs(weight) >= _MIN_WEIGHT or kind in _SURE)
    ]
    evidence.sort(key=lambda e: (e.kind not in _SURE or e.weight < _MIN_WEIGHT, -e.weight, e.kind))
    return Candidate(asked.corpus.files[number].path, round(score, 4), evidence, symbols, round(share, 4))


def _details(asked: Asked, number: int, symbols: list[Symbol]) -> dict[str, str]:
    mentions, values = asked.signals.mentions, asked.signals.values
    found: dict[str, str] = {}
    if paths := mentions.paths.get(number):
        found["path"] = f"the report names {_listed(paths)}"
    if frames := mentions.frames.get(number):
        innermost = " (innermost frame of this repository)" if values["frame_last"][number] > 0 else ""
        found["stack_frame"] = f"in the stack trace at {_places(frames)}{innermost}"
    if dotted := mentions.dotted.get(number):
        found["dotted_name"] = f"the report names {_listed(dotted)}"
    if names := mentions.names.get(number):
        ordered = [name for shown, name in sorted(names, key=lambda item: (-item[0], item[1])) if shown > 0.1]
        if ordered:
            found["symbol"] = f"defines {_listed(ordered)}, named in the report"
    if values["stem_title"][number] > 0 or values["path_title"][number] > 0:
        found["file_name"] = "the title has words of the file's path"
    elif values["path_mix"][number] > 0:
        found["file_name"] = "the report has words of the file's path"
    if values["c3_mix"][number] > 0:
        words = shared_words(asked.corpus, asked.query, number)
        near = f", closest around {_listed([s.name for s in symbols[:2]])}" if symbols else ""
        found["text"] = (
            f"its code has the report's rarer names {_listed(words)}{near}"
            if words
            else (f"its code reads like the report{near}")
        )
    if values["c3_err"][number] > 0:
        found["error_text"] = "its code shares words with the error message or quotations"
    if values["literal"][number] > 0:
        found["literal"] = "holds a string with a phrase of the report"
    if values["sym_mix"][number] > 0:
        found["symbol_words"] = "names defined here share words with the report"
    return found


def shared_words(corpus: Corpus, query: Query, number: int, most: int = 4) -> list[str]:
    """Words of the report that the file has and few others do, rarest first."""
    rare: dict[int, tuple[float, str]] = {}
    for word, term in query.words.items():
        holders = corpus.whole.documents(term)
        shown = word in query.identifiers or word.lower() in query.title_words
        if shown and len(holders) <= max(3, len(corpus) // 8) and number in holders:
            rare.setdefault(term, (corpus.whole.idf(term), word))
    return [word for _, word in sorted(rare.values(), key=lambda item: (-item[0], item[1]))[:most]]


def _history_details(asked: Asked, number: int) -> dict[str, str]:
    index, corpus, signals = asked.index, asked.corpus, asked.signals
    found: dict[str, str] = {}
    path = corpus.files[number].path
    commits = index.history_of(corpus).commits
    alike = [commits[c] for c, _ in signals.similar[:20] if path in commits[c].files]
    compared = len(signals.similar[:20])
    if alike and compared < _FEW_COMMITS:
        found["history"] = f"changed by a past commit that reads like the report, {_commit(alike[0])}"
    elif alike:
        found["history"] = (
            f"changed by {len(alike)} of the {compared} past commits most like the report, e.g. {_commit(alike[0])}"
        )
    elif signals.values["h2_prof"][number] > 0:
        found["history"] = "messages of past commits to this file share words with the report"
    if signals.values["cochange"][number] > 0:
        found["cochange"] = "has changed together with the files ranked highest"
    if signals.values["dirsib"][number] > 0:
        found["neighbour"] = "lies beside files ranked high"
    if signals.values["aux"][number] > 0:
        found["demoted"] = "documentation, scripts, examples or generated code: rarely where a fix goes"
    elif signals.values["dts"][number] > 0:
        found["demoted"] = "type declarations only"
    return found


def _commit(commit: Commit) -> str:
    subject = commit.subject if len(commit.subject) <= 80 else f"{commit.subject[:80].rsplit(' ', 1)[0]} …"
    return f"{commit.sha[:10]} “{subject}”"


def pointed_symbols(corpus: Corpus, query: Query, signals: Signals, number: int) -> list[Symbol]:
    """Definitions the issue names, those around frames, then those around the best-matching chunks; in line order.

    Ends are those of the next definition of the same depth; `grounding.spans` puts exact ones in their place.
    """
    definitions = corpus.definitions(number)
    if not definitions:
        return []
    weights: dict[int, float] = {}
    named = {name: shown for shown, name in sorted(signals.mentions.names.get(number, []))}
    for position, definition in enumerate(definitions):
        if definition.name in named:
            weights[position] = 2.0 + named[definition.name]
    for frame in signals.mentions.frames.get(number, []):
        inside = enclosing(definitions, frame.line) if frame.line else None
        for position, definition in enumerate(definitions):
            if position == inside or (frame.function and definition.name == frame.function):
                weights[position] = max(weights.get(position, 0.0), 6.0)
    for (first, last), strength in _best_chunks(corpus, query, number):
        around = _closest(corpus, query, definitions, first, last)
        if around is not None:
            weights[around] = weights.get(around, 0.0) + strength
    chosen = sorted(weights, key=lambda p: (-weights[p], p))[:_MAX_SYMBOLS]
    return [_symbol(definitions, position, corpus.lines[number]) for position in chosen]


def _best_chunks(corpus: Corpus, query: Query, number: int) -> list[tuple[tuple[int, int], float]]:
    """((first, last line), strength 0..1.5) of the three chunks of the file that match best."""
    low, high = np.searchsorted(corpus.chunk_owner, number), np.searchsorted(corpus.chunk_owner, number, "right")
    if low == high:
        return []
    scores = corpus.chunks.score(query.mix)[low:high]
    order = np.argsort(-scores, kind="stable")[:3]
    best = float(scores[order[0]]) or 1.0
    lines = corpus.chunk_lines[low:high]
    return [((int(lines[i][0]), int(lines[i][1])), 1.5 * float(scores[i]) / best) for i in order if scores[i] > 0]


def _closest(corpus: Corpus, query: Query, definitions: list[FileDefinition], first: int, last: int) -> int | None:
    """Of the definitions in a chunk the one whose name is nearest the report; else the one around its first line."""
    around = enclosing(definitions, first)
    best, most = around, 0.0
    for position, definition in enumerate(definitions):
        if position != around and not first <= definition.line <= last:
            continue
        own = sum(query.mix.get(t, 0.0) * corpus.names.idf(t) for t in set(terms_of(definition.name)))
        if own > most:
            best, most = position, own
    return best


def enclosing(definitions: list[FileDefinition], line: int) -> int | None:
    """Position of the last definition that starts at or before the line."""
    inside = [position for position, definition in enumerate(definitions) if definition.line <= line]
    return inside[-1] if inside else None


def _symbol(definitions: list[FileDefinition], position: int, lines: int) -> Symbol:
    chosen = definitions[position]
    following = [d.line for d in definitions[position + 1 :] if d.depth <= chosen.depth and d.line > chosen.line]
    return Symbol(chosen.name, chosen.kind, chosen.line, (following[0] - 1) if following else max(lines, chosen.line))


def _places(frames: list[Frame]) -> str:
    """``frames`` are innermost first. A trace that came as data and as text is listed once, with the names it has."""
    named = {frame.line for frame in frames if frame.function}
    unique = dict.fromkeys((f.line, f.function) for f in frames if f.function or f.line not in named)
    told = [
        (f"line {line} (`{name[:80]}`)" if name else f"line {line}") if line else f"`{name[:80]}`"
        for line, name in unique
        if line or name
    ]
    most = 4
    more = f" and {len(told) - most} more" if len(told) > most else ""
    return ", ".join(told[:most]) + more if told else f"`{frames[0].path[-80:]}`"


def _listed(items: list[str], most: int = 4) -> str:
    unique = list(dict.fromkeys(items))
    shown = ", ".join(f"`{item[:80]}`" for item in unique[:most])
    return shown + (f" and {len(unique) - most} more" if len(unique) > most else "")
