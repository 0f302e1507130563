"""Title, summary, severity and facts of a cluster, drawn from its reports alone: pure functions, no model.

Texts are shown as written (cleaned of control characters, cut); nothing is invented.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

from services.triage.engine.text import plain, token_parts, tokens
from services.triage.engine.trace import errors_in, parse

Severity = Literal["critical", "high", "medium", "low"]
TITLE_CHARS = 120
SENTENCE_CHARS = 240
READ = 200

_LEVELS: dict[str, Severity] = {
    "fatal": "critical", "critical": "critical", "emergency": "critical", "alert": "critical",
    "error": "high", "warning": "medium", "warn": "medium", "info": "low", "debug": "low",
}  # fmt: skip
_CRITICAL = re.compile(
    r"\b(data[ -]loss|lost (?:all |my |our )?data|corrupt\w*|security|vulnerab\w*|outage"
    r"|down for everyone|cannot log ?in)\b",
    re.I,
)
_HIGH = re.compile(
    r"\b(crash\w*|hang[s]?|hung|freez\w*|frozen|deadlock\w*|segfault|out of memory|fatal|exception"
    r"|blocker|fails?|broken)\b",
    re.I,
)
_LOW = re.compile(r"\b(typo|cosmetic|wish|feature request|would be nice|enhancement|suggestion|documentation)\b", re.I)
_ORDER: tuple[Severity, ...] = ("low", "medium", "high", "critical")
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One report as far as a description needs it."""

    id: str
    source: str = ""
    title: str = ""
    body: str = ""
    created_at: datetime | None = None
    stacktrace: str | None = None
    level: str | None = None
    environment: str | None = None
    release: str | None = None
    user: str | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What can be counted. per_day: reports per day between first and last seen, None below two dated reports.
    terms: words most members share; errors, frames: most frequent first."""

    reports: int
    users: int
    sources: tuple[tuple[str, int], ...]
    first_seen: datetime | None
    last_seen: datetime | None
    per_day: float | None
    environments: tuple[str, ...]
    releases: tuple[str, ...]
    errors: tuple[str, ...]
    frames: tuple[str, ...]
    terms: tuple[str, ...]


class Description(msgspec.Struct, frozen=True):
    """representative: id of the report whose words were used."""

    title: str
    summary: str
    severity: Severity
    representative: str
    facts: Facts


def describe(items: Sequence[Evidence]) -> Description:
    """What breaks, for whom, since when and how often. Reads at most READ reports (the first and the latest).

    Raises ValueError without reports.
    """
    if not items:
        raise ValueError("a cluster without reports cannot be described")
    read = items if len(items) <= READ else [*items[: READ // 2], *items[-READ // 2 :]]
    facts = _facts(items, read)
    best = _representative(read, facts)
    title = _title(best, facts)
    level = severity(read, facts)
    return Description(title, _summary(best, facts, title), level, best.id, facts)


def severity(items: Sequence[Evidence], facts: Facts) -> Severity:
    """The most frequent source level when there is one, else from words; many users raise it one step."""
    levels = Counter(_LEVELS[i.level.lower()] for i in items if i.level and i.level.lower() in _LEVELS)
    if levels:
        found: Severity = max(levels, key=lambda level: (levels[level], _ORDER.index(level)))
    else:
        found = _from_words(items, facts)
    widespread = facts.users >= 25 or facts.reports >= 100
    return _ORDER[min(_ORDER.index(found) + widespread, len(_ORDER) - 1)]


def _from_words(items: Sequence[Evidence], facts: Facts) -> Severity:
    texts = [f"{item.title}\n{item.body[:2_000]}" for item in items]

    def share(pattern: re.Pattern[str]) -> float:
        return sum(bool(pattern.search(text)) for text in texts) / len(texts)

    if share(_CRITICAL) >= 0.5:
        return "critical"
    if facts.errors or share(_HIGH) >= 0.5:
        return "high"
    return "low" if share(_LOW) >= 0.5 else "medium"


def _facts(items: Sequence[Evidence], read: Sequence[Evidence]) -> Facts:
    dates = sorted(_aware(item.created_at) for item in items if item.created_at is not None)
    traces = [parse(plain(item.stacktrace)) for item in read if item.stacktrace]
    errors = Counter(e for t in traces for e in dict.fromkeys(t.errors[:3]))
    errors.update(e for item in read for e in errors_in(plain(item.title)))
    frames = Counter(frame for trace in traces for frame in dict.fromkeys(trace.frames[:5]))
    return Facts(
        reports=len(items), users=len({item.user for item in items if item.user}),
        sources=tuple(_common(item.source or "unknown" for item in items).items()),
        first_seen=dates[0] if dates else None, last_seen=dates[-1] if dates else None,
        per_day=_pace(dates), environments=tuple(_common(i.environment for i in items))[:5],
        releases=tuple(_common(item.release for item in items))[:5],
        errors=tuple(name for name, _ in errors.most_common(3)),
        frames=tuple(name for name, _ in frames.most_common(3)), terms=_terms(read),
    )  # fmt: skip


def _common(values: Iterable[str | None]) -> dict[str, int]:
    counted = Counter(value for value in values if value)
    return dict(counted.most_common())


def _pace(dates: Sequence[datetime]) -> float | None:
    if len(dates) < 2:
        return None
    days = (dates[-1] - dates[0]).total_seconds() / 86_400
    return round(len(dates) / max(days, 1.0), 2)


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _stems(item: Evidence) -> dict[str, str]:
    found: dict[str, str] = {}
    for raw in tokens(plain(item.title) + "\n" + plain(item.body[:1_500])):
        for stem in token_parts(raw)[0]:
            if len(stem) > 2 and stem not in _PLAIN_WORDS:
                found.setdefault(stem, raw)
    return found


def _terms(items: Sequence[Evidence]) -> tuple[str, ...]:
    if len(items) < 2:
        return ()
    counts: Counter[str] = Counter()
    spelling: dict[str, str] = {}
    for item in items:
        words = _stems(item)
        counts.update(words.keys())
        spelling = {**words, **spelling}
    needed = max(2, (len(items) + 1) // 2)
    return tuple(spelling[stem] for stem, count in counts.most_common(8) if count >= needed)[:6]


def _representative(items: Sequence[Evidence], facts: Facts) -> Evidence:
    """The report whose words the others use most; a titled one before an untitled, an earlier before a later."""
    counts: Counter[str] = Counter()
    own = [_stems(item) for item in items]
    for words in own:
        counts.update(words.keys())

    def worth(place: int) -> tuple[float, int]:
        words = [stem for stem in own[place] if counts[stem] > 1]
        title = tokens(plain(items[place].title))
        shared = sum(counts[stem] - 1 for stem in words) / (len(own[place]) + 12.0)
        return (shared + (0.5 if 3 <= len(title) <= 25 else 0.0), -place)

    return items[max(range(len(items)), key=worth)]


def _title(item: Evidence, facts: Facts) -> str:
    words = " ".join(plain(item.title).split())
    if not words:
        words = next((" ".join(part.split()) for part in _SENTENCE.split(plain(item.body)) if part.strip()), "")
    if not words and facts.errors:
        words = facts.errors[0] + (f" in {facts.frames[0]}" if facts.frames else "")
    return _cut(words, TITLE_CHARS) or "Report without text"


def _summary(item: Evidence, facts: Facts, title: str) -> str:
    lines = [_what(item, facts, title), _whom(facts), _when(facts)]
    return " ".join(line for line in lines if line)


def _what(item: Evidence, facts: Facts, title: str) -> str:
    said = [" ".join(part.split()) for part in _SENTENCE.split(plain(item.body))]
    first = next((part for part in said if len(part) > 25 and part[:60] != title[:60]), "")
    if first:
        return _stop(_cut(first, SENTENCE_CHARS))
    if facts.errors:
        where = f" in {facts.frames[0]}" if facts.frames else ""
        return f"{facts.errors[0]}{where}."
    return _stop(title)


def _whom(facts: Facts) -> str:
    people = f"{_count(facts.users, 'user')} affected" if facts.users else "Affected users unknown"
    where = f" in {', '.join(facts.environments)}" if facts.environments else ""
    release = f", release {', '.join(facts.releases)}" if facts.releases else ""
    return f"{people}{where}{release}."


def _when(facts: Facts) -> str:
    sources = ", ".join(name for name, _ in facts.sources)
    told = f"{_count(facts.reports, 'report')} from {sources}"
    if facts.first_seen is None or facts.last_seen is None:
        return f"{told}."
    first, last = f"{facts.first_seen:%Y-%m-%d}", f"{facts.last_seen:%Y-%m-%d}"
    span = f" since {first}, last on {last}" if first != last else f" on {first}"
    pace = f", about {facts.per_day:g} a day" if facts.per_day and facts.per_day >= 1 and first != last else ""
    return f"{told}{span}{pace}."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _stop(text: str) -> str:
    return text if text.endswith((".", "!", "?", "…")) else text + "."


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(" ", 1)[0].rstrip(" ,.;:") + "…"


_PLAIN_TEXT = """
the and for with that this from not are was but have has had you your can cannot when then than into out its our
their they will would should could there here what which who how why all any some one two get got use using used
does did done been being also only just more most very after before while because about if please hello thanks
thank like see new now
"""
_PLAIN_WORDS = frozenset(token_parts(word)[0][0] for word in _PLAIN_TEXT.split())
