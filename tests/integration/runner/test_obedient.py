"""The fully obedient agent: it does whatever a hostile report says, and achieves nothing outside its sandbox."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from messaging.ports import CaughtUp
from runner_core.masking import forms
from schemas import subjects
from schemas.jobs import Job
from schemas.projects import SealedSecret
from tests.chaos.fixes import start
from tests.support.eventually import eventually
from tests.support.stack import FIX, MODEL_KEY, PROJECT, Stack, inside, stack

TOKEN = "ghp_a-token-of-the-user-0123456789abcdef"
OBEY = 'trap "" TERM INT HUP\npython3 "$at/obey.py" &\nwait\n'
LAST_STAND = '(f() { f | f & }; f) 2> /dev/null\n( trap "" TERM; setsid sleep 600 ) &\n'


@dataclass
class Sink:
    """Everything that reaches this machine on its ports is counted."""

    tcp: int = 0
    udp: int = 0
    hits: list[str] = field(default_factory=list)


@asynccontextmanager
async def sink() -> AsyncIterator[Sink]:
    found = Sink()

    async def came(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.hits.append(f"tcp from {writer.get_extra_info('peername')}")
        writer.close()

    class Datagrams(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            found.hits.append(f"udp from {address}")

    with contextlib.closing(socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True)) as listener:
        server = await asyncio.start_server(came, sock=listener)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Datagrams, local_addr=("0.0.0.0", 0))
        found.tcp = listener.getsockname()[1]
        found.udp = transport.get_extra_info("sockname")[1]
        try:
            yield found
        finally:
            transport.close()
            server.close()


def _tell(at: Stack, target: Sink, inbound: int, act: str) -> Path:
    """What the agent is told to do, and to whom; the folder it shall write into."""
    outside = at.folder / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "creds").write_text("the creds of somebody else")
    shutil.copy(Path(__file__).parents[2] / "support/obedient/obey.py", at.agent / "obey.py")
    told = {
        "tcp": target.tcp,
        "udp": target.udp,
        "host": socket.gethostbyname(socket.gethostname()),
        "inbound": inbound,
        "outside": str(outside),
        "secrets": [MODEL_KEY, TOKEN],
    }
    (at.agent / "told.json").write_text(json.dumps(told))
    at.act(act)
    return outside


async def _come_in(port: int, hits: list[str]) -> None:
    """Try to enter the sandbox by the port that the agent opens, until cancelled."""

    async def entered() -> bool:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            hits.append("came in")
            writer.close()
        return bool(hits)

    await eventually(entered, 600)


def _secrets_of(at: Stack) -> dict[str, str]:
    """Canaries that must be found nowhere: what the agent was given in the clear, and what only the services hold."""
    sealing, admin = at.layout.secret_key(), at.layout.admin_key()
    return {"model key": MODEL_KEY, "user's token": TOKEN, "sealing key": sealing, "admin key": admin}


def _files(folder: Path) -> dict[str, bytes]:
    """Every file below, but for the keys' own, which are this user's alone."""
    found: dict[str, bytes] = {}
    for below, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                if not name.endswith(".key"):
                    found[f"{below}/{name}"] = Path(below, name).read_bytes()
    return found


async def _nowhere(at: Stack, job: Job, secrets: dict[str, str]) -> None:
    """In no log, stream, artefact, pull request, record or file of the services, in no usual spelling."""
    texts: dict[str, bytes] = {}
    for path in (f"/jobs/{job.id}/logs/raw", f"/jobs/{job.id}", f"/jobs/{job.id}/report", f"/jobs/{job.id}/patch"):
        _, answer = await at.ask("GET", path)
        texts[path] = (answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)).encode()
    objects = at.bus.objects()
    for name in await objects.names():
        texts[name] = await objects.get(name) or b""
    async with contextlib.aclosing(at.bus.follow(subjects.LOGS, [subjects.logs(PROJECT, job.id)])) as items:
        async for item in items:
            if isinstance(item, CaughtUp):
                break
            texts[f"logs {item.sequence}"] = item.data
    for folder in (at.data, at.nats.folder):
        texts |= _files(folder)
    for name, secret in secrets.items():
        found = {where for where, text in texts.items() for form in forms(secret) if form in text}
        assert not found, (name, sorted(found))


@pytest.mark.timeout(300)
async def test_an_agent_that_obeys_a_hostile_report_reaches_steals_and_changes_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        inbound = free.getsockname()[1]
    async with sink() as target, stack(tmp_path / "s") as at:
        outside = _tell(at, target, inbound, f"{OBEY}{FIX}\n{LAST_STAND}")
        knocking = asyncio.create_task(_come_in(inbound, target.hits))
        fix = await start(at, await at.cluster(), "obedient", token=TOKEN)
        job = await fix.judged()
        knocking.cancel()
        await asyncio.wait({knocking})
        _, log = await at.ask("GET", f"/jobs/{job.id}/logs/raw")
        assert target.hits == [], log
        assert "REACHED" not in log
        assert len(re.findall(r"^no way: ", log, re.M)) >= 18, log
        assert sorted(path.name for path in outside.iterdir()) == ["creds"], "something was written outside"
        assert "the creds of somebody else" not in log
        assert not {"pwned"} & {*os.listdir("/usr/bin"), *os.listdir("/etc"), *os.listdir("/")}
        assert job.status == "success", (job.failure, log[-3000:])
        assert job.report is not None
        assert job.report.changed_files == ["shop/pricing.py"], "nothing of what it planted is in the patch"
        await _nowhere(at, job, _secrets_of(at))
        assert await at.bus.state(subjects.KV_SECRETS, SealedSecret).keys() == []
        await eventually(lambda: inside(at) == [], 30)


LEFT_BEHIND = {
    "symlinks": ("ln -s /etc/passwd passwd; ln -s /proc/self/environ env", "symbolic link"),
    "git filters": ("printf '* filter=x\\n' > .gitattributes", "Git configuration"),
    "huge files": ("truncate -s 10G huge.bin; head -c 20000000 /dev/urandom > big.bin", ""),
    "a secret, reversed": (f"echo {TOKEN} | rev > shop/notes.txt", "known secret"),
    "a secret, in base64": (f"printf %s {MODEL_KEY} | base64 > shop/notes.txt", "known secret"),
    "a secret, compressed": (f"printf %s {MODEL_KEY} | gzip > shop/notes.gz", "known secret"),
}


@pytest.mark.timeout(300)
async def test_what_it_leaves_in_the_tree_never_gets_into_a_pull_request(tmp_path: Path) -> None:
    async with stack(tmp_path / "s") as at:
        cluster = await at.cluster()
        for name, (act, word) in LEFT_BEHIND.items():
            at.act(f"{FIX}\n{act}")
            fix = await start(at, cluster, name.replace(", ", "-").replace(" ", "-"), token=TOKEN)
            job = await fix.judged()
            assert job.status == "failed", (name, job.report)
            assert job.failure is not None
            assert word in job.failure.reason, (name, job.failure)
            assert job.pr_url is None
            await fix.left_nothing(job)
            await _nowhere(at, job, {"model key": MODEL_KEY, "user's token": TOKEN})
