"""The soulcaster command against a real gateway on a real broker: in a pipe, and at a terminal with python's pty."""

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient

from messaging.connection import NatsBus
from services.gateway.context import Gateway
from tests.integration.gateway.builders import cluster, event, job, log, publish_cluster, put_job
from tests.integration.gateway.conftest import ADMIN_KEY, ScriptedTriage
from tests.support.embedded import COMMAND, command, environ
from tests.support.eventually import eventually
from tests.support.terminal import Shown, at_terminal

Client = TestClient[Any, Any]
HOSTILE = "\x1b]0;owned\x07\x1b]8;;javascript:alert(1)\x1b\\click\x1b[2J \x1b[31mred\x1b[0m [bold]markup[/bold]"


@pytest.fixture
def env(client: Client, tmp_path: Path) -> dict[str, str]:
    """The environment of a command that talks to the gateway under test."""
    address = str(client.make_url("")).rstrip("/")
    return environ(SOULCASTER_GATEWAY=address, SOULCASTER_API_KEY=ADMIN_KEY, XDG_CONFIG_HOME=str(tmp_path))


async def ended(bus: NatsBus, job_id: str = "j1", status: str = "success") -> None:
    """A job that has ended, with two lines of log."""
    await log(bus, 0, "first line", "second line", job_id=job_id)
    done = job(job_id, status=status, phase="done", attempt=1, pr_url="https://github.com/acme/shop/pull/7")
    await event(bus, 1, status, job_id)
    await put_job(bus, done)


async def terminal(env: dict[str, str], *arguments: str, **options: Any) -> Shown:
    """A command at a terminal."""
    return await asyncio.to_thread(at_terminal, [*COMMAND, *arguments], env=env, cwd=Path.cwd(), **options)


async def listed(gateway: Gateway, count: int) -> None:
    """Wait until the gateway's index has so many jobs."""
    await eventually(lambda: len(list(gateway.jobs.newest("default"))) == count, within=30)


