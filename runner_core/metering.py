"""What model calls cost, read from the answers themselves. Pure."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from schemas.jobs import Usage
from schemas.spending import Left

BYTES_PER_TOKEN = 4  # only where an endpoint tells no usage; English prose and code are near it
OUTPUT_RESERVE = 1  # an answer may always be at least so long


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens of one model."""

    input: float
    output: float
    cached: float

    def cost(self, tokens: "Tokens") -> float:
        fresh = max(tokens.input - tokens.cached, 0)
        return (fresh * self.input + tokens.cached * self.cached + tokens.output * self.output) / 1_000_000


def prices_of(table: Iterable[str], model: str) -> Prices | None:
    """The prices of a model from ``name=input/output`` or ``name=input/output/cached``; None: not known.

    Raises ValueError naming the entry that does not fit.
    """
    found: Prices | None = None
    for entry in table:
        name, equals, numbers = entry.rpartition("=")
        try:
            values = [float(number) for number in numbers.split("/")]
        except ValueError:
            values = []
        if not equals or not name.strip() or len(values) not in (2, 3) or not all(0 <= v < 1e6 for v in values):
            raise ValueError(f"{entry[:80]!r} is not model=input/output or model=input/output/cached")
        if name.strip() == model:
            found = Prices(values[0], values[1], values[2] if len(values) == 3 else values[0])
    return found


@dataclass(frozen=True, slots=True)
class Tokens:
    """``input`` includes ``cached``."""

    input: int = 0
    output: int = 0
    cached: int = 0


def affordable(left: Left | None, prices: Prices | None) -> int | None:
    """How many tokens of a model a budget still pays, at the dearer of its prices; None: no limit."""
    if left is None:
        return None
    limits = [] if left.tokens is None else [left.tokens]
    dearest = max(prices.input, prices.output) if prices is not None else 0.0
    if left.usd is not None and dearest > 0:
        limits.append(int(left.usd * 1_000_000 / dearest))
    return min(limits, default=None)


@dataclass(frozen=True, slots=True)
class Spent:
    """Which limit is reached: the job's or its project's, in words."""

    whose: Literal["job", "project"]
    words: str


@dataclass(slots=True)
class Meter:
    """The sum of a job's calls against its limits, earlier attempts included. Without prices only tokens count."""

    limit_tokens: int
    limit_cost: float
    prices: Prices | None = None
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0
    unpriced_tokens: int = 0
    _project: "_Allowance | None" = None

    def add(self, tokens: Tokens) -> None:
        self.input_tokens += tokens.input
        self.output_tokens += tokens.output
        if self.prices is None:
            self.unpriced_tokens += tokens.input + tokens.output
        else:
            self.cost_usd += self.prices.cost(tokens)

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def allow(self, left: Left | None, told: Usage) -> None:
        """What the project had left when it knew ``told`` of this job; None: no limit."""
        if left is None:
            self._project = None
            return
        tokens = None if left.tokens is None else told.input_tokens + told.output_tokens + left.tokens
        self._project = _Allowance(tokens, None if left.usd is None else told.cost_usd + left.usd, left.refills_at)

    def spent(self) -> Spent | None:
        """Which limit is reached; None while there is budget."""
        if self.tokens >= self.limit_tokens:
            return Spent("job", f"{self.tokens} of {self.limit_tokens} tokens are spent")
        if self.limit_cost > 0 and self.cost_usd >= self.limit_cost:
            return Spent("job", f"${self.cost_usd:.2f} of ${self.limit_cost:.2f} are spent")
        allowed = self._project
        if allowed is not None and (
            (allowed.tokens is not None and self.tokens >= allowed.tokens)
            or (allowed.usd is not None and self.cost_usd >= allowed.usd)
        ):
            return Spent("project", f"it refills on {allowed.refills_at:%Y-%m-%d %H:%M} UTC")
        return None

    def output_left(self) -> int:
        """How many tokens the next answer may have at most."""
        allowed = self._project or _Allowance(None, None, None)
        left = min(limit for limit in (self.limit_tokens, allowed.tokens) if limit is not None) - self.tokens
        money = [limit for limit in (self.limit_cost or None, allowed.usd) if limit is not None]
        if money and self.prices is not None and self.prices.output > 0:
            left = min(left, int((min(money) - self.cost_usd) * 1_000_000 / self.prices.output))
        return max(left, OUTPUT_RESERVE)


@dataclass(frozen=True, slots=True)
class _Allowance:
    """Sums of this job at which the project has nothing left."""

    tokens: int | None
    usd: float | None
    refills_at: datetime | None


def usage_of(answer: Any) -> Tokens | None:
    """The usage block of a chat completion or of one of its chunks; None where it has none."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else 0
    return Tokens(_count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens")), _count(cached))


def estimate(sent: int, received: int) -> Tokens:
    """Tokens from bytes, for an endpoint that tells none: a call is never free."""
    return Tokens(input=sent // BYTES_PER_TOKEN + 1, output=received // BYTES_PER_TOKEN + 1)


def is_completion(answer: Any) -> bool:
    """Whether this is a chat completion, or a chunk of one."""
    return isinstance(answer, dict) and isinstance(answer.get("choices"), list)


class Events:
    """Reads a streamed answer (server-sent events) as it passes: is it one, and what did it use."""

    def __init__(self) -> None:
        self._held = b""
        self.tokens: Tokens | None = None
        self.seen: Literal["nothing", "completion", "garbage"] = "nothing"

    def feed(self, data: bytes) -> None:
        *lines, self._held = (self._held + data).split(b"\n")
        if len(self._held) > 4 * 1024 * 1024:
            self.seen, self._held = "garbage", b""
        for line in lines:
            if line.startswith(b"data:") and (text := line[5:].strip()) != b"[DONE]":
                self._event(text)
            elif (
                self.seen == "nothing"
                and line.strip()
                and not line.startswith((b":", b"event:", b"id:", b"retry:", b"data:"))
            ):
                self.seen = "garbage"

    def _event(self, text: bytes) -> None:
        try:
            event = json.loads(text)
        except ValueError:
            self.seen = "garbage"
            return
        if is_completion(event) and self.seen == "nothing":
            self.seen = "completion"
        elif not is_completion(event) and self.seen == "nothing":
            self.seen = "garbage"
        self.tokens = usage_of(event) or self.tokens


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0
