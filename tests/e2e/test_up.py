"""The embedded instance as a user meets it: ready file, bad starts, Ctrl-C, kill -9, and data that stays."""

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.attempts import repository
from tests.support.embedded import COMMAND, ROOT, command, environ, processes_of, up
from tests.support.eventually import eventually
from tests.support.terminal import at_terminal


async def test_the_ready_file_says_how_to_reach_everything(tmp_path: Path) -> None:
    async with up(tmp_path / "data") as instance:
        assert set(instance.ready) == {"gateway", "nats", "api_key", "project_id", "data"}
        assert (await instance.call("GET", "/health"))["status"] == "healthy"
        assert instance.ready["data"] == str(tmp_path / "data")
        modes = [
            (tmp_path / name).stat().st_mode & 0o077
            for name in ("data.ready.json", "data/admin.key", "data/secret.key")
        ]
        assert modes == [0, 0, 0]


async def test_ctrl_c_stops_everything_within_ten_seconds(tmp_path: Path) -> None:
    async with up(tmp_path / "data") as instance:
        assert len(processes_of(tmp_path / "data")) >= 6
        began = asyncio.get_running_loop().time()
        assert await instance.interrupt() == 130
        assert asyncio.get_running_loop().time() - began < 10
    assert processes_of(tmp_path / "data") == []
    assert not (tmp_path / "data.ready.json").exists()


async def test_ctrl_c_typed_at_a_terminal_stops_everything(tmp_path: Path) -> None:
    line = [*COMMAND, "up", "--data", str(tmp_path / "data"), "--port", "0"]
    shown = await asyncio.to_thread(
        at_terminal, line, env=environ(), cwd=ROOT, typed=[("Open the page: http", b"\x03")], within=90
    )
    assert shown.code == 130
    assert "Stopping." in shown.text
    assert "Traceback" not in shown.text
    assert processes_of(tmp_path / "data") == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "/proc/soulcaster"], "cannot keep data in /proc/soulcaster"),
        (["--ready-file", "/proc/soulcaster/ready.json"], "cannot write /proc/soulcaster/ready.json"),
        (["--repo", "/proc"], "/proc is not a Git repository"),
    ],
)
async def test_a_start_that_cannot_work_says_so_before_anything_runs(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    data = [] if "--data" in arguments else ["--data", str(tmp_path / "data")]
    code, _, err = await command("up", "--port", "0", *data, *arguments)
    assert code == 2
    assert words in err
    assert "Traceback" not in err
    assert processes_of(tmp_path / "data") == []


async def test_settings_that_leave_a_door_open_end_up_with_78_and_are_named(tmp_path: Path) -> None:
    wrong = environ(GITHUB_ALLOWED_LOGINS="ann=root")
    code, _, err = await command("up", "--port", "0", "--data", str(tmp_path / "data"), env=wrong)
    assert code == 78
    assert "GITHUB_ALLOWED_LOGINS" in err
    assert processes_of(tmp_path / "data") == []


async def test_no_process_outlives_a_killed_up(tmp_path: Path) -> None:
    async with up(tmp_path / "data") as instance:
        instance.process.kill()
        await instance.process.wait()
        await eventually(lambda: processes_of(tmp_path / "data") == [], within=15)


async def test_every_check_of_the_doctor_that_is_not_ok_names_a_fix(tmp_path: Path) -> None:
    _, out, _ = await command("doctor", "--json")
    findings = json.loads(out)
    assert {"Python", "Git", "NATS", "Sandbox", "Kilocode", "Model", "Page", "Disk", "Clock", "Network", "Gateway"} == {
        one["check"] for one in findings
    }
    assert all(one["fix"] for one in findings if one["state"] != "ok")


async def test_a_killed_service_comes_back(tmp_path: Path) -> None:
    async with up(tmp_path / "data"):
        killed = [pid for pid in _pids() if "services.orchestrator" in _line(pid) and _belongs(pid, tmp_path / "data")]
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        assert killed

        def back() -> bool:
            now = [pid for pid in _pids() if "services.orchestrator" in _line(pid) and _belongs(pid, tmp_path / "data")]
            return bool(now) and not set(now) & set(killed)

        await eventually(back, within=15)


async def test_reports_are_still_there_after_a_restart(tmp_path: Path) -> None:
    async with up(tmp_path / "data") as instance:
        code, _, err = await instance.run(
            "ingest", "-", stdin=b"Export of an empty list raises IndexError in export.py"
        )
        assert code == 0, err

        async def clustered() -> bool:
            return len(await instance.call("GET", "/clusters")) == 1

        await eventually(clustered, within=15)
    async with up(tmp_path / "data") as instance:
        clusters = await instance.call("GET", "/clusters")
        assert [cluster["count"] for cluster in clusters] == [1]


async def test_a_second_up_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    async with up(tmp_path / "data"):
        code, _, err = await command("up", "--data", str(tmp_path / "data"), "--port", "0")
        assert code == 7
        assert "in use by another" in err


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = await command("up", "--data", str(tmp_path / "data"), "--port", str(port))
    assert code == 1
    assert f"port {port} is in use" in err


async def test_a_report_about_an_own_repository_gets_a_plan_with_its_files(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    async with up(tmp_path / "data", "--repo", str(origin)) as instance:
        await instance.run("ingest", "-", stdin=b"parse in shop/pricing.py raises ValueError for 1,299.00")

        async def first() -> str:
            clusters = await instance.call("GET", "/clusters")
            assert clusters
            return str(clusters[0]["id"])

        cluster = await eventually(first, within=15)
        code, out, err = await instance.run("plan", cluster, "-o", "json")
        assert code == 0, err
        assert "shop/pricing.py" in out


def _pids() -> list[int]:
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def _line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _belongs(pid: int, data: Path) -> bool:
    try:
        return f"DATA_DIR={data}\0" in Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    except OSError:
        return False


async def test_a_backup_restored_elsewhere_is_the_same_instance(tmp_path: Path) -> None:
    async with up(tmp_path / "data") as instance:
        await instance.call("POST", "/ingest/manual", json={"text": "The total of two prices is wrong."})

        async def grouped() -> list[str]:
            found = [one["id"] for one in await instance.call("GET", "/clusters")]
            assert found
            return found

        clusters = await eventually(grouped, within=30)
        made = await instance.call("POST", "/projects", json={"name": "Shop", "user_id": "u1"})
        assert await instance.interrupt() == 130
    file = str(tmp_path / "b.tgz")
    code, _, err = await command("backup", file, "--data", str(tmp_path / "data"), "--with-keys")
    assert code == 0, err
    code, _, err = await command("restore", file, "--data", str(tmp_path / "new"))
    assert code == 0, err
    async with up(tmp_path / "new") as again:
        assert again.ready["api_key"] == instance.ready["api_key"]
        assert [one["id"] for one in await again.call("GET", "/clusters")] == clusters
        named = [one["id"] for one in (await again.call("GET", "/projects?user_id=u1"))["projects"]]
        assert made["project"]["id"] in named
