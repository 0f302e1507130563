"""Embeddings of the development sets by an OpenAI-compatible service, for `train --mode full` and `run --embeddings`.

    python -m benchmarks.clustering.embed --url http://127.0.0.1:8081/v1 --model all-minilm --out FOLDER [set ...]

Writes FOLDER/<set>.npy, float16, a row for each report; zeros where there is nothing to embed. A key is read from
EMBEDDINGS_API_KEY.
"""

import argparse
import os
from pathlib import Path

import numpy as np
from openai import OpenAI

from benchmarks.clustering.collect import SETS, rows
from services.triage.engine import text_to_embed
from services.triage.engine.offline import report_of

BATCH = 64


def main() -> None:
    """Command line."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("sets", nargs="*", default=list(SETS))
    words.add_argument("--url", required=True)
    words.add_argument("--model", required=True)
    words.add_argument("--out", type=Path, required=True)
    asked = words.parse_args()
    service = OpenAI(base_url=asked.url, api_key=os.environ.get("EMBEDDINGS_API_KEY", "none"))
    asked.out.mkdir(parents=True, exist_ok=True)
    for name in asked.sets:
        texts = [text_to_embed(report_of(row, line)) for line, row in enumerate(rows(name), start=1)]
        wanted = [place for place, text in enumerate(texts) if text]
        found: dict[int, list[float]] = {}
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            answer = service.embeddings.create(
                model=asked.model, input=[texts[place] for place in some], encoding_format="float"
            )
            found |= {some[one.index]: one.embedding for one in answer.data}
        if found:
            length = len(next(iter(found.values())))
            np.save(
                asked.out / f"{name}.npy",
                np.array([found.get(place, [0.0] * length) for place in range(len(texts))], dtype=np.float16),
            )
        print(f"{name}: {len(found)} of {len(texts)}", flush=True)


if __name__ == "__main__":
    main()
