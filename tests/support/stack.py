"""Everything that one fix needs as separate processes, each of which a test may kill, stop and start again.

The environment of each service is the one `soulcaster up` gives it. The agent is a script (`scripted_kilo`), so that an
attempt takes two seconds instead of twenty; sandbox, git, gate, publisher and broker are the real ones.
"""

import shutil
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from cli.embedded.layout import DEFAULT_PROJECT, ROOT, Layout
from cli.embedded.services import Instance, Model, environment
from messaging.connection import NatsBus, connect
from messaging.provision import provision
from runtime.processes import Child, free_port
from tests.support.attempts import repository
from tests.support.embedded import environ
from tests.support.eventually import eventually
from tests.support.nats_server import NatsServer
from tests.support.nats_server import running as running_nats

SERVICES = ("orchestrator", "planner", "triage", "gateway", "runner")
BROKER = "nats-server"
MODEL_KEY = "sk-the-key-of-the-model-0123456789"
NO_MODEL = "http://127.0.0.1:9/v1"
SOURCE = {
    "shop/__init__.py": "",
    "shop/pricing.py": "def total(a, b):\n    return a - b\n",
    "tests/__init__.py": "",
    "tests/test_pricing.py": (
        "import unittest\nfrom shop.pricing import total\n\n\nclass Total(unittest.TestCase):\n"
        "    def test_adds(self):\n        self.assertEqual(total(2, 3), 5)\n"
    ),
}
FIX = "sed -i 's/a - b/a + b/' shop/pricing.py; say fixed"
REPORT = "The total of two prices is wrong: total(2, 3) in shop/pricing.py gives -1 instead of 5."
# Shorter than the defaults, so that a test need not wait for minutes; longer than the runner's heartbeat of 5 s.
PATIENCE = {"LEASE_SECONDS": "8", "CLAIM_SECONDS": "8", "TICK_SECONDS": "0.2", "RUNNER_PROBLEM_SECONDS": "2"}


class Stack:
    """``bus`` is the test's own connection. ``runner2`` is a second runner process of the same name."""

    def __init__(
        self, folder: Path, nats: NatsServer, bus: NatsBus, changes: Mapping[str, str], model_url: str
    ) -> None:
        self.folder, self.nats, self.bus = folder, nats, bus
        self.data, self.agent = folder / "data", folder / "agent"
        self.layout = Layout(self.data)
        self.layout.prepare()
        model = Model(model_url, MODEL_KEY, "scripted-1", replay=True)  # a replay is for the runner only
        self.instance = Instance(self.layout, nats.port, free_port(), model)
        self.changes = changes
        self.children: dict[str, Child] = {}
        self.session: aiohttp.ClientSession | None = None
        shutil.copytree(Path(__file__).parent / "scripted_kilo", self.agent)
        self.act(FIX)

    @property
    def url(self) -> str:
        return self.instance.gateway_url

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.layout.admin_key()}"}

    def act(self, script: str) -> None:
        """What the agent does from now on: shell text; ``say`` prints a line as the agent."""
        (self.agent / "act").write_text(script + "\n")

    def hold(self) -> None:
        """Agents wait in the middle of their work until ``release``."""
        (self.agent / "hold").touch()

    def release(self) -> None:
        (self.agent / "hold").unlink(missing_ok=True)

    async def start(self, name: str) -> None:
        """Start a service, or the broker after a kill."""
        if name == BROKER:
            await self.nats.start()
            await provision(self.nats.url)  # as `soulcaster up` does: a bucket in memory is gone
            return
        module = "runner_sandbox" if name.startswith("runner") else name
        binary = {"KILO_BINARY": str(self.agent / "kilo")} if module == "runner_sandbox" else {}
        env = environment(module, self.instance, environ()) | PATIENCE | binary | dict(self.changes)
        with (self.layout.logs / f"{name}.log").open("ab") as log:
            self.children[name] = await Child.start(
                name, [sys.executable, "-m", f"services.{module}"], env=env, cwd=ROOT, stdout=log, stderr=log
            )

    async def kill9(self, name: str) -> None:
        """SIGKILL, as a crash would."""
        await (self.nats.kill9() if name == BROKER else self.children[name].kill())

    async def restart(self, name: str) -> None:
        """kill -9, then start again at once, as a supervisor does."""
        await self.kill9(name)
        await self.start(name)

    def pause(self, name: str) -> None:
        """SIGSTOP: the process hangs and knows nothing of it."""
        self.children[name].signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """SIGCONT."""
        self.children[name].signal(signal.SIGCONT)

    async def ready(self, within: float = 40.0) -> None:
        """Until the gateway says that work can be taken in and done."""

        async def check() -> bool:
            try:
                status, _ = await self.ask("GET", "/readyz")
            except aiohttp.ClientError:
                return False
            return status == 200

        await eventually(check, within)

    async def ask(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and decoded answer of one request to the gateway."""
        assert self.session is not None
        headers = {**self.headers, **options.pop("headers", {})}
        async with self.session.request(method, self.url + path, headers=headers, **options) as response:
            body = await response.json() if "json" in response.content_type else await response.text()
            return response.status, body

    async def cluster(self, text: str = REPORT) -> str:
        """Send a report; the id of its cluster once triage has made it."""
        status, _ = await self.ask("POST", "/ingest/manual", json={"text": text})
        assert status == 200, status

        async def first() -> str:
            _, found = await self.ask("GET", "/clusters")
            assert found, "no cluster yet"
            return str(found[0]["id"])

        return await eventually(first, within=30)

    def repository(self, name: str) -> Path:
        """A fresh bare repository, branch main, with a defect, a test that shows it, and nothing to install."""
        return repository(self.folder / "repositories" / name, SOURCE)

    def tail(self) -> str:
        """The end of every service's log, for the message of a failed test."""
        return "\n".join(
            f"--- {path.stem}\n{path.read_text(errors='replace')[-3000:]}" for path in self.layout.logs.glob("*.log")
        )

    async def stop(self) -> None:
        """Whatever still runs, stopped ones too."""
        for child in self.children.values():
            child.signal(signal.SIGCONT)
            await child.kill()


@asynccontextmanager
async def stack(
    folder: Path, *, services: Sequence[str] = SERVICES, model_url: str = NO_MODEL, **changes: str
) -> AsyncIterator[Stack]:
    """A ready stack; ``changes`` are settings of all its services. Everything is gone afterwards."""
    async with AsyncExitStack() as held:
        nats = await held.enter_async_context(running_nats(folder / "nats"))
        await provision(nats.url)
        bus = await connect(nats.url, service="test")
        held.push_async_callback(bus.close)
        built = Stack(folder, nats, bus, changes, model_url)
        built.session = await held.enter_async_context(
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=5))
        )
        held.push_async_callback(built.stop)
        for name in services:
            await built.start(name)
        if set(services) == set(SERVICES):
            await built.ready()
        yield built


def inside(stack_: Stack) -> list[str]:
    """Live processes inside a sandbox of this stack: their mounts show its folders, whatever their names are."""
    mark = f"/{stack_.folder.name}/data/runs/"
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "mountinfo").read_text():
                found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in found if line]


PROJECT = DEFAULT_PROJECT
