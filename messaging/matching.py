"""Which subjects a filter takes, by the rules of NATS: ``*`` is one token, a final ``>`` is one or more."""

from collections.abc import Iterable
from functools import lru_cache


@lru_cache(maxsize=4096)
def _tokens(subject: str) -> tuple[str, ...]:
    return tuple(subject.split("."))


def matches(filter_: str, subject: str) -> bool:
    """Whether the subject falls under the filter."""
    wanted, given = _tokens(filter_), _tokens(subject)
    for index, want in enumerate(wanted):
        if want == ">":
            return len(given) > index
        if index >= len(given) or (want != "*" and want != given[index]):
            return False
    return len(given) == len(wanted)


def matches_any(filters: Iterable[str], subject: str) -> bool:
    """Whether any of the filters takes the subject."""
    return any(matches(filter_, subject) for filter_ in filters)


def key_filters(prefix: str) -> tuple[str, ...]:
    """Filters of the keys that equal ``prefix`` or lie under it; all keys for an empty prefix."""
    return (prefix, f"{prefix}.>") if prefix else (">",)
