"""One file of an instance's data: a gzipped tar whose last member, ``manifest.json``, names all others with their sums.

An archive that was cut off has no manifest, so what is incomplete is never taken for whole. Read as data: members are
plain files at paths that are checked, never links, devices or paths that lead outside.
"""

import hashlib
import io
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, Final

import msgspec

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
MANIFEST_MOST: Final = 64 * 1024 * 1024
PIECE: Final = 1024 * 1024


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """``files``: SHA-256 in hex by path. ``made_at`` in ISO 8601, UTC."""

    format: int
    made_at: str
    version: str
    files: dict[str, str]


class BadArchive(Exception):
    """The file is no archive of ours, or not a whole one; says why."""


def pack(file: IO[bytes], members: list[tuple[str, Path]], version: str, made_at: str) -> Manifest:
    """Write ``members`` (name in the archive, file) and the manifest. The files must not change meanwhile.

    Level 1: most of it is compressed already.
    """
    sums: dict[str, str] = {}
    with tarfile.open(fileobj=file, mode="w:gz", compresslevel=1, format=tarfile.PAX_FORMAT) as tar:
        for name, path in members:
            with path.open("rb") as source:
                size = path.stat().st_size
                reader = _Summed(source)
                tar.addfile(_plain(name, size), reader)
                sums[name] = reader.sum.hexdigest()
        manifest = Manifest(format=FORMAT, made_at=made_at, version=version, files=sums)
        data = msgspec.json.encode(manifest)
        tar.addfile(_plain(MANIFEST, len(data)), io.BytesIO(data))
    return manifest


def unpack(file: IO[bytes], folder: Path) -> Manifest:
    """Write all files below ``folder``, which is empty. Raises BadArchive; what was written then is of no use."""
    sums: dict[str, str] = {}
    manifest: Manifest | None = None
    try:
        with tarfile.open(fileobj=file, mode="r|gz") as tar:
            for member in tar:
                if manifest is not None:
                    raise BadArchive("something follows its manifest")
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise BadArchive(f"{member.name[:200]!r} in it is no plain file")
                if member.name == MANIFEST:
                    manifest = _manifest(content.read(MANIFEST_MOST))
                else:
                    sums[member.name] = _write(content, folder / _inside(member.name))
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise BadArchive(f"it cannot be read: {error}") from error
    if manifest is None:
        raise BadArchive("it has no manifest: it was not written to its end")
    if manifest.files != sums:
        wrong = sorted(name for name in {*manifest.files, *sums} if manifest.files.get(name) != sums.get(name))
        raise BadArchive(f"{wrong[0]!r} is not as it was written")
    return manifest


class _Summed:
    """A file that is summed as it is read."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self.sum = source, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(size)
        self.sum.update(data)
        return data


def _plain(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    return info


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise BadArchive(f"{name[:200]!r} leads outside")
    return str(path)


def _write(content: IO[bytes], path: Path) -> str:
    found = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as target:
        path.chmod(0o600)
        while piece := content.read(PIECE):
            found.update(piece)
            target.write(piece)
    return found.hexdigest()


def _manifest(data: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except msgspec.DecodeError as error:
        raise BadArchive(f"its manifest cannot be read: {error}") from error
    if manifest.format != FORMAT:
        raise BadArchive(f"it has format {manifest.format}, and this version reads {FORMAT}")
    return manifest
