"""The engine of one project: one report in, one assignment out; people's corrections obeyed for ever."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from services.triage.engine import features as f
from services.triage.engine import scorer
from services.triage.engine.analyse import Analysis
from services.triage.engine.clusters import Clusters, Constraints, Correction, Links, UnknownId
from services.triage.engine.corpus import F32, I64
from services.triage.engine.index import Entry, Index, Prepared
from services.triage.engine.memo import decode, encode
from services.triage.engine.reasons import explain
from services.triage.engine.text import token_parts, tokens
from services.triage.engine.types import Assignment, Proposal, Reason, Relink, Report, Suggestion
from services.triage.engine.vectors import load_table


class Config(msgspec.Struct, frozen=True):
    """Thresholds per regime (text reports, trace-only events, short messages), on the joined score 0..1.

    join: a report joins a cluster by itself from here on. relink: two clusters nobody has looked at become
    one from here on; where a person has looked the same evidence is a proposal. mean_share: weight of the
    mean over members against the best member. vectors False = words only.
    """

    join: tuple[float, float, float] = (0.3, 0.2, 0.35)
    relink: tuple[float, float, float] = (0.5, 0.4, 0.5)
    mean_share: float = 0.4
    members_asked: int = 12
    clusters_asked: int = 3
    suggest_from: float = 0.01
    suggested: int = 5
    proposals_kept: int = 200
    vectors: bool = True


class _Scored(msgspec.Struct):
    """Scores of one arrival: per document, its features, and the mixed score per cluster, best first."""

    score: dict[int, float]
    row: dict[int, F32]
    clusters: list[tuple[float, str, int]]
    context: f.Context | None


class Engine:
    """Incremental clustering. Not thread-safe; one instance (one writer) per project."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        table = load_table() if self.config.vectors else None
        self.index = Index(table)
        self.models = scorer.load_models("dense" if table else "lexical")
        self.clusters = Clusters()
        self.links = Links()
        self._ids: list[str] = []
        self._docs: dict[str, int] = {}
        self._fingerprints: dict[tuple[str, str], int] = {}
        self._proposals: dict[tuple[str, str], Proposal] = {}
        self._last: Entry | None = None

    # ---- reading

    @property
    def mode(self) -> str:
        """ "dense" with word vectors, "lexical" without."""
        return "dense" if self.index.table else "lexical"

    def __len__(self) -> int:
        return len(self._docs)

    def cluster_of(self, item: str) -> str:
        """The cluster of a report. Raises UnknownId."""
        return self.clusters.of[self._doc(item)]

    def members(self, cluster: str) -> list[str]:
        """Report ids of a cluster in arrival order. Raises UnknownId."""
        return [self._ids[doc] for doc in self._members(cluster)]

    def cluster_ids(self) -> list[str]:
        """All clusters, oldest first."""
        return list(self.clusters.members)

    def proposals(self) -> list[Proposal]:
        """Merges that later evidence speaks for but a person must decide, strongest first."""
        return sorted(self._proposals.values(), key=lambda p: (-p.score, p.into, p.other))

    def constraints(self) -> Constraints:
        """Everything people have said, for storage."""
        return self.links.stored()

    # ---- arrivals

    def assign(self, report: Report) -> Assignment:
        """Places one report. A report id seen before is answered with where it is, and nothing changes."""
        if report.id in self._docs:
            return Assignment(report.id, self.cluster_of(report.id), False, 1.0)
        prepared = self.index.prepare(report)
        scored = self._score(prepared)
        barred = self._barred_clusters(report.id)
        given = self._given(report, barred)
        limit = self.config.join[prepared.query.regime]
        best = next((entry for entry in scored.clusters if entry[1] not in barred), None)
        joins = best is not None and best[0] >= limit
        spelling = _spelling(prepared.analysis)
        if given is not None:
            cluster, score, reasons = given[0], 1.0, (given[1],)
        elif best is not None and joins:
            cluster, score = best[1], best[0]
            reasons = self._reasons(prepared, scored, best[2], spelling)
        else:
            cluster, score, reasons = self.clusters.fresh_id(report.id), 1.0, ()
        new = cluster not in self.clusters.members
        suggestions = self._suggest(prepared, scored, cluster, barred, spelling)
        candidates = self._candidates(scored)
        doc = self._store(prepared, scored.context, cluster)
        relinked = self._relink(doc, prepared, scored, cluster)
        return Assignment(
            report.id, self.clusters.of[doc], new, round(score, 4), reasons, suggestions, candidates, relinked
        )

    def last_memo(self) -> bytes:
        """What was learned from the report assigned last (about 3 kB), to store beside it for `restore`."""
        return encode(self.index, self._last) if self._last is not None else b""

    def _score(self, prepared: Prepared) -> _Scored:
        docs = self.index.candidates(prepared)
        if not len(docs):
            return _Scored({}, {}, [], None)
        x, context = self.index.compare(prepared, docs)
        model = self.models[prepared.query.regime]
        score = dict(zip(docs.tolist(), model.score(x).tolist(), strict=True))
        row = dict(zip(docs.tolist(), x, strict=True))
        found = dict(score)
        more = self._unfound(score)
        if len(more):
            x, _ = self.index.compare(prepared, more, context)
            score.update(zip(more.tolist(), model.score(x).tolist(), strict=True))
            row.update(zip(more.tolist(), x, strict=True))
        return _Scored(score, row, self._mixed(found, score), context)

    def _unfound(self, score: dict[int, float]) -> I64:
        """Members of the most promising clusters that retrieval did not bring."""
        best: dict[str, float] = {}
        for doc, value in score.items():
            cluster = self.clusters.of[doc]
            best[cluster] = max(best.get(cluster, 0.0), value)
        leading = sorted(best, key=lambda cluster: (-best[cluster], cluster))[: self.config.clusters_asked]
        more: list[int] = []
        for cluster in leading:
            members = self.clusters.members[cluster]
            asked = self.config.members_asked - sum(doc in score for doc in members[-64:])
            if asked > 0 and best[cluster] > 0.05:
                more += [doc for doc in members[-64:] if doc not in score][-asked:]
        return np.array(sorted(more), dtype=np.int64)

    def _mixed(self, found: dict[int, float], score: dict[int, float]) -> list[tuple[float, str, int]]:
        share = self.config.mean_share
        members: dict[str, list[int]] = {}
        for doc in score:
            members.setdefault(self.clusters.of[doc], []).append(doc)
        mixed = []
        for cluster, docs in members.items():
            values = sorted((score[doc] for doc in docs), reverse=True)
            size = min(len(self.clusters.members[cluster]), max(self.config.members_asked, len(values)))
            best = max(docs, key=lambda doc: (score[doc], doc))
            mean = sum(values) / size
            mixed.append(((1 - share) * values[0] + share * mean, cluster, best))
        return sorted(mixed, key=lambda entry: (-entry[0], -entry[2]))

    def _barred_clusters(self, item: str) -> set[str]:
        barred = {self._docs[other] for other in self.links.barred(item) if other in self._docs}
        return {self.clusters.of[doc] for doc in barred}

    def _given(self, report: Report, barred: set[str]) -> tuple[str, Reason] | None:
        for other in self.links.group(report.id)[1:]:
            if other in self._docs:
                reason = Reason("must_link", f"a person put it together with {other}", 1.0)
                return self.clusters.of[self._docs[other]], reason
        if report.fingerprint:
            doc = self._fingerprints.get((report.source, report.fingerprint))
            if doc is not None and self.clusters.of[doc] not in barred:
                reason = Reason("fingerprint", f"{report.source or 'its source'} groups it with {self._ids[doc]}", 1.0)
                return self.clusters.of[doc], reason
        return None

    def _store(self, prepared: Prepared, context: f.Context | None, cluster: str) -> int:
        entry = self.index.entry(prepared, context)
        doc = self.index.add(entry)
        self._last = entry
        self._register(prepared.report.id, prepared.report.source, prepared.report.fingerprint, doc, cluster)
        return doc

    def _register(self, item: str, source: str, fingerprint: str | None, doc: int, cluster: str) -> None:
        self._ids.append(item)
        self._docs[item] = doc
        if fingerprint:
            self._fingerprints[source, fingerprint] = doc
        self.clusters.put(doc, cluster)

    def _candidates(self, scored: _Scored) -> tuple[str, ...]:
        best = sorted(scored.score, key=lambda doc: (-scored.score[doc], -doc))[: self.config.suggested]
        return tuple(self._ids[doc] for doc in best)

    def _reasons(
        self, prepared: Prepared, scored: _Scored, doc: int, spelling: dict[str, str]
    ) -> tuple[Reason, ...]:
        return explain(self.index.corpus, prepared.query.terms, doc, scored.row[doc], spelling)

    def _suggest(
        self, prepared: Prepared, scored: _Scored, chosen: str, barred: set[str], spelling: dict[str, str]
    ) -> tuple[Suggestion, ...]:
        ranked = sorted(scored.clusters, key=lambda entry: (-scored.score[entry[2]], -entry[2]))
        offered = [
            entry for entry in ranked
            if entry[1] != chosen and entry[1] not in barred and scored.score[entry[2]] >= self.config.suggest_from
        ]  # fmt: skip
        return tuple(
            Suggestion(
                cluster, self._ids[doc], round(scored.score[doc], 4),
                self._reasons(prepared, scored, doc, spelling),
            )
            for _, cluster, doc in offered[: self.config.suggested]
        )  # fmt: skip

    def _relink(self, doc: int, prepared: Prepared, scored: _Scored, cluster: str) -> tuple[Relink, ...]:
        """A report that belongs to two clusters speaks for making them one."""
        limit = self.config.relink[prepared.query.regime]
        done: list[Relink] = []
        for score, other, best in scored.clusters:
            if score < limit:
                break
            into = self.clusters.of[doc]
            if other == into or other not in self.clusters.members:
                continue
            if self._apart(into, other):
                continue
            if into in self.clusters.touched or other in self.clusters.touched:
                self._propose(into, other, score, doc, best)
                continue
            older, newer = sorted((into, other), key=lambda name: self.clusters.members[name][0])
            moved = self.clusters.join(older, newer)
            done.append(Relink(older, newer, round(score, 4), tuple(self._ids[d] for d in moved)))
        return tuple(done)

    def _apart(self, into: str, other: str) -> bool:
        if self.links.unrestricted:
            return False
        return self.links.apart(self.members(into), self.members(other))

    def _propose(self, into: str, other: str, score: float, doc: int, best: int) -> None:
        into, other = sorted((into, other), key=lambda name: self.clusters.members[name][0])
        known = self._proposals.get((into, other))
        if known is None or score > known.score:
            made = Proposal(into, other, round(score, 4), self._ids[doc], self._ids[best])
            self._proposals[into, other] = made
        if len(self._proposals) > self.config.proposals_kept:
            weakest = min(self._proposals.values(), key=lambda p: (p.score, p.into, p.other))
            del self._proposals[weakest.into, weakest.other]

    # ---- corrections by people

    def touch(self, cluster: str) -> None:
        """A person has seen or changed this cluster: from now on it is never reshuffled by itself."""
        self._members(cluster)
        self.clusters.touched.add(cluster)

    def must_link(self, a: str, b: str) -> Correction:
        """Two reports belong together; `b` moves to the cluster of `a` when both are here."""
        dropped = self.links.must(a, b)
        if a in self._docs and b in self._docs:
            self.clusters.put(self._docs[b], self.cluster_of(a))
            self.clusters.touched.add(self.cluster_of(a))
            self._tidy()
        cluster = self.cluster_of(a) if a in self._docs else ""
        return Correction(cluster, must=((a, b),), dropped=tuple(dropped))

    def cannot_link(self, a: str, b: str) -> Correction:
        """Two reports do not belong together; `b` leaves for a cluster of its own when both share one."""
        dropped = self.links.cannot(a, b)
        cluster = ""
        if a in self._docs and b in self._docs and self.cluster_of(a) == self.cluster_of(b):
            self.clusters.touched.add(self.cluster_of(a))
            cluster = self.clusters.fresh_id(b)
            self.clusters.put(self._docs[b], cluster)
            self.clusters.touched.add(cluster)
        self._tidy()
        return Correction(cluster, cannot=((a, b),), dropped=tuple(dropped))

    def move(self, item: str, cluster: str) -> Correction:
        """A person moves a report: it stays with the target's reports and away from those it left."""
        doc = self._doc(item)
        target = [self._ids[d] for d in self._members(cluster) if d != doc]
        left = [self._ids[d] for d in self.clusters.members[self.clusters.of[doc]] if d != doc]
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
        self._members(into)
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
            self.clusters.put(self._docs[item], name)
        self.clusters.touched.update((cluster, name))
        self._tidy()
        return Correction(name, tuple(must), tuple(cannot), tuple(dropped))

    def forget(self, item: str) -> None:
        """A deleted report: gone from its cluster, from all counts and from every later answer."""
        doc = self._doc(item)
        self.clusters.take(doc)
        self.index.forget(doc)
        del self._docs[item]
        self._ids[doc] = ""
        self._fingerprints = {key: at for key, at in self._fingerprints.items() if at != doc}
        self._tidy()

    def _tidy(self) -> None:
        gone = [
            pair for pair in self._proposals
            if any(name not in self.clusters.members for name in pair) or self._apart(*pair)
        ]  # fmt: skip
        for pair in gone:
            del self._proposals[pair]

    def _doc(self, item: str) -> int:
        if item not in self._docs:
            raise UnknownId(f"no report {item!r}")
        return self._docs[item]

    def _members(self, cluster: str) -> list[int]:
        if cluster not in self.clusters.members:
            raise UnknownId(f"no cluster {cluster!r}")
        return self.clusters.members[cluster]

    # ---- restart

    @classmethod
    def restore(
        cls,
        items: Iterable[tuple[Report, str] | tuple[Report, str, bytes]],
        constraints: Constraints | None = None,
        touched: Iterable[str] = (),
        config: Config | None = None,
    ) -> "Engine":
        """The engine as it was. `items`: (report, cluster[, memo]) in arrival order. With the memo a report
        costs a fraction of a millisecond; without, or when the memo is of another version, it is analysed anew."""
        engine = cls(config)
        for a, b in (constraints or Constraints()).must:
            engine.links.must(a, b)
        for a, b in (constraints or Constraints()).cannot:
            engine.links.cannot(a, b)
        for report, cluster, *memo in items:
            entry = decode(engine.index, memo[0]) if memo else None
            doc = engine.index.add(entry if entry is not None else engine._reread(report))
            engine._register(report.id, report.source, report.fingerprint, doc, cluster)
        engine.clusters.touched.update(name for name in touched if name in engine.clusters.members)
        return engine

    def _reread(self, report: Report) -> Entry:
        prepared = self.index.prepare(report)
        docs = self.index.candidates(prepared)
        context = self.index.compare(prepared, docs)[1] if len(docs) else None
        return self.index.entry(prepared, context)


def _spelling(analysis: Analysis) -> dict[str, str]:
    spelling: dict[str, str] = {}
    for raw in tokens(analysis.title + "\n" + analysis.prose[:4_000]):
        stems, ident = token_parts(raw)
        if len(stems) == 1:
            spelling.setdefault(stems[0], raw)
        if ident:
            spelling.setdefault(ident, raw)
    return spelling
