"""Plans and requests for the planner's unit tests."""

from datetime import UTC, datetime
from typing import Any

from schemas.plans import CandidateFile, Plan, PlanRequest, ValidationStep

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)


def plan(**values: Any) -> Plan:
    """An evidence plan of a small shop."""
    given: dict[str, Any] = {
        "id": "p",
        "project_id": "default",
        "cluster_id": "c1",
        "version": 1,
        "title": "Checkout fails",
        "summary": "The evidence points to shop/pricing.py.",
        "candidate_files": [CandidateFile(path="shop/pricing.py"), CandidateFile(path="shop/cart.py")],
        "steps": ["Read shop/pricing.py."],
        "validation_steps": [ValidationStep(title="Tests", command="python3 -m pytest")],
        "test_command": "python3 -m pytest",
        "reproduction": "Add a failing test.",
        "repo_url": "/srv/shop",
        "base_branch": "main",
        "base_commit": "a" * 40,
        "notes": ["Made from repository evidence alone: no model read the code."],
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Plan(**(given | values))


def request(name: str = "r1", **values: Any) -> PlanRequest:
    """A request to generate unless ``values`` say otherwise."""
    given: dict[str, Any] = {"id": name, "project_id": "default", "cluster_id": "c1", "created_at": NOW}
    return PlanRequest(**(given | values))
