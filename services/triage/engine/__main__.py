"""python -m services.triage.engine --input items.jsonl --output clusters.jsonl"""

import argparse
import sys

from services.triage.engine.offline import main

if __name__ == "__main__":
    words = argparse.ArgumentParser(prog="cluster", description="Cluster reports of a JSON Lines file.")
    words.add_argument("--input", required=True, help="reports in arrival order")
    words.add_argument("--output", required=True, help="where the clusters go")
    asked = words.parse_args()
    sys.exit(main(asked.input, asked.output))
