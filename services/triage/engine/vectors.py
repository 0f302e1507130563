"""Static word vectors: idf-weighted means of a token table, no model run, no network.

The table is the one inside the `wordllama` package (MIT), distilled from Llama-2 token embeddings.
Where it cannot be loaded the engine works on words alone.
"""

import functools
import logging
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.triage.engine.grow import F32, I32

ALIGN = 24
ALIGN_DIMS = 64
WORDS_KEPT = 40_000
LONGEST_KEPT = 60
_BORDER = "\N{LOWER ONE EIGHTH BLOCK}"


class Table:
    """Token ids and their vectors. `embedding`: float16 (tokens, dims), as the package has it in its file."""

    def __init__(self, tokenizer: Any, embedding: NDArray[np.float16]) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, bytes] = {}
        self._last = len(embedding) - 1
        self._starts = np.zeros(len(embedding), dtype=np.bool_)
        self._starts[[n for piece, n in tokenizer.get_vocab().items() if piece[0] == _BORDER and n <= self._last]] = (
            True
        )
        self.embedding = embedding
        short = embedding[:, :ALIGN_DIMS].astype(np.float32)
        norms = np.linalg.norm(short, axis=1, keepdims=True)
        self.unit = np.ascontiguousarray(short / np.maximum(norms, 1e-6), dtype=np.float32)

    def ids(self, text: str) -> I32:
        """Token ids of a text. Words are taken apart once and remembered: no token spans two words."""
        words = text.split()
        known = self._known
        new = [word for word in dict.fromkeys(words) if word not in known]
        fresh = dict(zip(new, self._read(new), strict=True)) if new else {}
        found = b"".join([fresh[word] if word in fresh else known[word] for word in words])
        self._remember(fresh)
        return np.frombuffer(found, dtype=np.uint16).astype(np.int32)

    def _read(self, words: list[str]) -> list[bytes]:
        """The ids of each word, all taken apart in one go where their borders can be told."""
        ids = np.clip(self._tokenizer.encode(" ".join(words), add_special_tokens=False).ids, 0, self._last)
        starts = np.flatnonzero(self._starts[ids])
        if len(starts) != len(words):
            if len(words) == 1:
                return [ids.astype(np.uint16).tobytes()]
            return [self._read([word])[0] for word in words]
        return [part.tobytes() for part in np.split(ids.astype(np.uint16), starts[1:])]

    def _remember(self, fresh: dict[str, bytes]) -> None:
        if len(self._known) + len(fresh) > WORDS_KEPT:
            self._known.clear()
        # Longer ones are not kept, or a stranger could fill the memory with words of a page each.
        self._known |= {word: ids for word, ids in fresh.items() if len(word) <= LONGEST_KEPT}


@functools.cache
def load_table() -> Table | None:
    """The packaged table, loaded once a process (0.7 s, 62 MB); None when the package or its files are missing."""
    level = logging.getLogger().level
    try:
        import wordllama

        folder = Path(wordllama.__file__).parent
        model = wordllama.WordLlama.load(cache_dir=folder, disable_download=True)
    except (ImportError, OSError, ValueError, FileNotFoundError):
        return None
    finally:
        logging.getLogger().setLevel(level)
    return Table(model.tokenizer, np.asarray(model.embedding, dtype=np.float16))


class Weights:
    """Document frequencies of tokens in this stream: rare tokens weigh more in the mean (SIF-like,
    Arora et al. 2017). Starts flat and sharpens as reports arrive."""

    def __init__(self, size: int) -> None:
        self.df = np.zeros(size, dtype=np.int32)
        self.docs = 0

    def of(self, ids: I32) -> F32:
        """Weight per token id."""
        ratio = (self.docs + 60.0) / (self.df.take(ids) + 1.5)
        return np.asarray(np.log(ratio), dtype=np.float32)

    def learn(self, ids: NDArray[np.uint16]) -> None:
        """Counts one report's distinct tokens."""
        self.docs += 1
        self.df[ids] += 1

    def unlearn(self, ids: NDArray[np.generic]) -> None:
        """Takes a deleted report's tokens back."""
        self.docs -= 1
        self.df[ids] -= 1


def pool(table: Table, weights: Weights, ids: I32) -> F32:
    """Unit vector of a token sequence; zeros when there is none."""
    if not len(ids):
        return np.zeros(table.embedding.shape[1], dtype=np.float32)
    total = weights.of(ids) @ table.embedding.take(ids, axis=0).astype(np.float32)
    norm = float(np.linalg.norm(total))
    return np.asarray(total / norm if norm > 1e-9 else total * 0.0, dtype=np.float32)
