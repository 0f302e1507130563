"""``backup`` and ``restore``: the data of an embedded instance in one file, while the instance is stopped.

Stopped, because reports lie in SQL and jobs, plans and settings in JetStream: only while nobody writes do the two
belong to the same moment.
"""

import os
import shutil
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import IO, Annotated, Final

import typer

from cli.embedded.archive import BadArchive, Manifest, pack, unpack
from cli.embedded.layout import Layout
from cli.embedded.supervisor import locked
from cli.errors import CliError, Exit
from cli.output import say

DEFAULT: Final = Path(".soulcaster")
DATABASE: Final = "triage.db"
STREAMS: Final = "nats"
KEYS: Final = ("admin.key", "secret.key")
NOT_DATA: Final = frozenset({"up.lock"})

Data = Annotated[Path, typer.Option(help="Data folder of the instance.")]


def backup(
    file: Annotated[Path, typer.Argument(help="The archive to write.")],
    data: Data = DEFAULT,
    with_keys: Annotated[
        bool, typer.Option("--with-keys", help="With admin.key and secret.key: whoever has the file opens all.")
    ] = False,
) -> None:
    """Write the data of a stopped instance to one file.

    Reports, clusters, jobs, plans, settings, patches and logs; not the caches. The keys stay apart unless asked for.
    """
    layout = Layout(data.resolve())
    if not layout.nats.is_dir():
        raise CliError(
            f"{layout.data} holds no instance", next_step="--data names the folder of `soulcaster up`", code=Exit.USAGE
        )
    part = file.with_name(file.name + ".part")
    try:
        with locked(layout), tempfile.TemporaryDirectory(prefix="backup-", dir=layout.data) as scratch:
            members = _members(layout, Path(scratch), with_keys=with_keys)
            with _private(part) as target:
                made = pack(target, members, version("soulcaster"), datetime.now(UTC).isoformat(timespec="seconds"))
                target.flush()
                os.fsync(target.fileno())
        part.replace(file)
    except OSError as error:
        raise CliError(f"cannot write {file}", why=error.strerror or str(error), code=Exit.ERROR) from error
    finally:
        part.unlink(missing_ok=True)
    say(f"Wrote {len(made.files)} files to {file}, {file.stat().st_size / 1e6:.1f} MB.")
    if not with_keys:
        say(f"Its stored secrets open only with {layout.data / 'secret.key'}: keep that apart.")


def restore(
    file: Annotated[Path, typer.Argument(help="An archive of `soulcaster backup`.")],
    data: Data = DEFAULT,
) -> None:
    """Make a data folder from a backup; it must be empty or not exist yet.

    Everything is checked before the folder appears. Without the keys in the archive, put secret.key into the folder.
    """
    folder = data.resolve()
    _check_empty(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with file.open("rb") as source, tempfile.TemporaryDirectory(
            prefix=f".{folder.name}.", dir=folder.parent
        ) as scratch:  # fmt: skip
            fresh = Path(scratch) / "data"
            fresh.mkdir(mode=0o700)
            made = unpack(source, fresh)
            _check_database(fresh)
            _put(fresh, folder)
    except BadArchive as error:
        raise CliError(
            f"{file} is not a whole backup", why=f"{str(error).capitalize()}.", next_step="another copy of it"
        ) from error
    except OSError as error:
        raise CliError(f"cannot restore {file}", why=error.strerror or str(error), code=Exit.ERROR) from error
    _tell(made, folder)


def _members(layout: Layout, scratch: Path, *, with_keys: bool) -> list[tuple[str, Path]]:
    """Name in the archive, and file. The database comes as a copy of its own, with what its log held."""
    found = [(str(path.relative_to(layout.data)), path) for path in sorted(layout.nats.rglob("*")) if path.is_file()]
    database = layout.data / DATABASE
    if database.exists():
        copy = scratch / DATABASE
        with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        found.append((DATABASE, copy))
    keys = [(name, layout.data / name) for name in KEYS if with_keys and (layout.data / name).exists()]
    return [*found, *keys]


def _private(path: Path) -> IO[bytes]:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")


def _check_empty(folder: Path) -> None:
    try:
        held = sorted(path.name for path in folder.iterdir() if path.name not in NOT_DATA)
    except FileNotFoundError:
        return
    except OSError as error:
        raise CliError(f"cannot read {folder}", why=error.strerror or str(error), code=Exit.USAGE) from error
    if held and set(held) - set(KEYS):
        raise CliError(
            f"{folder} is not empty",
            why=f"It holds {held[0]}. A restore never writes over data.",
            next_step="--data NEW_FOLDER, then `soulcaster up --data NEW_FOLDER`",
            code=Exit.CONFLICT,
        )


def _check_database(folder: Path) -> None:
    database = folder / DATABASE
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(f"{database.as_uri()}?immutable=1", uri=True)) as opened:
            (said,) = opened.execute("PRAGMA quick_check").fetchone()
    except sqlite3.DatabaseError as error:
        said = str(error)
    if said != "ok":
        raise BadArchive(f"its database is damaged: {said}")


def _put(fresh: Path, folder: Path) -> None:
    """In one step, so that a folder that is there is whole. Keys that were put there before stay."""
    for name in KEYS:
        if (folder / name).exists():
            shutil.copy2(folder / name, fresh / name)
    if folder.exists():
        shutil.rmtree(folder)
    fresh.rename(folder)


def _tell(made: Manifest, folder: Path) -> None:
    say(f"Restored {len(made.files)} files of {made.made_at} (soulcaster {made.version}) to {folder}.")
    if not (folder / "secret.key").exists():
        say(f"Before you start it, put the instance's secret.key into {folder}: without it no stored secret opens.")
    say(f"Start it: soulcaster up --data {folder}")
