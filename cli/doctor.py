"""``soulcaster doctor``: looks at what this machine offers and names the fix for what is missing."""

import asyncio
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from cli.client import Gateway
from cli.context import resolve, running_up
from cli.embedded.layout import AGENT_BINARY, DASHBOARD, OPENCODE_BINARY
from cli.errors import CliError
from cli.options import Output, output_format
from cli.output import emit
from cli.reaching import configured, reached, through_proxy
from messaging.clocks import ahead
from messaging.ports import BusError
from runtime.processes import BinaryNotFound, nats_server_binary
from services.runner_sandbox.bubblewrap import find_binary

CLOCKS_APART, CLOCKS_FAR_APART = 1.0, 5.0  # seconds: a lease is 15, and a heartbeat comes every 5


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: ``fail`` stops the main job, ``warn`` limits it."""

    check: str
    state: Literal["ok", "warn", "fail"]
    found: str
    fix: str = ""


def _output(*command: str) -> str:
    """First line of what a command prints; raises OSError or subprocess.SubprocessError."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    return (done.stdout or done.stderr).strip().split("\n")[0]


def _command(check: str, fix: str, state: Literal["warn", "fail"], *command: str) -> Finding:
    try:
        return Finding(check, "ok", _output(*command))
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(check, state, str(error).split("\n")[0][:160], fix)


def python() -> Finding:
    """Python 3.11 or newer."""
    state: Literal["ok", "fail"] = "ok" if sys.version_info >= (3, 11) else "fail"
    return Finding("Python", state, platform.python_version(), "" if state == "ok" else "install Python 3.11 or newer")


def broker() -> Finding:
    """A nats-server with the fixes of 2.12.7 (NATS advisories 2026-16 and 2026-18)."""
    try:
        found = _output(str(nats_server_binary()), "--version")
    except (BinaryNotFound, OSError, subprocess.SubprocessError) as error:
        return Finding("NATS", "fail", str(error), "make setup installs the pinned nats-server")
    number = tuple(int(part) for part in found.rsplit("v", 1)[-1].split("-")[0].split("."))
    good = number >= (2, 12, 7)
    return Finding("NATS", "ok" if good else "fail", found, "" if good else "upgrade nats-server to 2.12.7 or newer")


