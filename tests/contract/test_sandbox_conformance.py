"""What every sandbox promises to the attempt, whoever runs it. A new provider joins in ``tests/support/sandboxes``."""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from runner_core.allowed_hosts import Allowed
from runner_core.metering import Meter
from runner_core.model_proxy import Endpoint, ModelProxy
from runner_core.protocols import Command, Exit, Output, Sandbox, SandboxError, SandboxProvider
from runner_core.setup_proxy import SetupProxy
from tests.support.eventually import eventually
from tests.support.sandboxes import PROVIDERS, RUNNER, ran, shell, spec
from tests.support.scripted_model import Turn, always, scripted_model

KEY, JOB_KEY = "sk-the-real-key-0123456789", "run-key-of-the-job-0123456789"
# For 20 s at most, should nobody kill it.
BEAT = "setsid sh -c 'for i in $(seq 400); do date +%s%N > $HOME/beat; sleep 0.05; done' >/dev/null 2>&1 & "


@pytest_asyncio.fixture(params=sorted(PROVIDERS))
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SandboxProvider]:
    async with AsyncExitStack() as around:
        made = await around.enter_async_context(PROVIDERS[request.param](tmp_path / "sandboxes"))
        assert await made.probe() is None
        yield made
        async with asyncio.timeout(30):  # of a test that was given up something may never end
            await around.aclose()


@pytest_asyncio.fixture
async def sandbox(provider: SandboxProvider) -> AsyncIterator[Sandbox]:
    made = await provider.create(spec())
    try:
        yield made
    finally:
        await made.destroy()


async def test_output_comes_byte_for_byte_on_its_own_stream(sandbox: Sandbox) -> None:
    data = bytes(range(256)) * 4096 + b"no newline at the end \xff"
    await sandbox.put(f"{sandbox.layout.inbox}/data", data)
    done = await shell(sandbox, f"cat {sandbox.layout.inbox}/data; cat {sandbox.layout.inbox}/data >&2; exit 7")
    assert (hashlib.sha256(done.stdout).digest(), len(done.stderr)) == (hashlib.sha256(data).digest(), len(data))
    assert (done.exit.code, done.exit.why) == (7, "exited")


async def test_arguments_reach_the_program_untouched(sandbox: Sandbox) -> None:
    words = ["a b", "$HOME", "'\"`", "*", "", "é", "-x"]
    done = await ran(sandbox, "python3", "-c", "import sys, json; print(json.dumps(sys.argv[1:]))", *words)
    assert json.loads(done.stdout) == words


async def test_a_command_sees_its_own_environment_and_no_other(sandbox: Sandbox) -> None:
    done = await ran(sandbox, "env", env={"COLOUR": "green", "HOME": "/elsewhere"})
    seen = dict(line.partition("=")[::2] for line in done.stdout.decode().splitlines())
    assert (seen["COLOUR"], seen["HOME"]) == ("green", "/elsewhere")
    assert set(seen) <= {"COLOUR", "HOME", "PATH", "TMPDIR", "LANG", "USER", "PWD"}


async def test_no_process_inside_shows_anything_of_the_runner_s_environment(sandbox: Sandbox) -> None:
    """Not even the first one, which the runner started (proc(5): ``environ`` is as at the process's start)."""
    done = await shell(sandbox, "cat /proc/*/environ 2> /dev/null | tr '\\0' '\\n' | cut -d= -f1 | sort -u")
    known = {"PATH", "HOME", "PWD", "TMPDIR", "LANG", "LC_ALL", "LC_CTYPE", "USER", "SHLVL", "_", "OLDPWD", "HOSTNAME"}
    ours = {name for name in os.environ if name.encode() in done.stdout.split()}
    assert ours <= known, ours - known


async def test_a_command_starts_in_the_workspace_with_its_input_given_and_closed(sandbox: Sandbox) -> None:
    done = await ran(sandbox, "sh", "-c", "pwd; cat; echo end", stdin=b"prompt\n" * 3)
    assert done.stdout.decode().split("\n") == [sandbox.layout.workspace, "prompt", "prompt", "prompt", "end", ""]


