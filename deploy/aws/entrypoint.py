"""The entry point of the agent's container on ECS: takes calls from a mailbox in S3, answers into it.

Standard library only. The one thing in its environment is SOULCASTER_TOKEN, a presigned URL of
the mailbox's ``desk.json`` that ends by itself; it is taken out before anything else starts. Commands are run by the
supervisor beside this file (the same as at e2b), as a user who reaches neither this process nor the mailbox.

The desk: ``{"beat", "ttl", "next", "post": {"url", "fields"}, "calls": [{"id", "do": run|put|get|kill|end, ...}]}``.
An answer to a call is a row of objects ``out/<id>/<part>`` with one JSON value a line: ``["started"]``, those of the
supervisor's ``follow``, and at last ``["end", {...}]`` of a command or ``["done", code, text]`` of anything else.

Exit codes: 0 told to end; 3 no sign of the runner for ``ttl`` seconds; 4 the token opens no mailbox; 143 SIGTERM.
"""

import contextlib
import ctypes
import json
import os
import pwd
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

SUPERVISOR = str(Path(__file__).with_name("supervisor.py"))
PYTHON = [sys.executable, "-I", "-S"]
INBOX, HOME, COPIES = "/opt/soulcaster/inbox", "/home/user", "/var/lib/soulcaster/copies"
BUSY, IDLE, LULL = 0.2, 1.0, 20.0  # seconds between looks at the desk; after a lull of so many it is looked at less
PULSE, FLUSH, PART = 10.0, 0.2, 512 * 1024
FIRST_TTL = 120.0
PR_SET_DUMPABLE = 4
OPENER = urllib.request.build_opener()


def say(text: str) -> None:
    """To the container's own log. Never a URL: they are keys."""
    sys.stdout.write(re.sub(r"https?://\S+", "<url>", text) + "\n")
    sys.stdout.flush()


class Mailbox:
    """Reads the desk, writes below ``out/``."""

    def __init__(self, token: str) -> None:
        self._url, self._etag = token, ""
        self._post: dict[str, Any] = {}
        self.ttl, self.heard, self._beat = FIRST_TTL, time.monotonic(), -1

    def look(self) -> list[dict[str, Any]]:
        """The calls on the desk; none when it has not changed. Raises OSError."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        request = urllib.request.Request(self._url, headers=headers)  # noqa: S310 - our own URL
        try:
            with OPENER.open(request, timeout=20) as answer:
                desk, self._etag = json.load(answer), answer.headers.get("ETag", "")
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 304:
                return []
            raise
        if desk["beat"] != self._beat:
            self._beat, self.heard = desk["beat"], time.monotonic()
        self._url, self._post, self.ttl = desk["next"], desk["post"], float(desk["ttl"])
        return list(desk["calls"])

    @property
    def opened(self) -> bool:
        return self._beat >= 0

    @property
    def forsaken(self) -> bool:
        return time.monotonic() - self.heard > self.ttl

    def write(self, name: str, data: bytes) -> None:
        """Until it is there; the process ends before it gives up."""
        pause, trouble = 0.2, 0
        while True:
            try:
                with OPENER.open(self._form(name, data), timeout=60) as answer:
                    answer.read()
                if trouble:
                    say(f"trouble: wrote {name} after {trouble} failures")
                return
            except (OSError, ValueError) as error:
                trouble += 1
                say(f"trouble: writing {name}: {error}")
                if isinstance(error, urllib.error.HTTPError):
                    error.close()
            time.sleep(pause)
            pause = min(pause * 2, 5.0)

    def _form(self, name: str, data: bytes) -> urllib.request.Request:
        """A browser's upload form (S3 API reference, "POST Object"): one signature for every key below the prefix."""
        fields = dict(self._post["fields"])
        fields["key"] = fields["key"].replace("${filename}", name)
        mark = secrets.token_hex(16)
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
        parts.append(
            f'--{mark}\r\nContent-Disposition: form-data; name="file"; filename="part"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        )
        body = "".join(parts).encode() + data + f"\r\n--{mark}--\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={mark}"}
        return urllib.request.Request(self._post["url"], body, headers, method="POST")  # noqa: S310 - our own URL


