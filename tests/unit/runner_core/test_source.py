"""Where the base commit comes from."""

import asyncio
import threading
from pathlib import Path

import pytest

from runner_core.git import Git, GitError
from runner_core.holding import Hold, is_held
from runner_core.source import Source, SourceError, remote_url
from tests.support.attempts import git, repository


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("git@github.com:a/b", "no supported address"),
        ("ext::sh -c id", "no supported address"),
        ("ssh://h/x", "no supported address"),
        ("../up", "no supported address"),
        ("https://user:secret@github.com/a/b", "user name or password"),
    ],
)
def test_an_address_that_could_run_or_tell_something_is_refused(url: str, word: str) -> None:
    with pytest.raises(SourceError, match=word) as refused:
        remote_url(url)
    assert refused.value.failure.kind == "repository"
    assert "secret" not in refused.value.failure.reason


def test_a_path_becomes_a_file_address() -> None:
    assert remote_url("/srv/a b.git") == "file:///srv/a%20b.git"


async def test_the_snapshot_is_one_commit_with_the_tree_of_the_base_and_no_history(tmp_path: Path) -> None:
    origin = repository(tmp_path)
    base = await Source(tmp_path / "m").base(str(origin), "main", "", scratch=tmp_path / "s", credentials=None)
    assert await base.git.text("rev-list", "--count", base.snapshot) == "1"
    assert await base.git.text("rev-parse", f"{base.snapshot}^{{tree}}") == git(origin, "rev-parse", "main^{tree}")
    assert base.commit == git(origin, "rev-parse", "main")
    again = await Source(tmp_path / "m").base(
        str(origin), "main", base.commit, scratch=tmp_path / "t", credentials=None
    )
    assert again.snapshot == base.snapshot


async def test_attempts_side_by_side_share_one_mirror(tmp_path: Path) -> None:
    origin, source = repository(tmp_path), Source(tmp_path / "m")
    bases = await asyncio.gather(
        *(source.base(str(origin), "main", "", scratch=tmp_path / str(n), credentials=None) for n in range(4))
    )
    assert len({base.snapshot for base in bases}) == 1
    assert len(list((tmp_path / "m").glob("*.git"))) == 1


@pytest.mark.parametrize("branch", ["--upload-pack=x", "a..b", "nowhere"])
async def test_a_branch_that_is_none_is_named(tmp_path: Path, branch: str) -> None:
    origin = repository(tmp_path)
    with pytest.raises(SourceError, match=branch.replace("..", r"\.\.")):
        await Source(tmp_path / "m").base(str(origin), branch, "", scratch=tmp_path / "s", credentials=None)


async def test_git_ends_with_its_time_and_its_output(tmp_path: Path) -> None:
    await Git(tmp_path)("init", "-q", "--bare", ".")
    with pytest.raises(GitError, match="more than 5 bytes"):
        await Git(tmp_path)("help", "-a", limit=5)
    with pytest.raises(GitError, match="no end after"):
        await Git(tmp_path)("-c", "alias.wait=!sleep 30", "wait", timeout=0.3)


def test_a_lock_is_held_until_its_release(tmp_path: Path) -> None:
    hold = Hold.make(tmp_path / "lock")
    assert is_held(tmp_path / "lock")
    hold.release()
    hold.release()
    assert not is_held(tmp_path / "lock")
    assert not is_held(tmp_path / "nothing")
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_no_lock_is_ever_seen_free_while_its_owner_lives_however_often_it_is_looked_at(tmp_path: Path) -> None:
    over, seen_free = threading.Event(), []

    def look() -> None:
        while not over.is_set():
            for path in list(tmp_path.iterdir()):
                if not is_held(path):
                    if not path.name.startswith("."):
                        seen_free.append(path.name)
                    path.unlink(missing_ok=True)

    watcher = threading.Thread(target=look)
    watcher.start()
    holds = [Hold.make(tmp_path / f"{number}.lock") for number in range(300)]
    over.set()
    watcher.join()
    assert seen_free == []
    assert all(is_held(tmp_path / f"{number}.lock") for number in range(300))
    for hold in holds:
        hold.release()
