"""What goes in and out of the clustering engine: plain frozen structs, no behaviour."""

from datetime import datetime

import msgspec


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One arriving report. Texts may be anything a stranger typed: NUL, surrogates, megabytes.

    `fingerprint` is the sender's own grouping key (an issue id of the error tracker, a monitor id);
    reports with the same `source` and `fingerprint` always start in one cluster.
    """

    id: str
    source: str = ""
    title: str = ""
    body: str = ""
    created_at: datetime | None = None
    stacktrace: str | None = None
    fingerprint: str | None = None


class Reason(msgspec.Struct, frozen=True):
    """Why two reports were put together, in words. `weight` in 0..1 orders reasons by strength.

    kind: fingerprint | must_link | terms | identifiers | title | frames | exception | meaning | time
    """

    kind: str
    detail: str
    weight: float


class Suggestion(msgspec.Struct, frozen=True):
    """A cluster this report may belong to; `item_id` is the earlier report that resembles it most."""

    cluster_id: str
    item_id: str
    score: float
    reasons: tuple[Reason, ...] = ()


class Proposal(msgspec.Struct, frozen=True):
    """Late evidence that clusters belong together, for a person to accept (`merge`) or refuse."""

    into: str
    other: str
    score: float
    item_id: str
    other_item_id: str
    reasons: tuple[Reason, ...] = ()


class Relink(msgspec.Struct, frozen=True):
    """Two clusters became one: the members of `other` now belong to `into`."""

    into: str
    other: str
    score: float
    items: tuple[str, ...]


class Assignment(msgspec.Struct, frozen=True):
    """Where a report went. `score` is the probability-like value of the join (1.0 for a new cluster).

    `candidates`: up to five earlier report ids, best first. `suggestions`: the clusters of the best of
    them, at most five, the chosen cluster left out. `relinked`: clusters joined by this arrival, to apply
    in order; the present engine never joins clusters by itself (measured: wrong two times in three), it
    makes proposals instead.
    """

    item_id: str
    cluster_id: str
    new: bool
    score: float
    reasons: tuple[Reason, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    candidates: tuple[str, ...] = ()
    relinked: tuple[Relink, ...] = ()
