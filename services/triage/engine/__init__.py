"""Incremental clustering of reports: the engine behind triage and behind `soulcaster cluster`.

One `Engine` per project, one writer; `assign` places a report in a few milliseconds. Pure and synchronous: no
clock, no network, no database. How it decides, and what was measured: docs/reference/clustering.md.
"""

from services.triage.engine.clusters import Constraints, Correction, UnknownId
from services.triage.engine.engine import Config, Engine
from services.triage.engine.given import text_to_embed
from services.triage.engine.types import Assignment, Proposal, Reason, Relink, Report, Suggestion

__all__ = [
    "Assignment",
    "Config",
    "Constraints",
    "Correction",
    "Engine",
    "Proposal",
    "Reason",
    "Relink",
    "Report",
    "Suggestion",
    "UnknownId",
    "text_to_embed",
]
