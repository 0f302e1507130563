"""A report's entry in the index as bytes, so that a restart need not read and compare texts again."""

import zlib

import msgspec
import numpy as np

from services.triage.engine.index import Entry, Index

VERSION = 1
MAX_BYTES = 1_000_000


class _Memo(msgspec.Struct, array_like=True):
    version: int
    dims: int
    terms: list[str]
    weights: bytes
    norms: bytes
    lines: list[int]
    tokens: bytes
    aligned: bytes
    vector: bytes
    title_vector: bytes
    day: float
    words: int
    frames: int
    regime: int
    short: bool
    source: str
    top_frame: int
    hubs: tuple[float, float]


def encode(index: Index, entry: Entry) -> bytes:
    """An entry as about 3 kB. Holds words of the report: treat it like the report itself."""
    terms = [index.corpus.key(term) for term in entry.terms.tolist()]
    places = {term: place for place, term in enumerate(entry.terms.tolist())}
    memo = _Memo(
        VERSION, index.vectors.dims, terms, entry.weights.astype(np.float16).tobytes(),
        entry.norms.astype(np.float32).tobytes(), entry.lines,
        entry.tokens.astype(np.int32).tobytes(), entry.aligned.astype(np.int32).tobytes(),
        entry.vector.astype(np.float16).tobytes(), entry.title_vector.astype(np.float16).tobytes(),
        entry.day, entry.words, entry.frames, entry.regime, entry.short, entry.source,
        places.get(entry.top_frame, -1), entry.hubs,
    )  # fmt: skip
    return zlib.compress(msgspec.msgpack.encode(memo), 1)


_decoder = msgspec.msgpack.Decoder(_Memo)


def decode(index: Index, data: bytes) -> Entry | None:
    """The entry, its terms entered into the vocabulary; None when it is damaged or of another version."""
    try:
        unpacked = zlib.decompressobj().decompress(data, MAX_BYTES)
        memo = _decoder.decode(unpacked)
    except (zlib.error, msgspec.DecodeError):
        return None
    if memo.version != VERSION or memo.dims != index.vectors.dims:
        return None
    terms = index.corpus.terms(memo.terms)
    return Entry(
        terms=terms, weights=np.frombuffer(memo.weights, dtype=np.float16).astype(np.float32),
        norms=np.frombuffer(memo.norms, dtype=np.float32), lines=memo.lines,
        tokens=np.frombuffer(memo.tokens, dtype=np.int32), aligned=np.frombuffer(memo.aligned, dtype=np.int32),
        vector=np.frombuffer(memo.vector, dtype=np.float16),
        title_vector=np.frombuffer(memo.title_vector, dtype=np.float16),
        day=memo.day, words=memo.words, frames=memo.frames, regime=memo.regime, short=memo.short, source=memo.source,
        top_frame=int(terms[memo.top_frame]) if memo.top_frame >= 0 else -1, hubs=memo.hubs,
    )  # fmt: skip
