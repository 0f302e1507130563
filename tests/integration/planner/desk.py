"""What the planner's integration tests share: a repository with a bug, a running planner, a way to ask and wait."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from messaging.ports import Bus
from runtime.ids import new_id
from schemas.base import encode
from schemas.clusters import Cluster, Evidence
from schemas.feedback import Frame
from schemas.plans import Plan, PlanOutcome, PlanRecord, PlanRequest
from schemas.subjects import KV_PLANS, key, plan_request
from services.planner.service import serve
from services.planner.settings import Settings
from tests.support.eventually import eventually

PROJECT, CLUSTER = "default", "c1"
FILES = {
    "pyproject.toml": '[project]\nname = "shop"\nversion = "1"\n[tool.pytest.ini_options]\ntestpaths = ["tests"]\n',
    "shop/__init__.py": "",
    "shop/pricing.py": (
        "from decimal import Decimal\n\n\ndef parse_price(text):\n"
        '    """The amount in a printed price."""\n    return Decimal(text.strip().lstrip("$"))\n\n\n'
        "def format_price(amount):\n    return f'${amount:,.2f}'\n"
    ),
    "shop/cart.py": (
        "from shop.pricing import parse_price\n\n\ndef total(prices):\n"
        "    return sum(parse_price(price) for price in prices)\n"
    ),
    "shop/users.py": "def greet(name):\n    return f'Hello {name}'\n",
    "tests/test_pricing.py": (
        "from shop.pricing import parse_price\n\n\ndef test_parse():\n    assert parse_price('$12.00') == 12\n"
    ),
}


def git(folder: Path, *args: str) -> str:
    """Run git without any configuration of the machine."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "Ada",
        "GIT_AUTHOR_EMAIL": "ada@example.org",
        "GIT_COMMITTER_NAME": "Ada",
        "GIT_COMMITTER_EMAIL": "ada@example.org",
    }
    done = subprocess.run(["git", "-C", str(folder), *args], env=environ, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, files: dict[str, str], message: str) -> str:
    """Write files, commit them, and give the commit's id."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def shop(folder: Path) -> Path:
    """A small repository on branch ``main`` whose ``parse_price`` refuses a thousands separator."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main")
    commit(folder, FILES, "A shop that prints and reads prices")
    return folder


def report(body: str = "", **values: Any) -> Evidence:
    """One report of the bug."""
    text = (
        "Checkout fails for expensive carts: decimal.InvalidOperation when the price is $1,250.00.\n"
        'Traceback (most recent call last):\n  File "/app/shop/cart.py", line 5, in total\n'
        '  File "/app/shop/pricing.py", line 6, in parse_price\n' + body
    )
    frames = [Frame(file="/app/shop/pricing.py", function="parse_price", line=6)]
    given: dict[str, Any] = {"feedback_id": "f1", "source": "sentry", "title": "InvalidOperation in parse_price"}
    return Evidence(**(given | {"body": text, "frames": frames} | values))


def cluster(*evidence: Evidence, **values: Any) -> Cluster:
    """A cluster of reports."""
    now = datetime.now(UTC)
    given: dict[str, Any] = {"id": CLUSTER, "project_id": PROJECT, "revision": 1, "count": max(1, len(evidence))}
    given |= {"title": "Checkout fails above 999", "created_at": now, "updated_at": now}
    return Cluster(**(given | {"evidence": list(evidence) or [report()]} | values))


def wish(repo: Path | str | None, **values: Any) -> PlanRequest:
    """A request to generate; ``values`` change it."""
    given: dict[str, Any] = {"id": new_id(), "project_id": PROJECT, "cluster_id": CLUSTER, "cluster": cluster()}
    given |= {"repo_url": None if repo is None else str(repo), "created_at": datetime.now(UTC)}
    return PlanRequest(**(given | values))


def settings(folder: Path, url: str, **values: Any) -> Settings:
    """Settings of a planner of this test's own."""
    given: dict[str, Any] = {"nats_url": url, "data_dir": str(folder / "data"), "model_backoff_seconds": 0.01}
    return Settings(**(given | values))


@asynccontextmanager
async def planner(folder: Path, url: str, **values: Any) -> AsyncIterator[None]:
    """The whole service in this process, on its own connection."""
    stop = asyncio.Event()
    work = asyncio.create_task(serve(settings(folder, url, **values), stop))
    try:
        yield
    finally:
        stop.set()
        await work


class Desk:
    """Asks the planner as the gateway does."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.records = bus.state(KV_PLANS, PlanRecord)
        self.versions = bus.state(KV_PLANS, Plan)

    async def record(self) -> PlanRecord:
        """The record of the test's cluster."""
        entry = await self.records.get(key(PROJECT, CLUSTER))
        assert entry is not None, "no record yet"
        assert entry.value is not None
        return entry.value

    async def plan(self) -> Plan:
        """The current plan."""
        current = (await self.record()).current
        assert current is not None, "no plan yet"
        return current

    async def outcome(self, request: PlanRequest) -> PlanOutcome:
        """What is known of a request."""
        found = [o for o in (await self.record()).outcomes if o.request_id == request.id]
        assert found, "not begun yet"
        return found[0]

    async def send(self, request: PlanRequest, msg_id: str | None = None) -> None:
        """Publish a request."""
        await self.bus.publish(
            plan_request(request.project_id, request.cluster_id), encode(request), msg_id=msg_id or request.id
        )

    async def settled(self, request: PlanRequest, within: float = 60.0) -> PlanOutcome:
        """Wait until the request is finished."""

        async def check() -> PlanOutcome:
            outcome = await self.outcome(request)
            assert outcome.status != "pending", f"still {outcome.progress}"
            return outcome

        return await eventually(check, within)

    async def ask(self, request: PlanRequest, within: float = 60.0) -> PlanOutcome:
        """Publish and wait."""
        await self.send(request)
        return await self.settled(request, within)
