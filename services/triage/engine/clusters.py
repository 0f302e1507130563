"""Who is in which cluster, what people have said about it, and which clusters people have looked at."""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

Pair = tuple[str, str]


class Constraints(msgspec.Struct, frozen=True):
    """People's corrections as pairs of report ids. Ids may name reports that have not arrived yet."""

    must: tuple[Pair, ...] = ()
    cannot: tuple[Pair, ...] = ()


class Correction(msgspec.Struct, frozen=True):
    """The outcome of a correction: where the items went, the constraints to store, those it overrules."""

    cluster_id: str
    must: tuple[Pair, ...] = ()
    cannot: tuple[Pair, ...] = ()
    dropped: tuple[Pair, ...] = ()


class UnknownId(KeyError):
    """No such report or cluster in this engine."""


def _pair(a: str, b: str) -> Pair:
    return (a, b) if a <= b else (b, a)


class Links:
    """Must-link (transitive) and cannot-link pairs between report ids."""

    def __init__(self) -> None:
        self._must: dict[str, dict[str, None]] = {}
        self._cannot: dict[str, dict[str, None]] = {}

    def must(self, a: str, b: str) -> list[Pair]:
        """Records that two reports belong together; returns cannot-links it overrules."""
        if a == b:
            return []
        dropped = self._drop_between(self.group(a), self.group(b))
        self._must.setdefault(a, {})[b] = None
        self._must.setdefault(b, {})[a] = None
        return dropped

    def cannot(self, a: str, b: str) -> list[Pair]:
        """Records that two reports do not belong together; returns direct must-links it overrules."""
        if a == b:
            return []
        dropped = []
        if b in self._must.get(a, {}):
            del self._must[a][b], self._must[b][a]
            dropped.append(_pair(a, b))
        self._cannot.setdefault(a, {})[b] = None
        self._cannot.setdefault(b, {})[a] = None
        return dropped

    def unlink(self, item: str) -> list[Pair]:
        """Drops every must-link of one report: it was taken out of its company by hand."""
        dropped = [_pair(item, other) for other in self._must.pop(item, {})]
        for a, b in dropped:
            self._must[b if a == item else a].pop(item, None)
        return dropped

    @property
    def unrestricted(self) -> bool:
        """Whether nobody has kept any two reports apart."""
        return not self._cannot

    def group(self, item: str) -> list[str]:
        """The report and all reports it is must-linked with, directly or through others."""
        seen = {item: None}
        queue = [item]
        for at in queue:
            for other in self._must.get(at, ()):
                if other not in seen:
                    seen[other] = None
                    queue.append(other)
        return list(seen)

    def barred(self, item: str) -> set[str]:
        """Reports that the report, or one linked to it, must not meet."""
        if not self._cannot:
            return set()
        return {other for member in self.group(item) for other in self._cannot.get(member, ())}

    def apart(self, these: Iterable[str], those: Iterable[str]) -> bool:
        """Whether a cannot-link runs between two sets of reports."""
        if not self._cannot:
            return False
        others = set(those)
        return any(not others.isdisjoint(self._cannot.get(item, ())) for item in these)

    def _drop_between(self, these: Iterable[str], those: Iterable[str]) -> list[Pair]:
        others = set(those)
        dropped = []
        for a in these:
            for b in [b for b in self._cannot.get(a, ()) if b in others]:
                del self._cannot[a][b], self._cannot[b][a]
                dropped.append(_pair(a, b))
        return dropped

    def drop_between(self, these: Iterable[str], those: Iterable[str]) -> list[Pair]:
        """Removes cannot-links between two sets of reports (a person merged them); returns them."""
        return self._drop_between(these, those)

    def stored(self) -> Constraints:
        """All pairs, sorted."""
        return Constraints(tuple(sorted(_pairs(self._must))), tuple(sorted(_pairs(self._cannot))))


def _pairs(links: dict[str, dict[str, None]]) -> Iterator[Pair]:
    for a, others in links.items():
        for b in others:
            if a < b:
                yield (a, b)


class Clusters:
    """Membership by document number, in order of joining."""

    def __init__(self) -> None:
        self.members: dict[str, list[int]] = {}
        self.of: dict[int, str] = {}
        self.touched: set[str] = set()

    def fresh_id(self, founder: str) -> str:
        """A cluster id derived from its first report: the same on every run and machine."""
        turn = 0
        while True:
            seed = f"{founder}\x00{turn}".encode("utf-8", "surrogatepass")
            name = f"c{hashlib.sha256(seed).hexdigest()[:16]}"
            if name not in self.members:
                return name
            turn += 1

    def put(self, doc: int, cluster: str) -> None:
        """Moves or adds a document; a cluster left empty is gone."""
        before = self.of.get(doc)
        if before == cluster:
            return
        if before is not None:
            self.take(doc)
        self.members.setdefault(cluster, []).append(doc)
        self.of[doc] = cluster

    def take(self, doc: int) -> None:
        """Removes a document from its cluster."""
        cluster = self.of.pop(doc)
        rest = self.members[cluster]
        rest.remove(doc)
        if not rest:
            del self.members[cluster]
            self.touched.discard(cluster)

    def join(self, into: str, other: str) -> tuple[int, ...]:
        """Moves every member of `other` into `into`; returns them."""
        moved = tuple(self.members.pop(other))
        for doc in moved:
            self.of[doc] = into
        self.members[into] = sorted([*self.members[into], *moved])
        if other in self.touched:
            self.touched.discard(other)
            self.touched.add(into)
        return moved
