"""Runs inside an e2b sandbox as root: starts commands, spools what they print, tells how they ended.

Standard library only, any Python from 3.8; nothing here is imported by the runner. Every call may be repeated, so a
cut connection costs nothing::

    e2b_supervisor.py start ID     runs SPEC_FOLDER/ID.json unless ID was started before; returns at once
    e2b_supervisor.py follow ID STDOUT_OFFSET STDERR_OFFSET     one JSON value a line, until the end was told
    e2b_supervisor.py kill ID
    e2b_supervisor.py copy PATH LIMIT TARGET     a regular file, reached without any symlink

``follow`` prints ``["stdout", offset, base64]``, ``["alive"]`` every 2 s, and last ``["end", {code, why, seconds}]``.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import json
import os
import pwd
import resource
import shutil
import signal
import stat
import subprocess
import sys
import time
from typing import Any, NoReturn

SPECS = "/opt/soulcaster/inbox"
SPOOL = "/var/lib/soulcaster"
CHUNK = 48 * 1024
BEAT = 2.0
LEAST_FREE = 64 * 1024 * 1024
LARGEST_FILE = 2 * 1024**3
PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS = 36, 38


def _prctl(option: int) -> None:
    ctypes.CDLL(None).prctl(option, 1, 0, 0, 0)


class Supervisor:
    """One command. As the subreaper (prctl(2)) of its processes it finds each of them, wherever they hide."""

    def __init__(self, spec: dict[str, Any], folder: str) -> None:
        self.spec, self.folder = spec, folder
        self.why = "exited"
        self.started = time.monotonic()

    def run(self) -> None:
        _prctl(PR_SET_CHILD_SUBREAPER)
        signal.signal(signal.SIGTERM, lambda *_: self._kill("signal"))
        ooms = _oom_kills()
        try:
            code = self._wait(self._start())
        except OSError as error:
            with open(f"{self.folder}/stderr", "a") as file:
                file.write(f"{error}\n")
            code = 126 if isinstance(error, PermissionError) else 127
        self._clear()
        if self.why == "exited" and code in (137, -9) and _oom_kills() > ooms:
            self.why = "memory"
        end = {"code": code if code >= 0 else 128 - code, "why": self.why}
        _write(f"{self.folder}/end", {**end, "seconds": time.monotonic() - self.started})

    def _start(self) -> subprocess.Popen[bytes]:
        spec = self.spec
        with contextlib.ExitStack() as stack:
            stdin = stack.enter_context(open(f"{SPECS}/{spec['id']}.stdin", "rb"))
            out = stack.enter_context(open(f"{self.folder}/stdout", "ab"))
            err = stack.enter_context(open(f"{self.folder}/stderr", "ab"))
            environ = {"PATH": os.environ.get("PATH", os.defpath), **spec["env"]}
            return subprocess.Popen(
                spec["argv"], env=environ, cwd=spec["cwd"], stdin=stdin, stdout=out, stderr=err,
                start_new_session=True, preexec_fn=lambda: _confine(spec["processes"]),
            )  # fmt: skip

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        until = self.started + self.spec["timeout"]
        measured, pause = self.started, 1.0
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0.2)
            if time.monotonic() > until:
                self._kill("timeout")
            self._limits()
            if time.monotonic() > measured + pause:
                before = time.monotonic()
                if _disk_used(self.spec["home"]) > self.spec["disk"] or _free(self.folder) < LEAST_FREE:
                    self._kill("disk")
                measured = time.monotonic()
                pause = min(max(20 * (measured - before), 1.0), 30.0)

    def _limits(self) -> None:
        family = _descendants()
        if len(family) > self.spec["processes"]:
            self._kill("processes")
        elif sum(map(_own_memory, family)) > self.spec["memory"]:
            self._kill("memory")

    def _kill(self, why: str) -> None:
        if self.why == "exited":
            self.why = why
        self._clear()

    def _clear(self) -> None:
        """End every descendant: stopped first, so that none forks while the others die."""
        for _ in range(200):
            family = _descendants()
            if not family:
                return
            for number in (signal.SIGSTOP, signal.SIGKILL):
                for pid in family:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, number)
            time.sleep(0.01)


def _confine(processes: int) -> None:
    """In the child: the user of the template, no way back to root (no set-user-id program works any more)."""
    _prctl(PR_SET_NO_NEW_PRIVS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    if os.geteuid() == 0:
        user = pwd.getpwnam("user")
        os.initgroups(user.pw_name, user.pw_gid)
        os.setgid(user.pw_gid)
        resource.setrlimit(resource.RLIMIT_NPROC, (processes + 8, processes + 8))
        os.setuid(user.pw_uid)


def _descendants() -> list[int]:
    """Live pids below this process."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                if fields[0] != b"Z":
                    parents[int(name)] = int(fields[1])
    family, below = [], {os.getpid()}
    while below:
        below = {pid for pid, parent in parents.items() if parent in below}
        family += sorted(below)
    return family