async def test_lists_in_a_pipe_are_lines_for_scripts_in_every_format(
    gateway: Gateway, bus: NatsBus, env: dict[str, str]
) -> None:
    for number in range(3):
        await ended(bus, f"j{number}")
    await listed(gateway, 3)
    code, out, err = await command("jobs", env=env)
    rows = [line.split("\t") for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert rows[0] == ["id", "status", "phase", "attempt", "runner", "pull request", "error"]
    assert {row[0] for row in rows[1:]} == {"j0", "j1", "j2"}
    assert "\x1b" not in out
    assert len((await command("jobs", "-o", "name", "--limit", "2", env=env))[1].split()) == 2
    assert len(json.loads((await command("jobs", "-o", "json", env=env))[1])) == 3
    ndjson = (await command("jobs", "-o", "ndjson", env=env))[1]
    assert [json.loads(line)["status"] for line in ndjson.splitlines()] == ["success"] * 3
    assert (await command("jobs", "--status", "failed", env=env))[1:] == ("", "No job is failed.\n")


async def test_errors_name_cause_next_step_and_request_with_their_exit_codes(
    client: Client, bus: NatsBus, env: dict[str, str]
) -> None:
    code, out, err = await command("jobs", "nope", env=env)
    assert (code, out) == (6, "")
    assert err.startswith("Error: Job not found\n")
    assert "Try: soulcaster jobs" in err
    assert "\nRequest: " in err
    assert (await command("jobs", "--api-key", "wrong", env=env))[0] == 4
    assert (await command("--api-key", "wrong", "jobs", env=env))[0] == 4, "options may stand before the command"
    assert (await command("jobs", "--project", "a b", env=env))[0] == 2
    code, key, _ = await command("keys", "create", "reader", "--role", "viewer", env=env)
    assert code == 0
    code, _, err = await command("cancel", "j1", "--yes", "--api-key", key.strip(), env=env)
    assert code == 4
    assert "This needs the role operator in project default" in err


async def test_a_reader_that_leaves_ends_the_command_in_silence(bus: NatsBus, env: dict[str, str]) -> None:
    for number in range(40):
        await log(bus, number * 500, *[f"line {n} " + "x" * 80 for n in range(500)])
    await put_job(bus, job("j1", status="success", phase="done"))
    line = f"{' '.join(COMMAND)} logs j1 | head -n 1"
    process = await asyncio.create_subprocess_shell(
        f"set -o pipefail; {line}",
        executable="/bin/bash",
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err) == (0, b"")
    assert out.count(b"\n") == 1


async def test_a_log_is_filtered_on_request(bus: NatsBus, env: dict[str, str]) -> None:
    await ended(bus)
    assert (await command("logs", "j1", env=env))[1] == "first line\nsecond line\n"
    assert (await command("logs", "j1", "--grep", "^sec", env=env))[1] == "second line\n"
    assert (await command("logs", "j1", "--attempt", "2", env=env))[1] == ""
    stamped = (await command("logs", "j1", "--timestamps", env=env))[1]
    assert stamped.splitlines()[0].endswith("Z first line")
    assert (await command("logs", "j1", "--since", "soon", env=env))[0] == 2
    assert (await command("logs", "j1", "--grep", "(", env=env))[0] == 2


async def test_a_table_at_a_terminal_has_colours_unless_no_color_says_otherwise(
    gateway: Gateway, bus: NatsBus, env: dict[str, str]
) -> None:
    await ended(bus, status="failed")
    await listed(gateway, 1)
    shown = await terminal(env, "jobs")
    assert "\x1b[31mfailed" in shown.raw
    plain = await terminal({**env, "NO_COLOR": "1"}, "jobs")
    assert "failed" in plain.text
    assert "\x1b[31m" not in plain.raw


async def test_watching_at_a_terminal_shows_phases_and_log_and_ends_as_the_job_does(
    bus: NatsBus, env: dict[str, str]
) -> None:
    await put_job(bus, job("j1", status="running", phase="agent", attempt=1))
    await event(bus, 1, "running")
    watching = asyncio.create_task(terminal(env, "watch", "j1"))
    await log(bus, 0, HOSTILE)
    await event(bus, 2, "success")
    await put_job(bus, job("j1", status="success", phase="done", attempt=1, pr_url="https://github.com/a/b/pull/1"))
    shown = await watching
    assert shown.code == 0
    assert "agent" in shown.text
    assert "https://github.com/a/b/pull/1" in shown.text
    assert "click red [bold]markup[/bold]" in shown.text
    assert "\x1b]" not in shown.raw, "no title, no link, no clipboard"
    assert "\x1b[2J" not in shown.raw


async def test_watching_in_a_pipe_is_one_line_an_event_and_the_job_on_stdout(bus: NatsBus, env: dict[str, str]) -> None:
    await ended(bus, status="failed")
    code, out, err = await command("watch", "j1", "-o", "json", env=env)
    assert code == 5
    assert json.loads(out)["status"] == "failed"
    assert "[failed] agent, attempt 1" in err
    assert "  first line\n" in err
    assert "\x1b" not in err


async def test_waiting_no_longer_than_asked_leaves_the_job_running(
    bus: NatsBus, scripted: ScriptedTriage, env: dict[str, str]
) -> None:
    await publish_cluster(bus, cluster())
    code, _, err = await command("fix", "c1", "--wait", "--timeout", "1", "--idempotency-key", "k", env=env)
    assert code == 8
    assert "It goes on without this command" in err
    code, _, err = await command("fix", "c1", env=env)
    assert code == 7
    assert "Try: soulcaster watch" in err


async def test_ctrl_c_leaves_a_watched_job_running(bus: NatsBus, env: dict[str, str]) -> None:
    await put_job(bus, job("j1", status="running", phase="agent", attempt=1))
    await event(bus, 1, "running")
    shown = await terminal(env, "watch", "j1", typed=[("agent", b"\x03")])
    assert shown.code == 130
    assert "Traceback" not in shown.text
    entry = await bus.state("jobs", msgspec.Raw).get("default.j1")
    assert entry is not None
    assert b'"running"' in bytes(entry.value or b"")


async def test_what_cannot_be_undone_is_asked_first(bus: NatsBus, env: dict[str, str]) -> None:
    await put_job(bus, job("j1", status="running", phase="agent", attempt=1))
    declined = await terminal(env, "cancel", "j1", typed=[("Cancel job j1?", b"n\r")])
    assert declined.code == 3
    assert "nothing was done" in declined.text
    unasked = await terminal(env, "--no-input", "cancel", "j1")
    assert unasked.code == 2
    assert "--yes" in unasked.text
    agreed = await terminal(env, "cancel", "j1", typed=[("Cancel job j1?", b"y\r")])
    assert agreed.code == 0
    assert (await command("cancel", "j1", env=env))[0] == 2, "a pipe cannot be asked"


async def test_keys_and_access_are_managed_from_the_command_line(client: Client, env: dict[str, str]) -> None:
    code, out, _ = await command("keys", "create", "ci", "--role", "operator", "-o", "json", env=env)
    made = json.loads(out)
    assert (code, made["project_id"]) == (0, "default")
    assert made["id"] in (await command("keys", "list", env=env))[1]
    who = json.loads((await command("whoami", "-o", "json", "--api-key", made["key"], env=env))[1])
    assert (who["name"], who["role"]) == ("ci", "operator")
    assert (await command("keys", "revoke", made["id"], "--yes", env=env))[0] == 0
    assert (await command("whoami", "--api-key", made["key"], env=env))[0] == 4
    assert "ann\toperator" in (await command("access", "grant", "Ann", "--role", "operator", env=env))[1]
    assert "acme\tviewer" in (await command("access", "grant", "org:Acme", env=env))[1]
    assert "ann" not in (await command("access", "revoke", "ann", env=env))[1]
    assert (await command("access", "revoke", "ann", env=env))[0] == 6


async def test_a_source_is_set_up_from_the_command_line_and_its_first_report_waited_for(
    client: Client, scripted: ScriptedTriage, env: dict[str, str]
) -> None:
    asked = 0

    def stats(_: dict[str, Any]) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        return {"total_feedback": asked, "by_source": {"github": 1 if asked > 2 else 0}, "total_clusters": 0}

    scripted.answers["stats"] = stats
    code, out, err = await command("sources", "add", "github", "--secret", "generate", "--wait", "30", env=env)
    address, secret = out.split()
    assert code == 0, err
    assert address.endswith("/ingest/github/webhook?project_id=default")
    assert len(secret) == 64
    assert "Repository, Settings, Webhooks" in err
    assert "The first report of github is here" in err
    rows = json.loads((await command("sources", "list", "-o", "json", env=env))[1])
    assert [row["secret"] for row in rows if row["id"] in ("github", "sentry")] == [False, True]
    scripted.answers["stats"] = {"total_feedback": 0, "by_source": {}, "total_clusters": 0}
    waited = await command("sources", "add", "github", "--secret", "generate", "--wait", "0", env=env)
    assert waited[0] == 8
    assert "no report of github came" in waited[2]
    assert (await command("sources", "off", "github", env=env))[0] == 0
    for wrong in (("add", "reddit"), ("add", "sentry"), ("add", "github", "--secret", "short"), ("on", "nobody")):
        assert (await command("sources", *wrong, env=env))[0] == 2, wrong


async def test_any_route_can_be_called_and_a_stream_is_told_from_an_answer(client: Client, env: dict[str, str]) -> None:
    code, out, _ = await command("api", "get", "livez", env=env)
    assert (code, json.loads(out)["status"]) == (0, "ok")
    code, out, _ = await command("api", "POST", "/keys", "--body", "@-", env=env, stdin=b'{"name": "k"}')
    assert (code, json.loads(out)["role"]) == (0, "viewer")
    code, _, err = await command("api", "GET", "/events", env=env)
    assert code == 2
    assert "a stream that does not end" in err
    for wrong in (("FETCH", "/jobs"), ("GET", "http://x/"), ("POST", "/keys", "--body", "{")):
        assert (await command("api", *wrong, env=env))[0] == 2, wrong


async def test_a_github_token_is_not_sent_in_the_clear(env: dict[str, str]) -> None:
    line = ("fix", "c1", "--gateway", "http://192.0.2.1", "--github-token", "ghp_x")
    code, _, err = await command(*line, env=env)
    assert code == 2
    assert "not sent over plain http" in err