def isolation() -> Finding:
    """Bubblewrap really isolates here: tried, not guessed."""
    fix = "on Linux allow user namespaces (sysctl kernel.unprivileged_userns_clone=1); elsewhere use SANDBOX=e2b"
    try:
        binary = str(find_binary() or "bwrap")
        _output(binary, "--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "echo", "isolated")
        return Finding("Sandbox", "ok", _output(binary, "--version"))
    except (OSError, subprocess.SubprocessError) as error:
        if os.environ.get("SANDBOX_LOCAL_UNSAFE") == "1":
            return Finding("Sandbox", "warn", "SANDBOX_LOCAL_UNSAFE=1: agents run without isolation", fix)
        return Finding("Sandbox", "fail", f"no isolation: {error}"[:200], fix)


def agent() -> Finding:
    """The coding agent of fixes that name none (``AGENT``), as pinned."""
    if os.environ.get("AGENT") == "opencode":
        name, binary = "opencode", os.environ.get("OPENCODE_BINARY") or str(OPENCODE_BINARY)
    else:
        name, binary = "Kilocode", os.environ.get("KILO_BINARY") or str(AGENT_BINARY)
    return _command(
        name, f"make setup installs the pinned {name} CLI (needs Node 20 and npm)", "fail", binary, "--version"
    )


def model() -> Finding:
    """The model endpoint as configured; it is not called."""
    if not os.environ.get("OPENAI_API_KEY"):
        fix = "set OPENAI_API_KEY, OPENAI_MODEL and, for another server than OpenAI's, OPENAI_BASE_URL"
        return Finding("Model", "warn", "no OPENAI_API_KEY: plans come from evidence alone, fixes cannot run", fix)
    base = os.environ.get("OPENAI_BASE_URL") or "the SDK's default endpoint"
    name = os.environ.get("OPENAI_MODEL")
    return Finding(
        "Model", "ok" if name else "warn", f"{name or 'no OPENAI_MODEL'} at {base}", "" if name else "set OPENAI_MODEL"
    )


def page() -> Finding:
    """The built page."""
    built = (DASHBOARD / "index.html").exists()
    return Finding("Page", "ok" if built else "warn", "built" if built else "not built", "" if built else "make setup")


def disk() -> Finding:
    """Free space where the data goes: NATS stops taking messages on a full disk."""
    free = shutil.disk_usage(Path.cwd()).free / 1024**3
    good = free >= 2
    return Finding("Disk", "ok" if good else "fail", f"{free:.1f} GiB free", "" if good else "free at least 2 GiB")


def clock() -> Finding:
    """This machine's clock against the broker's, where one is known."""
    url = os.environ.get("NATS_URL") or running_up().get("nats")
    if not url:
        return Finding(
            "Clock", "ok", "no broker is known here to compare with (NATS_URL, or a running `soulcaster up`)"
        )
    try:
        seconds = asyncio.run(ahead(url, creds=os.environ.get("NATS_CREDS", "")))
    except BusError as error:
        return Finding(
            "Clock", "warn", f"{url} tells no time: {error}", "see that NATS runs, and NATS_URL and NATS_CREDS"
        )
    found = f"the broker's is {abs(seconds):.2f} s {'ahead of' if seconds > 0 else 'behind'} this machine's"
    if abs(seconds) < CLOCKS_APART:
        return Finding("Clock", "ok", found)
    fix = "set both by NTP (timedatectl set-ntp true): leases and GitHub App keys need clocks that agree"
    return Finding("Clock", "fail" if abs(seconds) > CLOCKS_FAR_APART else "warn", found, fix)


def network() -> Finding:
    """The hosts that are configured: names and TCP connections only, nothing is sent."""
    places = configured(os.environ)
    if not places:
        return Finding("Network", "ok", "nothing outside is configured")

    async def all_of_them() -> list[str | None]:
        return await asyncio.gather(*(reached(through_proxy(place)) for place in places))

    problems = [
        f"{place.why}: {why}" for place, why in zip(places, asyncio.run(all_of_them()), strict=True) if why is not None
    ]
    if problems:
        fix = "see the name, DNS and the firewall; behind a proxy set HTTPS_PROXY"
        return Finding("Network", "warn", "; ".join(problems), fix)
    return Finding("Network", "ok", "reached " + ", ".join(f"{place.host}:{place.port}" for place in places))


def gateway() -> Finding:
    """The gateway that commands would talk to: whether it answers, is ready, and knows the key."""
    try:
        target = resolve(None, None, None)
    except CliError as error:
        return Finding("Gateway", "warn", error.what, error.next_step)

    async def asked() -> Finding:
        async with Gateway(target) as session:
            await session.call("GET", "/readyz", timeout=5)
            who = await session.call("GET", "/session", timeout=5)
        return Finding("Gateway", "ok", f"{target.gateway} is ready; you are {who['name']}, {who['role']}")

    try:
        return asyncio.run(asked())
    except CliError as error:
        return Finding("Gateway", "warn", error.what, error.next_step or "read the logs of `soulcaster up`")


CHECKS: tuple[Callable[[], Finding], ...] = (
    python,
    lambda: _command("Git", "install git 2.31 or newer", "fail", "git", "--version"),
    broker,
    isolation,
    agent,
    model,
    page,
    disk,
    clock,
    network,
    gateway,
)


def doctor(
    json_: Annotated[bool, typer.Option("--json", help="The same as -o json.")] = False, output: Output = "table"
) -> None:
    """Check this machine, and name each fix.

    Exit code 1 when something that is needed is missing.
    """
    findings = [check() for check in CHECKS]
    columns = [("Check", "check"), ("State", "state"), ("Found", "found"), ("Fix", "fix")]
    emit([asdict(f) for f in findings], fmt=output_format("json" if json_ else output), columns=columns)
    raise typer.Exit(1 if any(f.state == "fail" for f in findings) else 0)
