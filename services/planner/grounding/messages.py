"""Finds the lines of code that hold the report's error message: where it is raised is where reading begins."""

from __future__ import annotations

import re

import numpy as np

from services.planner.grounding.model import MessageSite
from services.planner.localise.evidence import enclosing
from services.planner.localise.index import RepositoryIndex
from services.planner.localise.query import Query
from services.planner.localise.signals import order_of
from services.planner.localise.tokens import shingles

_FILES_READ = 6
_MIN_WORDS = 4
_ERROR_HEAD = re.compile(
    r"^[^\w\"'`]*(?:[\w.]*(?:Error|Exception|Warning|Fault|error|panic\w*)\b)\s*(?:at [^:]*|\[\w+\])?[:(]?\s*"
)
_CODE = re.compile(r"^\s*(?:[<@$#]|\{[#:/@%{])|=>|=[{\"']|[;{]\s*$|\)\s*\{")
_WORDS = re.compile(r"[A-Za-z][A-Za-z']+")


def message_sites(index: RepositoryIndex, query: Query, limit: int = 4) -> list[MessageSite]:
    """Lines whose string shares a run of at least four words with an error line or quotation of the report."""
    corpus = index.sources
    phrases = _phrases(query)
    if not phrases or not len(corpus):
        return []
    wanted = {run: 1.0 for phrase in phrases for run in shingles(phrase)}
    scores = corpus.literals.score(wanted)
    files = [int(n) for n in order_of(scores)[:_FILES_READ] if scores[n] > 0]
    texts = index.read_many(corpus.files[n].path for n in files)
    found: list[tuple[int, float, MessageSite]] = []
    for number in files:
        path = corpus.files[number].path
        hit = _best_line(texts.get(path, ""), phrases)
        if hit is None:
            continue
        words, line, phrase = hit
        definitions = corpus.definitions(number)
        inside = enclosing(definitions, line)
        symbol = definitions[inside].name if inside is not None else ""
        found.append((words, float(scores[number]), MessageSite(path, line, phrase, symbol)))
    found.sort(key=lambda item: (-item[0], -item[1], item[2].path))
    best = found[0][0] if found else 0
    return [site for words, _, site in found[:limit] if words >= max(_MIN_WORDS, best - 1)]


def _phrases(query: Query) -> list[str]:
    phrases = [_ERROR_HEAD.sub("", error).strip() for error in query.errors]
    phrases += query.quotes
    said = [p for p in dict.fromkeys(phrases) if len(_WORDS.findall(p)) >= _MIN_WORDS and _is_prose(p)]
    return said[:12]


def _is_prose(phrase: str) -> bool:
    """Not a dotted name of four parts, as loggers have, nor a line of code or a tag of a template."""
    return len(phrase.split()) > 2 and not _CODE.search(phrase)


def _best_line(text: str, phrases: list[str]) -> tuple[int, int, str] | None:
    """(words in common, 1-based line, phrase); a message may run on over the next two lines of code."""
    best: tuple[int, int, str] | None = None
    lines = text.split("\n")
    windows = [[w.lower() for w in _WORDS.findall(line[:400])] for line in lines]
    for phrase in phrases:
        words = [w.lower() for w in _WORDS.findall(phrase)]
        starts = {tuple(words[i : i + 3]) for i in range(len(words) - 2)}
        for number, own in enumerate(windows):
            if not any(tuple(own[i : i + 3]) in starts for i in range(len(own) - 2)):
                continue
            run = _longest_run(words, [w for part in windows[number : number + 3] for w in part])
            if run >= _MIN_WORDS and (best is None or run > best[0]):
                best = (run, number + 1, phrase[:160])
    return best


def _longest_run(first: list[str], second: list[str]) -> int:
    previous = np.zeros(len(second) + 1, dtype=np.int64)
    codes = {word: i for i, word in enumerate(dict.fromkeys([*first, *second]))}
    other = np.array([codes[w] for w in second], dtype=np.int64)
    longest = 0
    for word in first:
        current = np.zeros_like(previous)
        current[1:] = np.where(other == codes[word], previous[:-1] + 1, 0)
        longest = max(longest, int(current.max(initial=0)))
        previous = current
    return longest
