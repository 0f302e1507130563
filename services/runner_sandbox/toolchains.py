"""Which tools of this machine a local sandbox shows, read-only: ``/usr``, and toolchains that live outside it."""

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ETC = (
    "alternatives",
    "ssl",
    "pki",
    "ca-certificates",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "java",
)
SYSTEM_PATH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
EVERYWHERE = frozenset(Path(name) for name in ("/", "/home", "/root", "/etc", "/var", "/opt", "/tmp"))  # noqa: S108


@dataclass(frozen=True, slots=True)
class Toolchains:
    """``roots`` are bound read-only at their own paths; ``path`` is the PATH inside; ``python`` runs our relay."""

    roots: tuple[Path, ...]
    path: str
    python: Path


def detect(extra: Iterable[str] = ()) -> Toolchains:
    """This Python's installation, node's when outside /usr, and ``extra`` folders (a ``bin`` below goes on PATH)."""
    python = _base_python()
    folders = [Path(sys.base_prefix).resolve(), *_node_root(), *(Path(name).resolve() for name in extra if name)]
    roots = [
        folder for folder in dict.fromkeys(folders) if not folder.is_relative_to("/usr") and folder not in EVERYWHERE
    ]
    bins = [str(root / "bin") if (root / "bin").is_dir() else str(root) for root in roots]
    return Toolchains(roots=tuple(roots), path=":".join([*bins, *SYSTEM_PATH]), python=python)


def _base_python() -> Path:
    """The interpreter below any virtual environment, as ``resolve`` finds it."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidate = Path(sys.base_prefix) / "bin" / version
    return (candidate if candidate.exists() else Path(sys.executable)).resolve()


def _node_root() -> list[Path]:
    node = shutil.which("node")
    return [Path(node).resolve().parent.parent] if node else []


def etc_binds() -> list[str]:
    """Existing parts of /etc that programs need to start; nothing with accounts, keys or hosts."""
    return [str(path) for name in ETC if (path := Path("/etc") / name).exists()]


def system_links() -> list[tuple[str, str]]:
    """(target, link) for the top-level names that are symlinks into /usr here."""
    names = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
    return [(os.readlink(f"/{name}"), f"/{name}") for name in names if Path(f"/{name}").is_symlink()]


def system_folders() -> list[str]:
    """/usr, and the top-level names that are real folders here (systems without a merged /usr)."""
    names = ("bin", "sbin", "lib", "lib32", "lib64")
    plain = [f"/{name}" for name in names if Path(f"/{name}").is_dir() and not Path(f"/{name}").is_symlink()]
    return ["/usr", *plain]
