"""What model calls cost, read from the answers themselves. Pure."""

import json
from dataclasses import dataclass
from typing import Any, Literal

BYTES_PER_TOKEN = 4  # only where an endpoint tells no usage; English prose and code are near it
OUTPUT_RESERVE = 1  # an answer may always be at least so long


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars for a million tokens. Zero: not known, only tokens are limited."""

    input: float = 0.0
    output: float = 0.0
    cached: float = 0.0

    def cost(self, tokens: "Tokens") -> float:
        fresh = max(tokens.input - tokens.cached, 0)
        return (fresh * self.input + tokens.cached * self.cached + tokens.output * self.output) / 1_000_000


@dataclass(frozen=True, slots=True)
class Tokens:
    """``input`` includes ``cached``."""

    input: int = 0
    output: int = 0
    cached: int = 0


@dataclass(slots=True)
class Meter:
    """The sum of an attempt's calls against its limits."""

    limit_tokens: int
    limit_cost: float
    prices: Prices = Prices()
    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0

    def add(self, tokens: Tokens) -> None:
        self.input_tokens += tokens.input
        self.output_tokens += tokens.output
        self.cost_usd += self.prices.cost(tokens)

    def spent(self) -> str | None:
        """Which limit is reached, in words; None while there is budget."""
        total = self.input_tokens + self.output_tokens
        if total >= self.limit_tokens:
            return f"{total} of {self.limit_tokens} tokens are spent"
        if self.limit_cost > 0 and self.cost_usd >= self.limit_cost:
            return f"${self.cost_usd:.2f} of ${self.limit_cost:.2f} are spent"
        return None

    def output_left(self) -> int:
        """How many tokens the next answer may have at most."""
        left = self.limit_tokens - self.input_tokens - self.output_tokens
        if self.limit_cost > 0 and self.prices.output > 0:
            left = min(left, int((self.limit_cost - self.cost_usd) * 1_000_000 / self.prices.output))
        return max(left, OUTPUT_RESERVE)


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
