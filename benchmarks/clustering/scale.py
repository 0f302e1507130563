"""Cost per report as the number of stored reports grows, on generated text.

    python -m benchmarks.clustering.scale [--items 100000] [--lexical]

Words follow a Zipf law over 60,000 invented words, one report in five retells an earlier one, one in four has
a trace. Prints a JSON line for each step: items, milliseconds per report over the last 2,000, resident memory.
"""

import argparse
import json
import random
import resource
import time
from datetime import UTC, datetime, timedelta

from services.triage.engine import Config, Engine, Report

WORDS, MODULES, WINDOW = 60_000, 4_000, 2_000
SYLLABLES = [a + b for a in "bcdfghklmnprstvz" for b in "aeiou"]


class Source:
    """An endless stream of invented reports; the same seed gives the same stream."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        self._words = [self._word(number) for number in range(WORDS)]
        self._weights = [1.0 / (rank + 8) for rank in range(WORDS)]
        total = 0.0
        self._sums = [total := total + weight for weight in self._weights]
        self._told: list[tuple[list[str], list[str], list[str]]] = []
        self._count = 0

    def _word(self, number: int) -> str:
        parts = []
        number += len(SYLLABLES)
        while number:
            number, rest = divmod(number, len(SYLLABLES))
            parts.append(SYLLABLES[rest])
        return "".join(parts)

    def _some(self, count: int) -> list[str]:
        return self._dice.choices(self._words, cum_weights=self._sums, k=count)

    def next(self) -> Report:
        """The next report."""
        dice = self._dice
        if self._told and dice.random() < 0.2:
            title, body, frames = dice.choice(self._told[-5_000:])
            title = [*title[1:], *self._some(1)]
            body = [word for word in body if dice.random() < 0.6] + self._some(30)
        else:
            title, body = self._some(dice.randint(4, 12)), self._some(dice.randint(20, 160))
            module = dice.randrange(MODULES)
            depth = dice.randint(8, 30) if dice.random() < 0.25 else 0
            frames = [f"    at app.m{module}.C{(module + 7 * n) % 97}.f{n}(F.java:{n})" for n in range(depth)]
            self._told.append((title, body, frames))
        self._count += 1
        lines = [" ".join(body[start : start + 14]) for start in range(0, len(body), 14)]
        return Report(
            id=str(self._count), source="scale", title=" ".join(title), body="\n".join(lines),
            created_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=self._count),
            stacktrace="\n".join(frames) or None,
        )  # fmt: skip


def main() -> None:
    """Command line."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--items", type=int, default=100_000)
    words.add_argument("--lexical", action="store_true")
    words.add_argument("--seed", type=int, default=1)
    asked = words.parse_args()
    source, engine = Source(asked.seed), Engine(Config(vectors=not asked.lexical))
    spent = 0.0
    for number in range(1, asked.items + 1):
        report = source.next()
        start = time.process_time()
        engine.assign(report)
        spent += time.process_time() - start
        if number % WINDOW == 0:
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            line = {"items": number, "cpu_ms_per_item": round(1_000 * spent / WINDOW, 3), "peak_rss_mb": round(memory)}
            if number <= 10_000 or number % 10_000 == 0:
                print(json.dumps(line), flush=True)
            spent = 0.0


if __name__ == "__main__":
    main()