class Answer:
    """The parts of one call's answer."""

    def __init__(self, mailbox: Mailbox, identity: str) -> None:
        self._mailbox, self.identity, self._number = mailbox, identity, 0

    def tell(self, *values: Any) -> None:
        self.lines(b"".join(json.dumps(value).encode() + b"\n" for value in values))

    def lines(self, data: bytes) -> None:
        self._mailbox.write(f"{self.identity}/{self._number:08d}", data)
        self._number += 1

    def file(self, data: bytes) -> None:
        self._mailbox.write(f"{self.identity}/data", data)


def run(call: dict[str, Any], answer: Answer) -> None:
    """A command, under the supervisor; its output as it comes."""
    identity = answer.identity
    store(f"{INBOX}/{identity}.json", json.dumps({**call["spec"], "id": identity}).encode(), False)
    store(f"{INBOX}/{identity}.stdin", fetched(call), False)
    answer.tell(["started"])
    supervised("start", identity)
    with subprocess.Popen([*PYTHON, SUPERVISOR, "follow", identity, "0", "0"], stdout=subprocess.PIPE) as follow:
        ended = _forward(follow, answer)
    if not ended:
        answer.tell(["end", {"code": None, "why": "gone", "seconds": 0.0}])


def _forward(follow: subprocess.Popen[bytes], answer: Answer) -> bool:
    """Lines gathered for a moment, so that a chatty command costs few uploads. True when the end was told."""
    lines: queue.Queue[bytes | None] = queue.Queue(64)
    threading.Thread(target=_read, args=(follow, lines), daemon=True).start()
    held, ended, over, since = bytearray(), False, False, time.monotonic()
    while not over:
        try:
            line = lines.get(timeout=FLUSH)
            over = line is None
            if line is not None and not line.startswith(b'["alive"'):
                since = since if held else time.monotonic()
                held += line
                ended = ended or line.startswith(b'["end"')
        except queue.Empty:
            pass
        if held and (over or ended or len(held) > PART or time.monotonic() - since >= FLUSH):
            answer.lines(bytes(held))
            held = bytearray()
    return ended


def _read(follow: subprocess.Popen[bytes], lines: queue.Queue[bytes | None]) -> None:
    assert follow.stdout is not None
    for line in follow.stdout:
        lines.put(line)
    lines.put(None)


def put(call: dict[str, Any], answer: Answer) -> None:
    store(call["path"], fetched(call), bool(call["executable"]))
    answer.tell(["done", 0, ""])


def get(call: dict[str, Any], answer: Answer) -> None:
    """A regular file, copied by the supervisor, who follows no symlink."""
    target = f"{COPIES}/{answer.identity}"
    code, said = supervised("copy", call["path"], str(call["limit"]), target)
    if code == 0:
        answer.file(Path(target).read_bytes())
        os.unlink(target)
    answer.tell(["done", code, said])


def kill(call: dict[str, Any], answer: Answer) -> None:
    code, said = supervised("kill", call["target"])
    answer.tell(["done", code, said])


def end(call: dict[str, Any], answer: Answer) -> None:
    say("info: told to end")
    os._exit(0)


