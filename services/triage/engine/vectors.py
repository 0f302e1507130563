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

F32 = NDArray[np.float32]
I32 = NDArray[np.int32]
ALIGN = 24
ALIGN_DIMS = 64


class Table:
    """Token ids and their vectors. `embedding`: float32 (tokens, dims)."""

    def __init__(self, tokenizer: Any, embedding: F32) -> None:
        self._tokenizer = tokenizer
        self.embedding = embedding
        short = embedding[:, :ALIGN_DIMS]
        norms = np.linalg.norm(short, axis=1, keepdims=True)
        self.unit = np.ascontiguousarray(short / np.maximum(norms, 1e-6), dtype=np.float32)

    def ids(self, text: str) -> I32:
        """Token ids of a text."""
        encoded = self._tokenizer.encode(text, add_special_tokens=False).ids
        return np.clip(np.array(encoded, dtype=np.int32), 0, len(self.embedding) - 1)


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
    return Table(model.tokenizer, np.asarray(model.embedding, dtype=np.float32))


class Weights:
    """Document frequencies of tokens in this stream: rare tokens weigh more in the mean (SIF-like,
    Arora et al. 2017). Starts flat and sharpens as reports arrive."""

    def __init__(self, size: int) -> None:
        self.df = np.zeros(size, dtype=np.int32)
        self.docs = 0

    def of(self, ids: I32) -> F32:
        """Weight per token id."""
        ratio = (self.docs + 60.0) / (self.df[ids] + 1.5)
        return np.asarray(np.log(ratio), dtype=np.float32)

    def learn(self, ids: I32) -> None:
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
    total = np.einsum("i,ij->j", weights.of(ids), table.embedding[ids])
    norm = float(np.linalg.norm(total))
    return np.asarray(total / norm if norm > 1e-9 else total * 0.0, dtype=np.float32)
