"""A report's entry in the index as bytes, so that a restart need not read and compare texts again."""

import msgspec
import numpy as np

from services.triage.engine.index import Entry, Index

VERSION = 2
MAX_BYTES = 1_000_000


class _Memo(msgspec.Struct, array_like=True):
    version: int
    dims: int
    keys: bytes
    weights: bytes
    norms: bytes
    lines: bytes
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
    signature: int
    hubs: tuple[float, float]
    given: bytes = b""
    model: str = ""


def encode(index: Index, entry: Entry, model: str) -> bytes:
    """An entry as about 3 kB: numbers only, no text can be read from it. `model` gave its embedding, if it has one."""
    top = np.flatnonzero(entry.terms == entry.top_frame)
    memo = _Memo(
        VERSION, index.vectors.dims, index.corpus.vocabulary.keys.view[entry.terms].tobytes(),
        entry.weights.astype(np.float16).tobytes(), entry.norms.astype(np.float32).tobytes(),
        entry.lines.tobytes(), entry.tokens.tobytes(), entry.aligned.tobytes(),
        entry.vector.tobytes(), entry.title_vector.tobytes(),
        entry.day, entry.words, entry.frames, entry.regime, entry.short, entry.source,
        int(top[0]) if len(top) else -1, entry.signature, entry.hubs, entry.given.tobytes(), model,
    )  # fmt: skip
    return msgspec.msgpack.encode(memo)


_decoder = msgspec.msgpack.Decoder(_Memo)


def decode(index: Index, data: bytes, model: str) -> Entry | None:
    """The entry, its terms entered into the vocabulary; None when it is damaged or of another version. An embedding by
    another model than `model` is left out: the two cannot be compared."""
    if len(data) > MAX_BYTES:
        return None
    try:
        memo = _decoder.decode(data)
    except msgspec.DecodeError:
        return None
    if memo.version != VERSION or memo.dims != index.vectors.dims:
        return None
    try:
        return _entry(index, memo, model)
    except ValueError:  # cut in the middle of a number
        return None


def _entry(index: Index, memo: _Memo, model: str) -> Entry:
    terms = index.corpus.terms(np.frombuffer(memo.keys, dtype=np.uint64))
    return Entry(
        terms=terms, weights=np.frombuffer(memo.weights, dtype=np.float16).astype(np.float32),
        norms=np.frombuffer(memo.norms, dtype=np.float32), lines=np.frombuffer(memo.lines, dtype=np.uint32),
        tokens=np.frombuffer(memo.tokens, dtype=np.uint16), aligned=np.frombuffer(memo.aligned, dtype=np.int16),
        vector=np.frombuffer(memo.vector, dtype=np.float16),
        title_vector=np.frombuffer(memo.title_vector, dtype=np.float16),
        day=memo.day, words=memo.words, frames=memo.frames, regime=memo.regime, short=memo.short, source=memo.source,
        top_frame=int(terms[memo.top_frame]) if memo.top_frame >= 0 else -1,
        signature=memo.signature, hubs=memo.hubs,
        given=np.frombuffer(memo.given if memo.model == model else b"", dtype=np.float16),
    )  # fmt: skip
