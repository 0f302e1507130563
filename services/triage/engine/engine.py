"""The engine of one project: one report in, one assignment out; people's corrections obeyed for ever."""

import math
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from services.triage.engine import scorer
from services.triage.engine.book import Book
from services.triage.engine.clusters import Constraints, Correction
from services.triage.engine.given import Vector
from services.triage.engine.index import Entry, Index, Prepared
from services.triage.engine.memo import decode, encode
from services.triage.engine.reasons import explain
from services.triage.engine.scoring import Fit, Scored, score
from services.triage.engine.sites import Names, Sites, names_of
from services.triage.engine.twins import Twins, key_of
from services.triage.engine.types import Assignment, Proposal, Reason, Report, Suggestion
from services.triage.engine.vectors import load_table

REPEATED = 0.9  # share of a report's terms


class Config(msgspec.Struct, frozen=True):
    """Thresholds per regime (text reports, trace-only events, short messages), on the joined score 0..1.

    join: a report joins a cluster by itself from here on, once `settled` reports are stored. young: the same for the
    first `first` reports: among few reports there are few that resemble each other by chance; in between it rises
    with the logarithm of their number. propose: a second cluster that scores this much (and at least its join)
    becomes a merge proposal. vectors False = words only. embeddings: the model whose vectors are given with
    reports, empty = none are used; reports that have one join from `join_embedded` on.
    """

    join: tuple[float, float, float] = (0.21, 0.26, 0.38)
    young: tuple[float, float, float] = (0.1, 0.26, 0.38)
    first: int = 60
    settled: int = 1_000
    propose: float = 0.3
    suggest_from: float = 0.01
    suggested: int = 5
    vectors: bool = True
    embeddings: str = ""
    join_embedded: tuple[float, float, float] = (0.22, 0.26, 0.45)

    @classmethod
    def strict(cls, vectors: bool = True, embeddings: str = "") -> "Config":
        """Joins only what is very likely right; the rest is suggested. For trackers where duplicates are rare."""
        join = (0.6, 0.6, 0.6)
        return cls(join=join, young=(0.3, 0.3, 0.5), join_embedded=join, vectors=vectors, embeddings=embeddings)

    def threshold(self, regime: int, stored: int, embedded: bool = False) -> float:
        """From which score on a report joins, where so many were stored before it."""
        way = math.log(max(stored, self.first) / self.first) / math.log(self.settled / self.first)
        settled = (self.join_embedded if embedded else self.join)[regime]
        return self.young[regime] + (settled - self.young[regime]) * min(way, 1.0)