def supervised(*arguments: str) -> tuple[int, str]:
    done = subprocess.run([*PYTHON, SUPERVISOR, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.decode("utf-8", "replace")[-1000:]


def fetched(call: dict[str, Any]) -> bytes:
    """What lies beside the call. Raises OSError."""
    for left in (3, 2, 1, 0):
        try:
            with OPENER.open(call["url"], timeout=60) as answer:
                return bytes(answer.read())
        except OSError:
            if not left:
                raise
            time.sleep(1.0)
    raise AssertionError("unreachable")


def store(path: str, data: bytes, executable: bool) -> None:
    """Write a file of ours, or of the user below HOME, never through a symlink that the agent made."""
    *parents, name = [part for part in path.split("/") if part]
    theirs = path.startswith(HOME + "/")
    folder = os.open("/", os.O_RDONLY)
    try:
        for depth, part in enumerate(parents):
            try:
                os.mkdir(part, 0o755, dir_fd=folder)
                own(part, folder, theirs and depth > 1)
            except FileExistsError:
                pass
            except OSError:
                if depth > 1:
                    raise
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
            os.close(folder)
            folder = inner
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(name, flags, 0o755 if executable else 0o644, dir_fd=folder), "wb") as file:
            file.write(data)
        own(name, folder, theirs)
    finally:
        os.close(folder)


def own(name: str, folder: int, theirs: bool) -> None:
    if theirs and os.geteuid() == 0:
        user = pwd.getpwnam("user")
        os.chown(name, user.pw_uid, user.pw_gid, dir_fd=folder, follow_symlinks=False)


ACTS = {"run": run, "put": put, "get": get, "kill": kill, "end": end}


def act(call: dict[str, Any], answer: Answer) -> None:
    """Whatever goes wrong is told: somebody waits for an answer."""
    try:
        ACTS[call["do"]](call, answer)
    except Exception as error:  # the runner waits for an end of each call, whatever went wrong in it
        say(f"trouble: {call.get('do')}: {type(error).__name__}: {error}")
        text = re.sub(r"https?://\S+", "<url>", f"{type(error).__name__}: {error}")
        answer.tell(["done", 1, text], ["end", {"code": None, "why": "gone", "seconds": 0.0}])


def pulse(mailbox: Mailbox) -> None:
    """An object that changes as long as this process reaches the mailbox."""
    number = 0
    while True:
        number += 1
        mailbox.write("pulse", str(number).encode())
        time.sleep(min(PULSE, mailbox.ttl / 4))


def versions() -> str:
    """What is here, for people who read the log; the runner asks for python3 and git itself."""
    found = []
    for argv in (["git", "--version"], ["python3", "-V"]):
        try:
            found.append(subprocess.run(argv, stdout=subprocess.PIPE).stdout.decode().strip())
        except OSError:
            found.append(f"no {argv[0]}")
    return ", ".join(found)


def serve(mailbox: Mailbox) -> int:
    """Look at the desk until told to end."""
    begun: set[str] = set()
    active = troubled = time.monotonic()
    while True:
        try:
            calls = mailbox.look()
            if mailbox.opened and not begun:
                begin(mailbox, begun)
        except (OSError, ValueError, KeyError) as error:
            calls = []
            if time.monotonic() - troubled > 10:
                troubled = time.monotonic()
                say(f"trouble: reading the desk: {type(error).__name__}: {error}")
        if mailbox.forsaken:
            say("trouble: no sign of the runner" if mailbox.opened else "trouble: the token opens no mailbox")
            return 3 if mailbox.opened else 4
        for call in calls:
            if call["id"] not in begun:
                begun.add(call["id"])
                active = time.monotonic()
                threading.Thread(target=act, args=(call, Answer(mailbox, call["id"])), daemon=True).start()
        time.sleep(BUSY if time.monotonic() - active < LULL else IDLE)


def begin(mailbox: Mailbox, begun: set[str]) -> None:
    begun.add("hello")
    os.makedirs(f"{HOME}/workspace", exist_ok=True)
    if os.geteuid() == 0:
        user = pwd.getpwnam("user")
        for folder in (HOME, f"{HOME}/workspace"):
            os.chown(folder, user.pw_uid, user.pw_gid)
    found = versions()
    say(f"info: ready, {found}")
    mailbox.write("hello", found.encode())
    threading.Thread(target=pulse, args=(mailbox,), daemon=True).start()


def stopped(*_: object) -> None:
    say("info: SIGTERM")
    os._exit(143)


def main() -> int:
    signal.signal(signal.SIGTERM, stopped)
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)  # no process of the agent reads our environment or memory
    token = os.environ.pop("SOULCASTER_TOKEN", "")
    if not token:
        say("trouble: SOULCASTER_TOKEN is not set; only the runner starts this container (docs/how-to/aws.md)")
        return 4
    return serve(Mailbox(token))


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # threads that wait for S3 do not hold the container up