async def test_a_program_that_does_not_exist_is_a_failed_command(sandbox: Sandbox) -> None:
    done = await ran(sandbox, "no-such-program")
    assert done.exit.why == "exited"
    assert done.exit.code not in (0, None)


async def test_files_stay_from_command_to_command(sandbox: Sandbox) -> None:
    await sandbox.put(f"{sandbox.layout.workspace}/deep/er/run.sh", b"#!/bin/sh\necho $0 ran\n", executable=True)
    done = await ran(sandbox, "./deep/er/run.sh")
    assert done.stdout == b"./deep/er/run.sh ran\n", done
    await shell(sandbox, "printf 'made inside' > made")
    assert await sandbox.get(f"{sandbox.layout.workspace}/made", limit=100) == b"made inside"


async def test_a_file_of_the_host_is_put_as_it_is(sandbox: Sandbox, tmp_path: Path) -> None:
    data = bytes(range(256)) * 8192
    await asyncio.to_thread((tmp_path / "large").write_bytes, data)
    await sandbox.put(f"{sandbox.layout.inbox}/large", tmp_path / "large")
    done = await shell(sandbox, f"sha256sum < {sandbox.layout.inbox}/large")
    assert done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest()


async def test_a_file_above_the_limit_is_refused_by_the_gate(sandbox: Sandbox) -> None:
    await shell(sandbox, "head -c 5000 /dev/zero > big")
    with pytest.raises(SandboxError) as error:
        await sandbox.get(f"{sandbox.layout.workspace}/big", limit=4999)
    assert error.value.failure.kind == "gate"
    assert len(await sandbox.get(f"{sandbox.layout.workspace}/big", limit=5000)) == 5000


@pytest.mark.parametrize("path", ["link", "folder/passwd", "pipe", "deep", "missing"])
async def test_only_regular_files_come_out_and_no_symlink_is_followed(sandbox: Sandbox, path: str) -> None:
    await shell(sandbox, "ln -s /etc/passwd link; ln -s /etc folder; mkfifo pipe; mkdir deep")
    with pytest.raises(SandboxError) as error:
        await sandbox.get(f"{sandbox.layout.workspace}/{path}", limit=1000)
    assert error.value.failure.kind == "infrastructure"


@pytest.mark.parametrize("way", ["", "{workspace}/../../../../../../../../.."], ids=["plain", "upwards"])
async def test_files_are_put_and_got_below_the_three_folders_only(sandbox: Sandbox, tmp_path: Path, way: str) -> None:
    path = way.format(workspace=sandbox.layout.workspace) + str(
        tmp_path / "outside"
    )  # harmless where it is not refused
    with pytest.raises(SandboxError):
        await sandbox.put(path, b"x")
    (tmp_path / "outside").write_bytes(b"x")
    with pytest.raises(SandboxError):
        await sandbox.get(path, limit=100)


async def test_after_the_timeout_no_process_of_the_command_is_left(sandbox: Sandbox) -> None:
    done = await shell(sandbox, f"{BEAT} trap '' TERM; sleep 60", timeout=1.5)
    assert (done.exit.code, done.exit.why) == (None, "timeout")
    await _still(sandbox)


async def test_leaving_the_output_kills_every_process_of_the_command(sandbox: Sandbox) -> None:
    async with aclosing(sandbox.run(Command(argv=["sh", "-c", f"{BEAT} echo up; sleep 60"]))) as pieces:
        assert isinstance(await anext(pieces), Output)
    await _still(sandbox)


async def test_a_command_that_ends_takes_its_children_along(sandbox: Sandbox) -> None:
    done = await shell(sandbox, f"{BEAT} exit 3")
    assert done.exit.code == 3
    await _still(sandbox)


async def test_two_commands_run_side_by_side(sandbox: Sandbox) -> None:
    wait = "until [ -e go ]; do sleep 0.05; done; echo went"
    first, second = await asyncio.gather(shell(sandbox, wait), shell(sandbox, "sleep 0.2; touch go; echo told"))
    assert (first.stdout, second.stdout) == (b"went\n", b"told\n")


