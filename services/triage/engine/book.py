"""What is where and what people have said: ids, membership, corrections, proposals. Knows no texts."""

from collections.abc import Sequence

from services.triage.engine.clusters import Clusters, Correction, Links, UnknownId
from services.triage.engine.types import Proposal

PROPOSALS_KEPT = 200


class Book:
    """Reports by number and id, their clusters, and the corrections by people, which later arrivals obey."""

    def __init__(self) -> None:
        self.clusters = Clusters()
        self.links = Links()
        self.ids: list[str] = []
        self.docs: dict[str, int] = {}
        self.fingerprints: dict[tuple[str, str], int] = {}
        self._proposals: dict[tuple[str, str], Proposal] = {}

    def register(self, item: str, source: str, fingerprint: str | None, doc: int, cluster: str) -> None:
        """Enters a report just stored under `doc`."""
        self.ids.append(item)
        self.docs[item] = doc
        if fingerprint:
            self.fingerprints[source, fingerprint] = doc
        self.clusters.put(doc, cluster)

    def doc(self, item: str) -> int:
        """The number of a report. Raises UnknownId."""
        if item not in self.docs:
            raise UnknownId(f"no report {item!r}")
        return self.docs[item]

    def cluster_of(self, item: str) -> str:
        """The cluster of a report. Raises UnknownId."""
        return self.clusters.of[self.doc(item)]

    def docs_in(self, cluster: str) -> list[int]:
        """Document numbers of a cluster. Raises UnknownId."""
        if cluster not in self.clusters.members:
            raise UnknownId(f"no cluster {cluster!r}")
        return self.clusters.members[cluster]

    def members(self, cluster: str) -> list[str]:
        """Report ids of a cluster in arrival order. Raises UnknownId."""
        return [self.ids[doc] for doc in self.docs_in(cluster)]

    def barred(self, item: str) -> set[str]:
        """Clusters a report must not enter."""
        others = (self.docs[other] for other in self.links.barred(item) if other in self.docs)
        return {self.clusters.of[doc] for doc in others}

    def apart(self, one: str, two: str) -> bool:
        """Whether people keep two clusters apart."""
        return not self.links.unrestricted and self.links.apart(self.members(one), self.members(two))

    def older_first(self, one: str, two: str) -> tuple[str, str]:
        """Two clusters by their first report."""
        first, second = sorted((one, two), key=lambda name: self.clusters.members[name][0])
        return first, second

    def propose(self, one: str, two: str, score: float, doc: int, other: int) -> None:
        """Remembers evidence for a merge; of many, the strongest are kept."""
        pair = self.older_first(one, two)
        known = self._proposals.get(pair)
        if known is None or score > known.score:
            self._proposals[pair] = Proposal(*pair, round(score, 4), self.ids[doc], self.ids[other])
        if len(self._proposals) > PROPOSALS_KEPT:
            weakest = min(self._proposals.values(), key=lambda p: (p.score, p.into, p.other))
            del self._proposals[weakest.into, weakest.other]

    def proposals(self) -> list[Proposal]:
        """Strongest first."""
        return sorted(self._proposals.values(), key=lambda p: (-p.score, p.into, p.other))

    def touch(self, cluster: str) -> None:
        """A person has seen or changed this cluster: from now on it is never reshuffled by itself."""
        self.docs_in(cluster)
        self.clusters.touched.add(cluster)

    def must_link(self, a: str, b: str) -> Correction:
        """Two reports belong together; `b` moves to the cluster of `a` when both are here."""
        dropped = self.links.must(a, b)
        if a in self.docs and b in self.docs:
            self.clusters.put(self.docs[b], self.cluster_of(a))
            self.clusters.touched.add(self.cluster_of(a))
            self._tidy()
        cluster = self.cluster_of(a) if a in self.docs else ""
        return Correction(cluster, must=((a, b),), dropped=tuple(dropped))

    def cannot_link(self, a: str, b: str) -> Correction:
        """Two reports do not belong together; `b` leaves for a cluster of its own when both share one."""
        dropped = self.links.cannot(a, b)
        cluster = ""
        if a in self.docs and b in self.docs and self.cluster_of(a) == self.cluster_of(b):
            self.clusters.touched.add(self.cluster_of(a))
            cluster = self.clusters.fresh_id(b)
            self.clusters.put(self.docs[b], cluster)
            self.clusters.touched.add(cluster)
        self._tidy()
        return Correction(cluster, cannot=((a, b),), dropped=tuple(dropped))

    def move(self, item: str, cluster: str) -> Correction:
        """A person moves a report: it stays with the target's reports and away from those it left."""
        doc = self.doc(item)
        target = [self.ids[d] for d in self.docs_in(cluster) if d != doc]
        left = [self.ids[d] for d in self.clusters.members[self.clusters.of[doc]] if d != doc]
        if self.clusters.of[doc] == cluster:
            return Correction(cluster)
        dropped = self.links.unlink(item)
        must = [(item, target[0])] if target else []
        for a, b in must:
            dropped += self.links.must(a, b)
        cannot = [(item, other) for other in left]
        for a, b in cannot:
            dropped += self.links.cannot(a, b)
        if left:
            self.clusters.touched.add(self.clusters.of[doc])
        self.clusters.put(doc, cluster)
        self.clusters.touched.add(cluster)
        self._tidy()
        return Correction(cluster, tuple(must), tuple(cannot), tuple(dropped))

    def merge(self, into: str, others: Sequence[str]) -> Correction:
        """A person makes several clusters one; cannot-links between them are overruled."""
        self.docs_in(into)
        must, dropped = [], []
        for other in dict.fromkeys(others):
            if other == into:
                continue
            theirs, mine = self.members(other), self.members(into)
            dropped += self.links.drop_between(mine, theirs)
            for item in theirs:
                must.append((mine[0], item))
                dropped += self.links.must(mine[0], item)
            self.clusters.join(into, other)
        self.clusters.touched.add(into)
        self._tidy()
        return Correction(into, must=tuple(must), dropped=tuple(dropped))

    def split(self, cluster: str, items: Sequence[str]) -> Correction:
        """A person takes reports out of a cluster into a new one, whose id is in the answer.

        Raises UnknownId when an item is not in the cluster, ValueError when none or all of them are named.
        """
        members = self.members(cluster)
        taken = [item for item in members if item in set(items)]
        if len(taken) != len(set(items)):
            raise UnknownId(f"not every report is in cluster {cluster}")
        rest = [item for item in members if item not in set(taken)]
        if not taken or not rest:
            raise ValueError("a split needs at least one report to take out and one to leave")
        dropped = []
        for item in taken:
            dropped += self.links.unlink(item)
        cannot = dict.fromkeys([*((item, rest[0]) for item in taken), *((taken[0], item) for item in rest)])
        must = [(taken[0], item) for item in taken[1:]]
        for a, b in must:
            dropped += self.links.must(a, b)
        for a, b in cannot:
            dropped += self.links.cannot(a, b)
        name = self.clusters.fresh_id(taken[0])
        for item in taken:
            self.clusters.put(self.docs[item], name)
        self.clusters.touched.update((cluster, name))
        self._tidy()
        return Correction(name, tuple(must), tuple(cannot), tuple(dropped))

    def forget(self, item: str) -> int:
        """Takes a deleted report out; returns its number."""
        doc = self.doc(item)
        self.clusters.take(doc)
        del self.docs[item]
        self.ids[doc] = ""
        self.fingerprints = {key: at for key, at in self.fingerprints.items() if at != doc}
        self._tidy()
        return doc

    def _tidy(self) -> None:
        gone = [
            pair for pair in self._proposals
            if any(name not in self.clusters.members for name in pair) or self.apart(*pair)
        ]  # fmt: skip
        for pair in gone:
            del self._proposals[pair]
