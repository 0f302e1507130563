"""Cost per report and memory as the number of stored reports grows.

    python -m benchmarks.clustering.scale [--items 100000] [--lexical] [--invented]

The stream recombines the development sets, so that words, lengths, frames and names are those of real reports: a
report takes the title of one report of a set with a fifth of its words from another's, and lines from three to six
reports; numbers are drawn anew (every tenth one long, as an id), and where the first has a trace, a cut of a trace
with a third of its frames renamed. One report in five retells one of the latest 5,000: two thirds of its lines, its
trace and most of its title. Sets take turns by their size; one set is one source. With `--invented`, or where the
sets are not at hand, words follow a Zipf law over 60,000 invented ones.

Prints a JSON line for each step: items, CPU milliseconds per report over the last 2,000 (`assign` and `last_memo`,
as the service calls them), resident memory now and at its peak, without the generator's own share at the start.
"""

import argparse
import json
import random
import re
import resource
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.clustering.collect import BENCH, SETS, rows
from services.triage.engine import Config, Engine, Report

WINDOW = 2_000
RETOLD, REMEMBERED = 0.2, 5_000
_NUMBER = re.compile(r"\d+")
_SYLLABLES = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]


class Told(msgspec.Struct):
    """One report in parts."""

    source: str
    title: list[str]
    lines: list[str]
    frames: list[str]


class Real:
    """Parts of the development sets' reports."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._sets: dict[str, list[Told]] = {}
        for name in SETS:
            self._sets[name] = [
                Told(name, *(part.split(by) for part, by in zip(_texts(row), (None, "\n", "\n"), strict=True)))
                for row in rows(name)
            ]  # fmt: skip
        self._names = list(self._sets)
        self._sizes = [len(told) for told in self._sets.values()]

    def fresh(self) -> Told:
        """A report nobody sent, of parts that somebody did."""
        dice = self._dice
        told = self._sets[dice.choices(self._names, self._sizes)[0]]
        first, second, *others = dice.choices(told, k=dice.randint(4, 6))
        title = [word if dice.random() < 0.8 or not second.title else dice.choice(second.title) for word in first.title]
        size = max(1, len(first.lines))
        lines = [line for one in (first, *others) for line in self._cut(one.lines, size // (len(others) + 1) + 1)]
        frames = self._cut(first.frames, dice.randint(6, 40)) if len(first.frames) > 1 else []
        renamed = [line.replace(".", f".{self._word()}", 1) if dice.random() < 0.33 else line for line in frames]
        return Told(first.source, title, [self._numbered(line) for line in lines], renamed)

    def _cut(self, lines: list[str], size: int) -> list[str]:
        start = self._dice.randrange(max(1, len(lines) - size + 1))
        return lines[start : start + size]

    def _numbered(self, line: str) -> str:
        return _NUMBER.sub(lambda found: str(self._dice.randrange(10 ** (8 if len(found[0]) > 4 else 3))), line)

    def _word(self) -> str:
        return "".join(self._dice.choices(_SYLLABLES, k=3))


class Invented:
    """Reports of words that follow a Zipf law; one in four has a trace."""

    WORDS, MODULES = 60_000, 4_000

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._words = [self._word(number) for number in range(self.WORDS)]
        total = 0.0
        self._sums = [total := total + 1.0 / (rank + 8) for rank in range(self.WORDS)]

    def _word(self, number: int) -> str:
        parts = []
        number += len(_SYLLABLES)
        while number:
            number, rest = divmod(number, len(_SYLLABLES))
            parts.append(_SYLLABLES[rest])
        return "".join(parts)

    def _some(self, count: int) -> list[str]:
        return self._dice.choices(self._words, cum_weights=self._sums, k=count)

    def fresh(self) -> Told:
        """A report of random words."""
        dice = self._dice
        body = self._some(dice.randint(20, 160))
        module = dice.randrange(self.MODULES)
        depth = dice.randint(8, 30) if dice.random() < 0.25 else 0
        frames = [f"    at app.m{module}.C{(module + 7 * n) % 97}.f{n}(F.java:{n})" for n in range(depth)]
        lines = [" ".join(body[start : start + 14]) for start in range(0, len(body), 14)]
        return Told("scale", self._some(dice.randint(4, 12)), lines, frames)


def stream(seed: int, invented: bool) -> Iterator[Report]:
    """Endless; the same seed gives the same stream."""
    dice = random.Random(seed)
    parts = Invented(dice) if invented or not (BENCH / f"{SETS[0]}_dev.jsonl").exists() else Real(dice)
    told: list[Told] = []
    count = 0
    while True:
        one = parts.fresh()
        if told and dice.random() < RETOLD:
            old = dice.choice(told)
            kept = [line for line in old.lines if dice.random() < 0.67]
            one = Told(
                old.source, [*old.title[1:], *one.title[:1]], [*kept, *one.lines[: len(old.lines) // 3]], old.frames
            )
        told.append(one)
        if len(told) > 2 * REMEMBERED:
            del told[:REMEMBERED]
        count += 1
        yield Report(
            id=f"r{count:08d}", source=one.source, title=" ".join(one.title), body="\n".join(one.lines),
            created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=count),
            stacktrace="\n".join(one.frames) or None,
        )  # fmt: skip


def _texts(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["title"] or "", row["body"] or "", row.get("stacktrace") or ""


def _resident() -> float:
    """MB now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def main() -> None:
    """Command line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--items", type=int, default=100_000)
    words.add_argument("--lexical", action="store_true", help="without word vectors")
    words.add_argument("--invented", action="store_true", help="invented words")
    words.add_argument("--seed", type=int, default=1)
    asked = words.parse_args()
    bare = _resident()
    reports = stream(asked.seed, asked.invented)
    next(reports)
    own = _resident() - bare
    engine = Engine(Config(vectors=not asked.lexical))
    spent, chars, memo = 0.0, 0, 0
    for number in range(1, asked.items + 1):
        report = next(reports)
        chars += len(report.title) + len(report.body) + len(report.stacktrace or "")
        start = time.process_time()
        engine.assign(report)
        memo += len(engine.last_memo())
        spent += time.process_time() - start
        if number % WINDOW == 0:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            line = {
                "items": number, "cpu_ms_per_item": round(1_000 * spent / WINDOW, 3),
                "rss_mb": round(_resident() - own), "peak_rss_mb": round(peak - own),
                "chars": chars // number, "memo": memo // number, "clusters": len(engine.cluster_ids()),
            }  # fmt: skip
            if number <= 10_000 or number % 10_000 == 0:
                print(json.dumps(line), flush=True)
            spent = 0.0


if __name__ == "__main__":
    main()
