"""Scores the shipped engine on a set of issues: `make bench-localization`.

    python -m benchmarks.localization.run --data FOLDER --mirrors DIR

Goes through the public path (`RepositoryIndex.build`, `rank`), writes predictions, runs the scorer, prints JSON lines.
`DIR` holds git directories called like owner+name, owner__name or name; see docs/reference/localization.md.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.localization.features import Case, load_cases
from services.planner.localise import RepositoryIndex, rank


def predict(case: Case, cache: Path) -> tuple[list[str], dict[str, float]]:
    """Ranked paths and milliseconds: `index` (build), `first` (query with history and lazy arrays), `warm` (again)."""
    text = case.row["problem_statement"]
    times = [time.perf_counter()]
    index = RepositoryIndex.build(case.git_dir, case.row["base_commit"], cache)
    times.append(time.perf_counter())
    candidates = rank(index, text)
    times.append(time.perf_counter())
    rank(index, text)
    times.append(time.perf_counter())
    index.close()
    spans = [1000 * (b - a) for a, b in pairwise(times)]
    return [c.path for c in candidates], dict(zip(("index", "first", "warm"), spans, strict=True))


def main() -> int:
    """Predicts, scores, reports."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="a .jsonl of cases, or a folder that holds dev.jsonl")
    parser.add_argument("--mirrors", "--repositories", type=Path, required=True, help="folder of git directories")
    parser.add_argument("--scorer", type=Path, help="default: evaluate_localization.py beside the data")
    parser.add_argument("--cache", type=Path, help="keep the index here; a temporary folder otherwise")
    parser.add_argument("--predictions", type=Path, help="keep the predictions here")
    parser.add_argument("--by", choices=("repo", "lang", "source"), default="repo")
    chosen = parser.parse_args()
    data = chosen.data / "dev.jsonl" if chosen.data.is_dir() else chosen.data
    scorer = chosen.scorer or data.with_name("evaluate_localization.py")
    with tempfile.TemporaryDirectory() as scratch:
        cache = chosen.cache or Path(scratch) / "cache"
        predictions = chosen.predictions or Path(scratch) / "predictions.jsonl"
        try:
            timings = _predict_all(data, chosen.mirrors, cache, predictions)
        except FileNotFoundError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        report = Path(scratch) / "scores.json"
        command = [sys.executable, str(scorer), "--gold", str(data), "--pred", str(predictions)]
        answer = subprocess.run(
            [*command, "--by", chosen.by, "--boot", "2000", "--json", str(report)],
            check=False,
            text=True,
            capture_output=True,
        )
        sys.stderr.write(answer.stdout + answer.stderr)
        if answer.returncode:
            return answer.returncode
        _report(json.loads(report.read_text()), timings)
    return 0


def _predict_all(data: Path, repositories: Path, cache: Path, predictions: Path) -> list[dict[str, float]]:
    timings = []
    with predictions.open("w") as out:
        for case in load_cases(data, repositories):
            files, times = predict(case, cache)
            out.write(json.dumps({"instance_id": case.row["instance_id"], "files": files}) + "\n")
            timings.append(times)
    return timings


def _report(scores: dict[str, dict[str, float]], timings: list[dict[str, float]]) -> None:
    for group, values in scores.items():
        shown = {k: round(100 * values[k], 1) for k in ("any@1", "any@3", "any@5", "any@10", "all@5", "mrr")}
        print(json.dumps({"benchmark": "localization", "group": group, "cases": values["n"], **shown}))
    for name in ("index", "first", "warm"):
        ordered = sorted(t[name] for t in timings)
        print(
            json.dumps(
                {
                    "benchmark": "localization",
                    "timing_ms": name,
                    "p50": round(median(ordered), 1),
                    "p95": round(ordered[int(0.95 * (len(ordered) - 1))], 1),
                    "max": round(ordered[-1], 1),
                }
            )
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"benchmark": "localization", "peak_rss_mb": peak}))


if __name__ == "__main__":
    sys.exit(main())
