"""The container's entry point as a process: what it does when its mailbox, its runner or its token is not well."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.aws_container import ENTRYPOINT, Container
from tests.support.eventually import eventually


class Store:
    """What S3 is to a container: a desk to read, a form to post to. ``broken``: posts that fail before one works."""

    def __init__(self) -> None:
        self.desk: dict[str, Any] = {}
        self.parts: dict[str, bytes] = {}
        self.files: dict[str, bytes] = {}
        self.broken = 0
        self.log: list[str] = []

    @contextmanager
    def served(self) -> Iterator[int]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        port = int(server.server_address[1])
        url = f"http://127.0.0.1:{port}"
        self.desk = {
            "beat": 1, "ttl": 5.0, "next": f"{url}/desk?signature=abc", "calls": [],
            "post": {"url": f"{url}/", "fields": {"key": "box/out/${filename}", "policy": "p"}},
        }  # fmt: skip
        try:
            yield port
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def ask(self, **call: Any) -> None:
        self.desk = self.desk | {"beat": self.desk["beat"] + 1, "calls": [*self.desk["calls"], call]}

    def values(self, identity: str) -> list[Any]:
        parts = [self.parts[key] for key in sorted(self.parts) if key.startswith(f"box/out/{identity}/0")]
        return [json.loads(line) for part in parts for line in part.splitlines()]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                self._answer(200, json.dumps(store.desk).encode() if path == "/desk" else store.files[path])

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if store.broken:
                    store.broken -= 1
                    return self._answer(503, b"SlowDown")
                mark = self.headers["Content-Type"].partition("boundary=")[2].encode()
                fields = {}
                for piece in body.split(b"--" + mark)[1:-1]:
                    head, _, data = piece.partition(b"\r\n\r\n")
                    fields[head.split(b'name="')[1].partition(b'"')[0].decode()] = data[:-2]
                store.parts[fields["key"].decode()] = fields["file"]
                self._answer(204, b"")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return

        return Handler


@contextmanager
def container(folder: Path, store: Store) -> Iterator[Container]:
    with store.served() as port:
        environ = {"SOULCASTER_TOKEN": f"http://127.0.0.1:{port}/desk?signature=abc"}
        made = Container(folder / "task", [port], environ, store.log.append)
        try:
            yield made
        finally:
            made.kill()


async def answered(store: Store, identity: str) -> list[Any]:
    """The values of an answer once its last one is there."""

    def check() -> list[Any]:
        values = store.values(identity)
        assert values, store.log
        assert values[-1][0] in ("end", "done"), values
        return values

    return await eventually(check, 20.0)


def command(*argv: str) -> dict[str, Any]:
    return {
        "argv": list(argv), "env": {"HOME": "/home/user"}, "cwd": "/home/user/workspace", "timeout": 20,
        "memory": 1024**3, "processes": 64, "disk": 1024**3, "home": "/home/user",
    }  # fmt: skip


def run(store: Store, identity: str, *argv: str) -> None:
    store.files["/stdin"] = b"given"
    url = store.desk["next"].partition("/desk")[0] + "/stdin"
    store.ask(id=identity, do="run", spec=command(*argv), url=url)


def test_without_a_token_it_says_who_starts_it_and_ends() -> None:
    done = subprocess.run([sys.executable, "-I", "-S", str(ENTRYPOINT)], env={}, capture_output=True, text=True)
    assert done.returncode == 4
    assert "only the runner starts this container" in done.stdout


async def test_sigterm_ends_it_with_143_at_once() -> None:
    environ = {"SOULCASTER_TOKEN": "http://127.0.0.1:9/desk"}
    argv = [sys.executable, "-I", "-S", str(ENTRYPOINT)]
    process = await asyncio.create_subprocess_exec(*argv, env=environ, stdout=subprocess.PIPE)
    await eventually(lambda: _catches(process.pid, signal.SIGTERM))
    os.kill(process.pid, signal.SIGTERM)
    assert (await process.communicate())[0] == b"info: SIGTERM\n"
    assert process.returncode == 143


async def test_a_command_is_run_once_however_often_it_stands_on_the_desk(tmp_path: Path) -> None:
    store = Store()
    with container(tmp_path, store):
        run(store, "one", "sh", "-c", "cat; echo x >> $HOME/count; wc -l < $HOME/count")
        assert (await answered(store, "one"))[0] == ["started"]
        run(store, "two", "sh", "-c", "wc -l < $HOME/count; exit 7")
        assert (await answered(store, "two"))[-1][1]["code"] == 7
        run(store, "three", "sh", "-c", "[ $(wc -l < $HOME/count) = 1 ]")
        assert (await answered(store, "three"))[-1][1]["code"] == 0


async def test_answers_that_the_mailbox_refuses_are_written_again_in_order(tmp_path: Path) -> None:
    store = Store()
    with container(tmp_path, store):
        await eventually(lambda: "box/out/hello" in store.parts, 15.0)
        store.broken = 4
        run(store, "one", "sh", "-c", "echo fine")
        values = await answered(store, "one")
    assert [value[0] for value in values] == ["started", "stdout", "end"]
    troubles = [line for line in store.log if line.startswith("trouble:")]
    assert troubles
    assert not [line for line in store.log if "http" in line or "signature" in line], "URLs are keys"


async def test_when_its_runner_is_silent_it_ends_itself_and_every_command_with_it(tmp_path: Path) -> None:
    store = Store()
    with container(tmp_path, store) as task:
        store.desk["ttl"] = 2.0
        run(store, "one", "sh", "-c", "trap '' TERM; setsid sleep 600")
        await eventually(lambda: task.code is not None, 20.0)
        assert task.code == 3
    assert "trouble: no sign of the runner" in store.log


async def test_told_to_end_it_ends_well(tmp_path: Path) -> None:
    store = Store()
    with container(tmp_path, store) as task:
        store.ask(id="last", do="end")
        await eventually(lambda: task.code is not None, 20.0)
        assert task.code == 0


async def test_a_call_that_it_does_not_know_is_answered(tmp_path: Path) -> None:
    store = Store()
    with container(tmp_path, store):
        store.ask(id="odd", do="dance")
        assert (await answered(store, "odd"))[0][:2] == ["done", 1]


@pytest.mark.parametrize("path", ["/home/user/link/x", "/home/user/workspace/link/x"])
async def test_files_are_not_put_through_a_link_that_the_agent_made(tmp_path: Path, path: str) -> None:
    store = Store()
    with container(tmp_path, store):
        run(store, "one", "sh", "-c", "ln -s /opt/soulcaster $HOME/link; ln -s /opt/soulcaster link")
        await answered(store, "one")
        url = store.desk["next"].partition("/desk")[0] + "/stdin"
        store.ask(id="two", do="put", path=path, executable=False, url=url)
        assert (await answered(store, "two"))[0][:2] == ["done", 1]
        assert not (tmp_path / "task" / "opt" / "soulcaster" / "x").exists()


async def test_the_token_is_not_to_be_read_from_the_process(tmp_path: Path) -> None:
    look = """
import os
for pid in filter(str.isdigit, os.listdir("/proc")):
    words = open(f"/proc/{pid}/cmdline").read().split("\\0")
    if words[3:4] == ["/opt/soulcaster/entrypoint.py"]:
        try:
            print("read", "SOULCASTER" in open(f"/proc/{pid}/environ").read())
        except PermissionError:
            print("denied")
"""
    store = Store()
    with container(tmp_path, store):
        run(store, "one", "python3", "-c", look)
        values = await answered(store, "one")
    assert ["stdout", 0, "ZGVuaWVkCg=="] in values, values  # "denied" in base64


def _catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for the signal: proc(5), SigCgt."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    caught = int(next(line.split()[1] for line in lines if line.startswith("SigCgt")), 16)
    return bool(caught >> (number - 1) & 1)