def _own_memory(pid: int) -> int:
    """Bytes in memory that are not shared (proc(5), statm)."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            fields = file.read().split()
        return max(int(fields[1]) - int(fields[2]), 0) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def _oom_kills() -> int:
    with contextlib.suppress(OSError), open("/proc/vmstat") as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _disk_used(root: str) -> int:
    total, pending = 0, [root]
    while pending:
        with contextlib.suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with contextlib.suppress(OSError):
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
    return total


def _free(folder: str) -> int:
    return shutil.disk_usage(folder).free


def _write(path: str, value: object) -> None:
    with open(path + ".new", "w") as file:
        json.dump(value, file)
    os.rename(path + ".new", path)


def start(identity: str) -> None:
    with open(f"{SPECS}/{identity}.json") as file:
        spec = json.load(file)
    folder = f"{SPOOL}/{identity}"
    os.makedirs(SPOOL, mode=0o711, exist_ok=True)
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        return  # this very call was heard before
    if os.fork():
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    _write(f"{folder}/pid", os.getpid())
    Supervisor(spec, folder).run()
    os._exit(0)


def follow(identity: str, offsets: dict[str, int]) -> None:
    folder, beat = f"{SPOOL}/{identity}", 0.0
    while True:
        end = _end(folder)  # looked for before the last reading: what was printed before the end is told before it
        told = sum(_tell(f"{folder}/{name}", name, offsets) for name in ("stdout", "stderr"))
        if end is not None and not told:
            return _say(["end", end])
        if time.monotonic() - beat > BEAT:
            beat = time.monotonic()
            _say(["alive"])
        if not told:
            time.sleep(0.05)


def _tell(path: str, name: str, offsets: dict[str, int]) -> int:
    with contextlib.suppress(FileNotFoundError), open(path, "rb") as file:
        file.seek(offsets[name])
        data = file.read(CHUNK)
        if data:
            _say([name, offsets[name], base64.b64encode(data).decode()])
            offsets[name] += len(data)
            return len(data)
    return 0


def _end(folder: str) -> object:
    with contextlib.suppress(OSError, ValueError), open(f"{folder}/end") as file:
        return json.load(file)
    with contextlib.suppress(OSError, ValueError), open(f"{folder}/pid") as file:
        pid = json.load(file)
        if not os.path.exists(f"/proc/{pid}") and not os.path.exists(f"{folder}/end"):
            return {"code": None, "why": "gone", "seconds": 0.0}  # somebody killed the supervisor
    return None


def _say(value: object) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def kill(identity: str) -> None:
    """Returns when every process of the command is dead."""
    folder = f"{SPOOL}/{identity}"
    while os.path.isdir(folder) and _end(folder) is None:
        with contextlib.suppress(OSError, ValueError), open(f"{folder}/pid") as file:
            os.kill(json.load(file), signal.SIGTERM)
        time.sleep(0.05)


def copy(path: str, limit: int, target: str) -> None:
    """Exit code 3: no regular file reached without a symlink; 4: above ``limit`` bytes."""
    try:
        folder = os.open("/", os.O_RDONLY)
        *parents, name = path.strip("/").split("/")
        for part in parents:
            folder = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=folder)
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    except OSError as error:
        _refuse(str(error.strerror))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        _refuse("not a regular file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        sys.exit(4)
    os.makedirs(os.path.dirname(target), mode=0o711, exist_ok=True)
    with open(target, "wb") as file:
        file.write(data)


def _refuse(reason: str) -> NoReturn:
    sys.stdout.write(reason)
    sys.exit(3)


def main(call: str, *arguments: str) -> None:
    if call == "start":
        start(arguments[0])
    elif call == "follow":
        follow(arguments[0], {"stdout": int(arguments[1]), "stderr": int(arguments[2])})
    elif call == "kill":
        kill(arguments[0])
    else:
        copy(arguments[0], int(arguments[1]), arguments[2])


if __name__ == "__main__":
    main(*sys.argv[1:])
