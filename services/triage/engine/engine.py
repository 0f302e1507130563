"""The engine of one project: one report in, one assignment out; people's corrections obeyed for ever."""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from services.triage.engine import features as f
from services.triage.engine import scorer
from services.triage.engine.analyse import SHORT, TEXT, Analysis
from services.triage.engine.book import Book
from services.triage.engine.clusters import Constraints, Correction
from services.triage.engine.corpus import F32, I64
from services.triage.engine.index import Entry, Index, Prepared
from services.triage.engine.memo import decode, encode
from services.triage.engine.reasons import explain
from services.triage.engine.sites import Names, Sites, names_of
from services.triage.engine.text import token_parts, tokens
from services.triage.engine.types import Assignment, Proposal, Reason, Report, Suggestion
from services.triage.engine.vectors import load_table


class Config(msgspec.Struct, frozen=True):
    """Thresholds per regime (text reports, trace-only events, short messages), on the joined score 0..1.

    join: a report joins a cluster by itself from here on. propose: a second cluster that scores this much
    (and at least its join) becomes a merge proposal. mean_share: weight of the mean over members against the
    best member. vectors False = words only.
    """

    join: tuple[float, float, float] = (0.3, 0.2, 0.35)
    propose: float = 0.3
    mean_share: float = 0.4
    members_asked: int = 12
    clusters_asked: int = 3
    suggest_from: float = 0.01
    suggested: int = 5
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
        self.book = Book()
        self.sites = Sites()
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

    def assign(self, report: Report) -> Assignment:
        """Places one report. A report id seen before is answered with where it is, and nothing changes."""
        if report.id in self.book.docs:
            return Assignment(report.id, self.cluster_of(report.id), False, 1.0)
        prepared = self.index.prepare(report)
        scored = self._score(prepared)
        barred = self.book.barred(report.id)
        names = names_of(report)
        given = self._given(report, barred) or self._same_site(report, names, barred)
        limit = self.config.join[prepared.query.regime]
        best = next((entry for entry in scored.clusters if entry[1] not in barred), None)
        joins = best is not None and best[0] >= limit
        spelling = _spelling(prepared.analysis)
        reasons: tuple[Reason, ...] = ()
        if given is not None:
            cluster, score, reasons = given[0], 1.0, (given[1],)
        elif best is not None and joins:
            cluster, score = best[1], best[0]
            reasons = self._reasons(prepared, scored, best[2], spelling)
        else:
            cluster, score = self.book.clusters.fresh_id(report.id), 1.0
        new = cluster not in self.book.clusters.members
        suggestions = self._suggest(prepared, scored, cluster, barred, spelling)
        candidates = self._candidates(scored)
        doc = self._store(prepared, scored.context, cluster)
        self.sites.add(doc, report, names)
        self._notice(doc, scored, cluster, max(limit, self.config.propose))
        return Assignment(report.id, cluster, new, round(score, 4), reasons, suggestions, candidates)

    def last_memo(self) -> bytes:
        """What was learned from the report assigned last (about 3 kB), to store beside it for `restore`."""
        return encode(self.index, self._last) if self._last is not None else b""

    def _score(self, prepared: Prepared) -> _Scored:
        docs = self.index.candidates(prepared)
        if not len(docs):
            return _Scored({}, {}, [], None)
        x, context = self.index.compare(prepared, docs)
        regime = prepared.query.regime
        score = dict(zip(docs.tolist(), self._pair_scores(x, regime), strict=True))
        row = dict(zip(docs.tolist(), x, strict=True))
        found = dict(score)
        more = self._unfound(score)
        if len(more):
            x, _ = self.index.compare(prepared, more, context)
            score.update(zip(more.tolist(), self._pair_scores(x, regime), strict=True))
            row.update(zip(more.tolist(), x, strict=True))
        return _Scored(score, row, self._mixed(found, score), context)

    def _pair_scores(self, x: F32, regime: int) -> list[float]:
        """Scores of feature rows. A short message is compared with a full report as reports are."""
        if regime != SHORT:
            return [float(value) for value in self.models[regime].score(x)]
        score = self.models[SHORT].score(x)
        full = x[:, f.NAMES.index("regime_c")] != SHORT
        if full.any():
            score[full] = self.models[TEXT].score(x[full])
        return [float(value) for value in score]

    def _unfound(self, score: dict[int, float]) -> I64:
        """Members of the most promising clusters that retrieval did not bring."""
        best: dict[str, float] = {}
        for doc, value in score.items():
            cluster = self.book.clusters.of[doc]
            best[cluster] = max(best.get(cluster, 0.0), value)
        leading = sorted(best, key=lambda cluster: (-best[cluster], cluster))[: self.config.clusters_asked]
        more: list[int] = []
        for cluster in leading:
            members = self.book.clusters.members[cluster]
            asked = self.config.members_asked - sum(doc in score for doc in members[-64:])
            if asked > 0 and best[cluster] > 0.05:
                more += [doc for doc in members[-64:] if doc not in score][-asked:]
        return np.array(sorted(more), dtype=np.int64)

    def _mixed(self, found: dict[int, float], score: dict[int, float]) -> list[tuple[float, str, int]]:
        share = self.config.mean_share
        members: dict[str, list[int]] = {}
        for doc in score:
            members.setdefault(self.book.clusters.of[doc], []).append(doc)
        mixed = []
        for cluster, docs in members.items():
            if len(docs) == 1 and len(self.book.clusters.members[cluster]) == 1:
                mixed.append((score[docs[0]], cluster, docs[0]))
                continue
            values = sorted((score[doc] for doc in docs), reverse=True)
            size = min(len(self.book.clusters.members[cluster]), max(self.config.members_asked, len(values)))
            best = max(docs, key=lambda doc: (score[doc], doc))
            mean = sum(values) / size
            mixed.append(((1 - share) * values[0] + share * mean, cluster, best))
        return sorted(mixed, key=lambda entry: (-entry[0], -entry[2]))

    def _given(self, report: Report, barred: set[str]) -> tuple[str, Reason] | None:
        for other in self.book.links.group(report.id)[1:]:
            if other in self.book.docs:
                reason = Reason("must_link", f"a person put it together with {other}", 1.0)
                return self.book.clusters.of[self.book.docs[other]], reason
        if report.fingerprint:
            doc = self.book.fingerprints.get((report.source, report.fingerprint))
            if doc is not None and self.book.clusters.of[doc] not in barred:
                reason = Reason(
                    "fingerprint", f"{report.source or 'its source'} groups it with {self.book.ids[doc]}", 1.0
                )
                return self.book.clusters.of[doc], reason
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

    def _store(self, prepared: Prepared, context: f.Context | None, cluster: str) -> int:
        entry = self.index.entry(prepared, context)
        doc = self.index.add(entry)
        self._last = entry
        self.book.register(prepared.report.id, prepared.report.source, prepared.report.fingerprint, doc, cluster)
        return doc

    def _candidates(self, scored: _Scored) -> tuple[str, ...]:
        best = sorted(scored.score, key=lambda doc: (-scored.score[doc], -doc))[: self.config.suggested]
        return tuple(self.book.ids[doc] for doc in best)

    def _reasons(self, prepared: Prepared, scored: _Scored, doc: int, spelling: dict[str, str]) -> tuple[Reason, ...]:
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
                cluster, self.book.ids[doc], round(scored.score[doc], 4),
                self._reasons(prepared, scored, doc, spelling),
            )
            for _, cluster, doc in offered[: self.config.suggested]
        )  # fmt: skip

    def _notice(self, doc: int, scored: _Scored, cluster: str, limit: float) -> None:
        """A report that would fit two clusters speaks for making them one: a person decides."""
        for score, other, best in scored.clusters:
            if score < limit:
                break
            if other != cluster and not self.book.apart(cluster, other):
                self.book.propose(cluster, other, score, doc, best)

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
            entry = decode(engine.index, memo[0]) if memo else None
            doc = engine.index.add(entry if entry is not None else engine._reread(report))
            engine.book.register(report.id, report.source, report.fingerprint, doc, cluster)
            engine.sites.add(doc, report, names_of(report))
        engine.book.clusters.touched.update(name for name in touched if name in engine.book.clusters.members)
        return engine

    def _reread(self, report: Report) -> Entry:
        prepared = self.index.prepare(report)
        docs = self.index.candidates(prepared)
        context = self.index.compare(prepared, docs)[1] if len(docs) else None
        return self.index.entry(prepared, context)


def _spelling(analysis: Analysis) -> dict[str, str]:
    spelling: dict[str, str] = {}
    for raw in tokens(analysis.title + "\n" + analysis.prose[:1_500]):
        stems, ident = token_parts(raw)
        if len(stems) == 1:
            spelling.setdefault(stems[0], raw)
        if ident:
            spelling.setdefault(ident, raw)
    return spelling