async def test_more_processes_than_allowed_end_the_command(provider: SandboxProvider) -> None:
    sandbox = await provider.create(spec(processes=24))
    try:
        done = await shell(sandbox, "for i in $(seq 60); do sleep 20 & done; wait; echo survived", timeout=15.0)
        assert done.exit.why == "processes" or done.exit.code != 0, done
        assert b"survived" not in done.stdout or b"fork" in done.stderr, done
        assert (await shell(sandbox, "echo fine")).stdout == b"fine\n"
    finally:
        await sandbox.destroy()


async def test_more_disk_than_allowed_ends_the_command(provider: SandboxProvider) -> None:
    sandbox = await provider.create(spec(disk_bytes=20 * 1024**2))
    try:
        done = await shell(sandbox, "head -c 60000000 /dev/zero > big; sync; sleep 30", timeout=20.0)
        assert (done.exit.code, done.exit.why) == (None, "disk")
    finally:
        await sandbox.destroy()


async def test_destroying_ends_what_runs_and_may_be_repeated(provider: SandboxProvider) -> None:
    sandbox = await provider.create(spec())
    async with aclosing(sandbox.run(Command(argv=["sh", "-c", "echo up; sleep 60"]))) as pieces:
        assert isinstance(await anext(pieces), Output)
        await sandbox.destroy()
        last = await anext(pieces)
        assert isinstance(last, Exit)
        assert last.why == "gone"
    await sandbox.destroy()
    assert sandbox.id not in [found.id for found in await provider.find_by_tag(RUNNER)]


async def test_a_destroyed_sandbox_refuses_everything_as_infrastructure(provider: SandboxProvider) -> None:
    sandbox = await provider.create(spec())
    await sandbox.destroy()
    kinds = []
    for act in (
        lambda: sandbox.put(f"{sandbox.layout.inbox}/x", b"x"),
        lambda: sandbox.get(f"{sandbox.layout.home}/x", limit=10),
        lambda: shell(sandbox, "true"),
    ):
        try:
            result = await act()
            kinds.append("infrastructure" if getattr(result, "exit", Exit(0)).why == "gone" else "none")
        except SandboxError as error:
            kinds.append(error.failure.kind)
    assert kinds == ["infrastructure"] * 3


async def test_a_sandbox_is_found_by_its_runner_with_its_whole_tag(provider: SandboxProvider) -> None:
    one, other = await provider.create(spec("JOB1")), await provider.create(spec("JOB2", runner="another"))
    try:
        found = await provider.find_by_tag(RUNNER)
        assert [(item.id, item.tag) for item in found] == [(one.id, spec("JOB1").tag)]
        await provider.destroy(one.id)
        await provider.destroy(one.id)
        assert await provider.find_by_tag(RUNNER) == []
    finally:
        await one.destroy()
        await other.destroy()


async def test_nothing_runs_after_the_lifetime(provider: SandboxProvider) -> None:
    sandbox = await provider.create(spec(lifetime=2.0))
    try:
        assert (await shell(sandbox, "sleep 60")).exit.why in ("timeout", "gone")
    finally:
        await sandbox.destroy()


async def test_a_lifetime_can_be_extended(provider: SandboxProvider) -> None:
    sandbox = await provider.create(spec(lifetime=3.0))
    try:
        await sandbox.extend(30.0)
        assert (await shell(sandbox, "sleep 4; echo later")).stdout == b"later\n"
    finally:
        await sandbox.destroy()


async def test_two_sandboxes_share_nothing(provider: SandboxProvider) -> None:
    one, two = await asyncio.gather(provider.create(spec("JOB1")), provider.create(spec("JOB2")))
    try:
        await shell(one, "echo secret > $HOME/secret; echo secret > /tmp/secret")
        done = await shell(two, "cat $HOME/secret /tmp/secret")
        assert (done.exit.code, done.stdout) == (1, b"")
    finally:
        await asyncio.gather(one.destroy(), two.destroy())


async def test_a_sandbox_without_a_model_reaches_nothing(sandbox: Sandbox) -> None:
    async with scripted_model(always(Turn("hello"))) as model:
        done = await _ask(sandbox, f"http://127.0.0.1:{model.port}/v1", JOB_KEY)
        assert (done, model.requests) == ("unreachable", [])
    for target in ("192.0.2.1:80", "169.254.169.254:80", "1.1.1.1:53", "[2606:4700:4700::1111]:443"):
        assert await _ask(sandbox, f"http://{target}/v1", JOB_KEY) == "unreachable"


