"""Files in folders that an agent writes."""

import os
from pathlib import Path

import pytest

from services.runner_sandbox import files


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    files.write(tmp_path, "a/b/c", b"data", executable=True)
    assert files.read(tmp_path, "a/b/c", 100) == b"data"
    assert os.access(tmp_path / "a/b/c", os.X_OK)


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a/../../x", ""])
def test_a_path_that_leaves_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(files.NotAFile):
        files.read(tmp_path, path, 100)
    with pytest.raises(files.NotAFile):
        files.write(tmp_path, path, b"x", executable=False)


def test_no_symlink_is_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "out/secret").write_bytes(b"secret")
    (root / "folder").symlink_to(tmp_path / "out")
    (root / "file").symlink_to(tmp_path / "out/secret")
    for path in ("folder/secret", "file"):
        with pytest.raises(files.NotAFile):
            files.read(root, path, 100)
    with pytest.raises(files.NotAFile):
        files.write(root, "folder/new", b"x", executable=False)
    files.write(root, "file", b"mine", executable=False)  # the link is replaced, not followed
    assert (tmp_path / "out/secret").read_bytes() == b"secret"


def test_only_regular_files_up_to_the_limit_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "big").write_bytes(b"x" * 101)
    for path in ("pipe", "folder", "missing"):
        with pytest.raises(files.NotAFile):
            files.read(tmp_path, path, 100)
    with pytest.raises(files.TooBig):
        files.read(tmp_path, "big", 100)


async def test_a_tree_goes_whatever_its_depth_and_modes(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "kept").write_text("kept")
    (root / "link").symlink_to(tmp_path)
    here = os.getcwd()
    os.chdir(root)
    for _ in range(1500):
        os.mkdir("deep")
        os.chdir("deep")
    os.chdir(here)
    os.chmod(root, 0)
    await files.remove_tree(root)
    await files.remove_tree(root)
    assert not root.exists()
    assert (tmp_path / "kept").exists()
