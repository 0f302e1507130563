"""All signals of one query over one corpus: a value per file and signal, in a fixed order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.planner.localise.corpus import Corpus
from services.planner.localise.fields import Floats, best_of_groups
from services.planner.localise.history import History
from services.planner.localise.mentions import Mentions, find_mentions
from services.planner.localise.query import Query

# ranked signals are used twice: value / largest value, and 1 / (1 + rank / 4)
RANKED = (
    "c3_mix", "c3_title", "ck_ident", "c3_err", "bm_title", "sym_mix", "sym_title", "path_mix", "path_title",
    "def_max", "def_title", "literal", "h2_title", "h2_prof", "cochange", "dirsib",
)  # fmt: skip
FLAGS = (
    "fpath", "fbase", "frame", "frame_last", "dot_sym", "dot_mod", "stem_title", "aux", "markup", "is_init", "dts",
)  # fmt: skip
_SEED_FIELDS = ("c3_mix", "c3_title", "sym_mix", "def_max", "path_mix")
_SEEDS = 8


@dataclass(slots=True)
class Signals:
    """`values[name]` is one float per file (0: the signal says nothing); the rest feeds the evidence shown."""

    values: dict[str, Floats]
    mentions: Mentions
    similar: list[tuple[int, float]]


def compute_signals(corpus: Corpus, history: History, query: Query) -> Signals:
    """Every signal of `RANKED` and `FLAGS`."""
    size = len(corpus)
    mentions = find_mentions(corpus, query)
    similar = history.similar_commits(query.mix)

    def top(terms: Mapping[int, float], keep: int) -> Floats:
        return best_of_groups(corpus.chunks.score(terms), corpus.chunk_owner, size, keep)

    values: dict[str, Floats] = {
        "c3_mix": top(query.mix, 3),
        "c3_title": top(query.title_terms, 3),
        "ck_ident": top(query.ident_terms, 1),
        "c3_err": top(query.error_terms, 3),
        "bm_title": corpus.whole.score(query.title_terms),
        "sym_mix": corpus.names.score(query.mix),
        "sym_title": corpus.names.score(query.title_terms),
        "path_mix": corpus.paths.score(query.mix),
        "path_title": corpus.paths.score(query.title_terms),
        "def_max": mentions.values["def_max"],
        "def_title": mentions.values["def_title"],
        "literal": corpus.literals.score(query.shingles),
        "h2_all": history.files_of_similar(similar),
        "h2_title": history.files_of_similar(history.similar_commits(query.title_terms)),
        "h2_prof": history.profile(query.mix),
        "fpath": mentions.values["fpath"],
        "fbase": mentions.values["fbase"],
        "frame": mentions.values["frame"],
        "frame_last": mentions.values["frame_last"],
        "dot_sym": mentions.values["dot_symbol"],
        "dot_mod": mentions.values["dot_module"],
        "stem_title": mentions.values["stem_title"],
        "aux": _flag(entry.role == "aux" for entry in corpus.files),
        "markup": _flag(entry.language == "markup" for entry in corpus.files),
        "is_init": _flag(entry.path.endswith(("__init__.py", "package-info.java")) for entry in corpus.files),
        "dts": _flag(entry.path.endswith((".d.ts", ".pyi")) for entry in corpus.files),
    }
    seeds = _seeds(values, size)
    values["cochange"] = history.cochange(seeds)
    values["dirsib"] = _siblings(corpus, seeds)
    return Signals(values, mentions, similar)


def _flag(values: object) -> Floats:
    return np.fromiter(values, dtype=np.float32)  # type: ignore[call-overload,no-any-return]


def order_of(values: Floats) -> npt.NDArray[np.intp]:
    """File numbers best first; files are in byte order of path, so ties go by path."""
    return np.argsort(-values, kind="stable")


def rank_scores(values: Floats) -> Floats:
    """1 / (1 + rank / 4) with rank from 0 for the best; 0 where the signal says nothing."""
    order = order_of(values)
    result = np.zeros(len(values), dtype=np.float32)
    result[order] = 1.0 / (1.0 + np.arange(len(values), dtype=np.float32) / 4.0)
    result[values <= 0] = 0.0
    return result


def share_of_best(values: Floats) -> Floats:
    """value / largest value."""
    best = float(values.max()) if len(values) else 0.0
    return values / np.float32(best) if best > 0 else np.zeros(len(values), dtype=np.float32)


def _seeds(values: dict[str, Floats], size: int) -> dict[int, float]:
    """The files a fusion by reciprocal rank puts first, with weights falling from 1."""
    fused = np.zeros(size, dtype=np.float32)
    for name in _SEED_FIELDS:
        ranks = np.empty(size, dtype=np.float32)
        ranks[order_of(values[name])] = np.arange(size, dtype=np.float32)
        fused += np.where(values[name] > 0, 1.0 / (10.0 + ranks), 0.0).astype(np.float32)
    best = order_of(fused)[:_SEEDS]
    return {int(number): 1.0 / (1 + position / 2) for position, number in enumerate(best) if fused[number] > 0}


def _siblings(corpus: Corpus, seeds: dict[int, float]) -> Floats:
    """Weight of the seeds in the same folder, a seed not counting for itself."""
    folders = corpus.folders
    weights = np.zeros(int(folders.max()) + 1 if len(folders) else 1, dtype=np.float32)
    own = np.zeros(len(corpus), dtype=np.float32)
    for number, weight in seeds.items():
        weights[folders[number]] += np.float32(weight)
        own[number] = weight
    return weights[folders] - own if len(folders) else own