async def test_the_model_is_reached_through_the_proxy_with_the_jobs_key_alone(
    provider: SandboxProvider, tmp_path: Path
) -> None:
    async with scripted_model(always(Turn("hello"))) as model:
        proxy = ModelProxy(Endpoint(model.url, KEY, "scripted-1"), JOB_KEY, Meter(100_000, 10.0))
        async with proxy.listen(tmp_path / "model.sock"):
            sandbox = await provider.create(spec(model_socket=tmp_path / "model.sock"))
            try:
                assert await _ask(sandbox, sandbox.layout.model_url, JOB_KEY) == "hello"
                seen = await shell(
                    sandbox, f"env; grep -rqs $(printf %s%s {KEY[:9]} {KEY[9:]}) $HOME /opt && echo leaked"
                )
                assert KEY.encode() not in seen.stdout
                assert b"leaked" not in seen.stdout
                assert await _ask(sandbox, sandbox.layout.model_url, KEY) == "401"
                assert await _ask(sandbox, f"http://127.0.0.1:{model.port}/v1", KEY) == "unreachable"
            finally:
                await sandbox.destroy()
        assert set(model.keys) == {KEY}


async def test_only_a_command_of_the_set_up_finds_the_way_out(provider: SandboxProvider, tmp_path: Path) -> None:
    """Where there is one; the same command without ``setup`` reaches nothing in the same sandbox."""
    if "setup-network" not in provider.capabilities:
        sandbox = await provider.create(spec())
        assert sandbox.layout.setup_url is None
        return await sandbox.destroy()
    async with scripted_model(always(Turn("hello"))) as server:
        target = f"127.0.0.1:{server.port}"
        async with SetupProxy(Allowed(own=(target,))).listen(tmp_path / "setup.sock"):
            hosts = ("127.0.0.1",)
            sandbox = await provider.create(spec(setup_socket=tmp_path / "setup.sock", setup_hosts=hosts))
            try:
                url = sandbox.layout.setup_url
                assert url is not None
                for allowed in (False, True, False):
                    done = await ran(sandbox, "python3", "-c", TUNNEL, url, target, setup=allowed)
                    reached = b"hello" in done.stdout
                    assert reached == (allowed and bool(url)), done  # a way without a proxy needs a real network
            finally:
                await sandbox.destroy()


TUNNEL = """
import json, sys, http.client
body = json.dumps({"model": "m", "messages": []}).encode()
connection = http.client.HTTPConnection((sys.argv[1] or "http://127.0.0.1:8089").partition("//")[2], timeout=5)
try:
    connection.set_tunnel(sys.argv[2].split(":")[0], int(sys.argv[2].split(":")[1]))
    connection.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"})
    print(connection.getresponse().read().decode())
except OSError:
    print("unreachable")
"""


async def _ask(sandbox: Sandbox, url: str, key: str) -> str:
    """The first words of the model, the status it refused with, or "unreachable"."""
    program = """
import json, sys, urllib.request, urllib.error
body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
headers = {"Authorization": "Bearer " + sys.argv[2], "Content-Type": "application/json"}
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    request = urllib.request.Request(sys.argv[1] + "/chat/completions", body, headers)
    print(json.load(opener.open(request, timeout=5))["choices"][0]["message"]["content"])
except urllib.error.HTTPError as error:
    print(error.code)
except OSError:
    print("unreachable")
"""
    done = await ran(sandbox, "python3", "-c", program, url, key)
    return done.stdout.decode().strip() or done.stderr.decode()


async def _still(sandbox: Sandbox) -> None:
    """No process writes the beat any more."""

    async def check() -> None:
        script = 'a=$(cat $HOME/beat); sleep 0.3; [ "$a" = "$(cat $HOME/beat)" ] && echo still'
        done = await shell(sandbox, script)
        assert done.stdout == b"still\n", done

    await eventually(check)