class Engine:
    """Incremental clustering. Not thread-safe; one instance (one writer) per project."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or Config()
        table = load_table() if self.config.vectors else None
        self.index = Index(table)
        self.models = scorer.load_models("dense" if table else "lexical")
        self.embedded = scorer.load_models("full") if table and self.config.embeddings else None
        self.book = Book()
        self.sites = Sites()
        self.twins = Twins()
        self._last: Entry | None = None

    # ---- reading

    @property
    def mode(self) -> str:
        """ "dense" with word vectors, "lexical" without."""
        return "dense" if self.index.table else "lexical"

    def __len__(self) -> int:
        return len(self.book.docs)

    def cluster_of(self, item: str) -> str:
        """The cluster of a report. Raises UnknownId."""
        return self.book.cluster_of(item)

    def members(self, cluster: str) -> list[str]:
        """Report ids of a cluster in arrival order. Raises UnknownId."""
        return self.book.members(cluster)

    def cluster_ids(self) -> list[str]:
        """All clusters, oldest first."""
        return list(self.book.clusters.members)

    def proposals(self) -> list[Proposal]:
        """Merges that later evidence speaks for but a person must decide, strongest first."""
        return self.book.proposals()

    def constraints(self) -> Constraints:
        """Everything people have said, for storage."""
        return self.book.links.stored()

    # ---- arrivals

    def assign(self, report: Report, vector: Vector | None = None) -> Assignment:
        """Places one report. A report id seen before is answered with where it is, and nothing changes.

        `vector`: the embedding of `text_to_embed(report)` by a service, any length, any norm. The first one fixes the
        length; one of another length is ignored, and so is every one without `Config.embeddings`.
        """
        if report.id in self.book.docs:
            return Assignment(report.id, self.cluster_of(report.id), False, 1.0)
        prepared = self.index.prepare(report, vector if self.embedded else None)
        barred = self.book.barred(report.id)
        names = names_of(report)
        words = key_of(report)
        given = self._given(report, barred)
        repeated = self._repeated(prepared)
        # Most events of an error tracker say nothing new: neither alternatives nor proposals come of comparing them.
        scored = self._score(prepared) if given is None or repeated is None else Scored({repeated: 1.0}, {}, [], None)
        given = given or self._same_words(words, barred)
        given = given or self._same_site(report, names, barred)
        limit = self.config.threshold(prepared.query.regime, len(self.book.ids), len(prepared.given) > 0)
        best = next((fit for fit in scored.clusters if fit.cluster not in barred), None)
        joined = best if given is None and best is not None and best.score >= limit else None
        if given is not None:
            cluster = given[0]
        else:
            cluster = joined.cluster if joined else self.book.clusters.fresh_id(report.id)
        new = cluster not in self.book.clusters.members
        offered = self._offered(scored, cluster, barred)
        reasons, suggestions = self._explained(prepared, scored, joined, offered)
        candidates = self._candidates(scored)
        doc = self._store(prepared, cluster, self._entry(prepared, scored, repeated))
        self.sites.add(doc, report, names)
        self.twins.add(doc, words)
        self._notice(doc, scored, cluster, max(limit, self.config.propose))
        value = round(joined.score, 4) if joined else 1.0
        return Assignment(
            report.id, cluster, new, value, (given[1],) if given else reasons, suggestions, candidates
        )  # fmt: skip

    def _score(self, prepared: Prepared) -> Scored:
        young = self.index.size < self.config.settled
        models = self.embedded if self.embedded and len(prepared.given) else self.models
        return score(self.index, self.book.clusters, models, prepared, young)

    def _repeated(self, prepared: Prepared) -> int | None:
        """The latest report of the same group of the sender, where this one says next to nothing that it did not."""
        doc = self._kin(prepared.report)
        return doc if doc is not None and self.index.told(prepared, doc) >= REPEATED else None

    def _kin(self, report: Report) -> int | None:
        """The latest report of the same group of the sender."""
        return self.book.fingerprints.get((report.source, report.fingerprint)) if report.fingerprint else None

    def last_memo(self) -> bytes:
        """What was learned from the report assigned last (about 3 kB), to store beside it for `restore`."""
        return encode(self.index, self._last, self.config.embeddings) if self._last is not None else b""

    def _given(self, report: Report, barred: set[str]) -> tuple[str, Reason] | None:
        for other in self.book.links.group(report.id)[1:]:
            if other in self.book.docs:
                reason = Reason("must_link", f"a person put it together with {other}", 1.0)
                return self.book.clusters.of[self.book.docs[other]], reason
        if report.fingerprint:
            doc = self._kin(report)
            if doc is not None and self.book.clusters.of[doc] not in barred:
                reason = Reason(
                    "fingerprint", f"{report.source or 'its source'} groups it with {self.book.ids[doc]}", 1.0
                )
                return self.book.clusters.of[doc], reason
        return None

    def _same_words(self, words: int | None, barred: set[str]) -> tuple[str, Reason] | None:
        """The cluster of the latest report that says the same."""
        for doc in self.twins.of(words):
            cluster = self.book.clusters.of.get(doc)
            if cluster is not None and cluster not in barred:
                return cluster, Reason("title", f"says the same, word for word, as {self.book.ids[doc]}", 1.0)
        return None

    def _same_site(self, report: Report, names: Names, barred: set[str]) -> tuple[str, Reason] | None:
        """The one cluster where another source's report has the same crash site; none when there are several."""
        found: dict[str, Reason] = {}
        for doc, error, function in self.sites.matches(report, names):
            cluster = self.book.clusters.of.get(doc)
            if cluster is not None and cluster not in barred:
                detail = f"{error} in {function}, as in a report from {self.sites.source(doc) or 'another source'}"
                found.setdefault(cluster, Reason("exception", detail, 0.95))
        return next(iter(found.items())) if len(found) == 1 else None

    def _entry(self, prepared: Prepared, scored: Scored, repeated: int | None) -> Entry:
        """What to keep of a report. How much it resembles all others is taken from the report that it repeats."""
        return self.index.entry(prepared, scored.context, None if repeated is None else self.index.hubs(repeated))

    def _store(self, prepared: Prepared, cluster: str, entry: Entry) -> int:
        doc = self.index.add(entry)
        self._last = entry
        self.book.register(prepared.report.id, prepared.report.source, prepared.report.fingerprint, doc, cluster)
        return doc

    def _candidates(self, scored: Scored) -> tuple[str, ...]:
        best = sorted(scored.score, key=lambda doc: (-scored.score[doc], -doc))[: self.config.suggested]
        return tuple(self.book.ids[doc] for doc in best)

    def _explained(
        self, prepared: Prepared, scored: Scored, joined: Fit | None, offered: Sequence[int]
    ) -> tuple[tuple[Reason, ...], tuple[Suggestion, ...]]:
        """Reasons for the join, and the suggestions with theirs."""
        docs = [*([joined.doc] if joined else []), *offered]
        if not docs:
            return (), ()
        x = np.stack([scored.row[doc] for doc in docs])
        found = explain(self.index.corpus, prepared.query.terms, prepared.analysis, np.array(docs), x)
        of = self.book.clusters.of
        reasons = found[len(docs) - len(offered) :]
        return found[0] if joined else (), tuple(
            Suggestion(of[doc], self.book.ids[doc], round(scored.score[doc], 4), why)
            for doc, why in zip(offered, reasons, strict=True)
        )

    def _offered(self, scored: Scored, chosen: str, barred: set[str]) -> list[int]:
        """The best members of the best clusters that were not chosen."""
        ranked = sorted(scored.clusters, key=lambda fit: (-scored.score[fit.doc], -fit.doc))
        offered = [
            fit.doc for fit in ranked
            if fit.cluster != chosen and fit.cluster not in barred
            and scored.score[fit.doc] >= self.config.suggest_from
        ]  # fmt: skip
        return offered[: self.config.suggested]

    def _notice(self, doc: int, scored: Scored, cluster: str, limit: float) -> None:
        """A report that would fit two clusters speaks for making them one: a person decides."""
        for fit in scored.clusters:
            if fit.score < limit:
                break
            if fit.cluster != cluster and not self.book.apart(cluster, fit.cluster):
                self.book.propose(cluster, fit.cluster, fit.score, doc, fit.doc)

    # ---- corrections by people

    def touch(self, cluster: str) -> None:
        """A person has seen or changed this cluster: from now on it is never reshuffled by itself."""
        self.book.touch(cluster)

    def must_link(self, a: str, b: str) -> Correction:
        """Two reports belong together; `b` moves to the cluster of `a` when both are here."""
        return self.book.must_link(a, b)

    def cannot_link(self, a: str, b: str) -> Correction:
        """Two reports do not belong together; `b` leaves for a cluster of its own when both share one."""
        return self.book.cannot_link(a, b)

    def move(self, item: str, cluster: str) -> Correction:
        """A person moves a report: it stays with the target's reports and away from those it left."""
        return self.book.move(item, cluster)

    def merge(self, into: str, others: Sequence[str]) -> Correction:
        """A person makes several clusters one; cannot-links between them are overruled."""
        return self.book.merge(into, others)

    def split(self, cluster: str, items: Sequence[str]) -> Correction:
        """A person takes reports out of a cluster into a new one, whose id is in the answer.

        Raises UnknownId when an item is not in the cluster, ValueError when none or all of them are named.
        """
        return self.book.split(cluster, items)

    def forget(self, item: str) -> None:
        """A deleted report: gone from its cluster, from all counts and from every later answer."""
        self.index.forget(self.book.forget(item))

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
            engine.book.links.must(a, b)
        for a, b in (constraints or Constraints()).cannot:
            engine.book.links.cannot(a, b)
        for report, cluster, *memo in items:
            entry = decode(engine.index, memo[0], engine.config.embeddings) if memo else None
            doc = engine.index.add(entry if entry is not None else engine._reread(report))
            engine.book.register(report.id, report.source, report.fingerprint, doc, cluster)
            engine.sites.add(doc, report, names_of(report))
            engine.twins.add(doc, key_of(report))
        engine.book.clusters.touched.update(name for name in touched if name in engine.book.clusters.members)
        return engine

    def _reread(self, report: Report) -> Entry:
        prepared = self.index.prepare(report)
        repeated = self._repeated(prepared)
        scored = self._score(prepared) if repeated is None else Scored({}, {}, [], None)
        return self._entry(prepared, scored, repeated)
