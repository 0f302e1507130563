"""One archive of a stopped instance: whole or refused, and nothing of it leads outside."""

import io
import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from cli.__main__ import run
from cli.embedded.archive import BadArchive, pack, unpack
from cli.embedded.layout import Layout
from cli.embedded.supervisor import locked
from cli.errors import Exit


def instance(folder: Path) -> Layout:
    """A data folder with a database whose last row is in its log only, streams, keys and caches."""
    layout = Layout(folder)
    layout.prepare()
    layout.admin_key()
    layout.secret_key()
    (layout.nats / "jetstream" / "LOGS").mkdir(parents=True)
    (layout.nats / "jetstream" / "LOGS" / "1.blk").write_bytes(bytes(range(256)) * 999)
    (folder / "repos" / "cache").write_text("made again")
    return layout


def rows(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as opened:
        return [text for (text,) in opened.execute("SELECT text FROM report ORDER BY text")]


def test_a_backup_restored_is_the_same_data_without_caches_and_keys(tmp_path: Path) -> None:
    layout = instance(tmp_path / "data")
    live = sqlite3.connect(layout.data / "triage.db")
    live.execute("PRAGMA journal_mode=WAL")
    live.execute("CREATE TABLE report (text TEXT)")
    live.execute("INSERT INTO report VALUES ('in the log')")
    live.commit()
    try:  # it stays open: what it wrote lies beside the database, as after kill -9
        assert run(["backup", str(tmp_path / "b.tgz"), "--data", str(layout.data)]) == Exit.OK
    finally:
        live.close()
    assert (tmp_path / "b.tgz").stat().st_mode & 0o077 == 0
    assert run(["restore", str(tmp_path / "b.tgz"), "--data", str(tmp_path / "new")]) == Exit.OK
    found = {str(path.relative_to(tmp_path / "new")) for path in (tmp_path / "new").rglob("*") if path.is_file()}
    assert found == {"nats/jetstream/LOGS/1.blk", "triage.db"}
    block = Path("nats/jetstream/LOGS/1.blk")
    assert (tmp_path / "new" / block).read_bytes() == (layout.data / block).read_bytes()
    assert rows(tmp_path / "new" / "triage.db") == ["in the log"]
    assert not list(layout.data.glob("backup-*"))


def test_the_keys_come_along_only_when_asked_for_and_those_that_are_there_stay(tmp_path: Path) -> None:
    layout = instance(tmp_path / "data")
    with_keys, without = str(tmp_path / "with.tgz"), str(tmp_path / "without.tgz")
    assert run(["backup", with_keys, "--data", str(layout.data), "--with-keys"]) == Exit.OK
    assert run(["backup", without, "--data", str(layout.data)]) == Exit.OK
    assert run(["restore", with_keys, "--data", str(tmp_path / "one")]) == Exit.OK
    assert Layout(tmp_path / "one").secret_key() == layout.secret_key()
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "secret.key").write_text("kept apart")
    assert run(["restore", without, "--data", str(tmp_path / "two")]) == Exit.OK
    assert Layout(tmp_path / "two").secret_key() == "kept apart"


def test_a_running_instance_is_not_backed_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = instance(tmp_path / "data")
    with locked(layout):
        assert run(["backup", str(tmp_path / "b.tgz"), "--data", str(layout.data)]) == Exit.CONFLICT
    assert "in use" in capsys.readouterr().err
    assert not list(tmp_path.glob("b.tgz*"))
    assert run(["backup", str(tmp_path / "b.tgz"), "--data", str(tmp_path / "nothing")]) == Exit.USAGE


def test_a_restore_never_writes_over_data(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    layout = instance(tmp_path / "data")
    run(["backup", str(tmp_path / "b.tgz"), "--data", str(layout.data)])
    assert run(["restore", str(tmp_path / "b.tgz"), "--data", str(layout.data)]) == Exit.CONFLICT
    assert "is not empty" in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut", "changed", "no archive", "damaged database"])
def test_what_is_not_whole_is_refused_and_leaves_nothing(
    tmp_path: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    layout, file = instance(tmp_path / "data"), tmp_path / "b.tgz"
    (layout.data / "triage.db").unlink(missing_ok=True)
    run(["backup", str(file), "--data", str(layout.data)])
    data = file.read_bytes()
    if damage == "cut":
        file.write_bytes(data[: len(data) * 2 // 3])
    elif damage == "changed":
        file.write_bytes(data[:200] + bytes([data[200] ^ 255]) + data[201:])
    elif damage == "no archive":
        file.write_text("hello")
    else:
        (layout.data / "db").write_text("no database")
        with file.open("wb") as target:
            pack(target, [("triage.db", layout.data / "db")], "1", "now")
    assert run(["restore", str(file), "--data", str(tmp_path / "new")]) == Exit.ERROR
    assert "is not a whole backup" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tgz", "data"]


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil"])
def test_a_path_that_leads_outside_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_text("x")
    made = io.BytesIO()
    pack(made, [(name, tmp_path / "x")], "1", "now")
    made.seek(0)
    (tmp_path / "into").mkdir()
    with pytest.raises(BadArchive, match="leads outside"):
        unpack(made, tmp_path / "into")


def test_a_link_is_refused(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as tar:
        link = tarfile.TarInfo("nats")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc"
        tar.addfile(link)
    made.seek(0)
    with pytest.raises(BadArchive, match="no plain file"):
        unpack(made, tmp_path)
