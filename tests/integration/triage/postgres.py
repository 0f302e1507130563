"""A PostgreSQL server of the test session's own, where the binaries are installed."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.processes import free_port

OPTIONS = (
    "-c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=50 -c unix_socket_directories={folder} -p {port}"
)


def binaries() -> Path | None:
    """The folder with initdb and pg_ctl: PATH, else Debian's place, newest first."""
    found = shutil.which("pg_ctl")
    if found:
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), reverse=True)
    return versions[0].parent if versions else None


@contextmanager
def running(folder_of_binaries: Path) -> Iterator["Postgres"]:
    """A started server, removed with the block."""
    folder = Path(tempfile.mkdtemp(prefix="soulcaster-pg-"))
    server = Postgres(folder_of_binaries, folder)
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


class Postgres:
    """``url(name)`` makes a new database and answers its address."""

    def __init__(self, binaries_: Path, folder: Path) -> None:
        self._binaries, self._folder, self._port = binaries_, folder, free_port()
        # The server refuses to run as root; Debian's package brings a user for it.
        self._user = "postgres" if os.geteuid() == 0 else None

    def create(self) -> None:
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(self._folder, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-D", str(self._folder / "data"), "-U", "tester", "-A", "trust", "--no-sync")

    def start(self) -> None:
        options = OPTIONS.format(folder=self._folder, port=self._port)
        log = str(self._folder / "log")
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")

    def restart(self) -> None:
        """As after a crash: connections break, nobody is asked."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "-w", "stop")
        self.start()

    def url(self, name: str) -> str:
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self._port), "-U", "tester", name)
        return f"postgresql://tester@127.0.0.1:{self._port}/{name}"

    def _run(self, name: str, *arguments: str) -> None:
        # pg_ctl leaves a server behind that would hold a pipe open: its output goes to a file.
        with tempfile.TemporaryFile() as said:
            done = subprocess.run(
                [str(self._binaries / name), *arguments],
                user=self._user,
                group=self._user,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                timeout=60,
                check=False,
            )
            said.seek(0)
            if done.returncode != 0:
                raise RuntimeError(f"{name} failed: {said.read().decode(errors='replace')[-2000:]}")
