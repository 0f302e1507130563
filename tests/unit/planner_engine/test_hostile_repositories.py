"""Repositories that are empty, broken, huge or set traps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from services.planner.grounding.draft import draft_plan
from services.planner.grounding.model import Report
from services.planner.localise import RepositoryError, RepositoryIndex, rank
from services.planner.localise.store import store_path
from tests.unit.planner_engine.workshop import Workshop

REPORT = Report("Crash in total_price", "total_price raises")


def test_an_unknown_revision_says_what_why_and_what_next(shop: Workshop) -> None:
    with pytest.raises(RepositoryError) as caught:
        RepositoryIndex.build(shop.path, "nowhere")
    assert caught.value.kind == "unknown_revision"
    assert "nowhere" in caught.value.what
    assert caught.value.next_step


@pytest.mark.parametrize("rev", ["--upload-pack=x", "", " ", "HEAD:shop", "a\0b"])
def test_a_revision_that_is_an_option_or_no_commit_is_refused(shop: Workshop, rev: str) -> None:
    with pytest.raises(RepositoryError, match="Unknown revision"):
        RepositoryIndex.build(shop.path, rev)


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(RepositoryError) as caught:
            RepositoryIndex.build(path, "HEAD")
        assert caught.value.kind == "not_a_repository"


def test_a_repository_without_commits_is_an_unknown_revision(workshop: Workshop) -> None:
    with pytest.raises(RepositoryError, match="Unknown revision"):
        RepositoryIndex.build(workshop.path, "HEAD")


def test_an_empty_tree_gives_an_honest_plan(workshop: Workshop) -> None:
    workshop.commit({})
    plan = draft_plan(RepositoryIndex.build(workshop.path, "main"), [REPORT])
    assert plan.candidate_files == []
    assert plan.confidence == 0
    assert any("no source code" in note for note in plan.notes)


def test_binary_broken_pointer_minified_and_long_files_do_no_harm(workshop: Workshop) -> None:
    workshop.commit(
        {
            "src/image.py": b"\0\1\2" * 1000,
            "src/latin.py": "def total_price():\n    return 'caf\xe9'\n".encode("latin-1"),
            "src/pointer.py": "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
            "src/app.js": "function a(){return 1};" * 20_000,
            "src/huge.py": "x = 1\n" * 300_000,
            "src/odd\tname\n.py": "def other():\n    pass\n",
            "src/carriage.py": "def one():\r\n    pass\r\n",
        }
    )
    candidates = rank(RepositoryIndex.build(workshop.path, "main"), "total_price is wrong")
    assert candidates[0].path == "src/latin.py"
    assert not {"src/image.py", "src/pointer.py", "src/app.js"} & {c.path for c in candidates}
    assert "src/huge.py" in {c.path for c in candidates}


def test_a_binary_only_repository_has_no_candidates(workshop: Workshop) -> None:
    workshop.commit({"a.bin": b"\0" * 100, "b.py": b"\0" * 100})
    assert rank(RepositoryIndex.build(workshop.path, "main"), "anything") == []


def test_symlinks_and_submodules_are_not_followed(workshop: Workshop, new_workshop: Callable[[str], Workshop]) -> None:
    inner = new_workshop("inner")
    inner.commit({"secret.py": "def total_price(): ...\n"})
    os.symlink("loop", workshop.path / "loop")
    os.symlink("/etc/passwd", workshop.path / "passwd.py")
    workshop.git("submodule", "add", "-q", str(inner.path), "vendored")
    workshop.commit({"a.py": "def other():\n    pass\n"})
    index = RepositoryIndex.build(workshop.path, "main")
    assert [c.path for c in rank(index, "total_price")] == ["a.py"]
    assert index.tree.submodules == ["vendored"]
    assert set(index.tree.symlinks) == {"loop", "passwd.py"}
    assert index.read("passwd.py") is None


def test_bare_and_shallow_clones_work(shop: Workshop, tmp_path: Path) -> None:
    shop.git("clone", "-q", "--bare", str(shop.path), str(tmp_path / "bare.git"))
    shop.git("clone", "-q", "--depth", "1", f"file://{shop.path}", str(tmp_path / "shallow"))
    for path, shallow in ((tmp_path / "bare.git", False), (tmp_path / "shallow", True)):
        index = RepositoryIndex.build(path, "HEAD")
        assert index.shallow is shallow
        assert rank(index, "send_receipt fails")[0].path == "shop/mailer.py"
    plan = draft_plan(RepositoryIndex.build(tmp_path / "shallow", "HEAD"), [REPORT])
    assert any("hallow" in note for note in plan.notes)


def test_objects_missing_from_a_partial_clone_are_never_fetched(shop: Workshop, tmp_path: Path) -> None:
    shop.git("config", "uploadpack.allowFilter", "true")
    shop.git("clone", "-q", "--bare", "--filter=blob:none", f"file://{shop.path}", str(tmp_path / "partial"))
    index = RepositoryIndex.build(tmp_path / "partial", "HEAD")
    assert len(index.unreadable) == 5
    assert rank(index, "send_receipt fails") == []
    assert any("missing from this clone" in note for note in draft_plan(index, [REPORT]).notes)


def test_nothing_the_repository_configures_is_run(shop: Workshop, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {marker}\ncat\n")
    trap.chmod(0o755)
    shop.commit({".gitattributes": "*.py filter=evil diff=evil\n"})
    for key in ("core.fsmonitor", "filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "diff.external",
                "gpg.program", "core.pager", "core.sshCommand", "alias.log", "uploadpack.packObjectsHook"):  # fmt: skip
        shop.git("config", key, str(trap))
    shop.git("config", "log.showSignature", "true")
    shop.git("config", "core.hooksPath", str(tmp_path))
    plan = draft_plan(RepositoryIndex.build(shop.path, "main"), [REPORT])
    assert plan.candidate_files
    assert not marker.exists()


def test_a_branch_that_moves_while_indexing_does_not_mix_commits(shop: Workshop) -> None:
    index = RepositoryIndex.build(shop.path, "main")
    before = index.commit
    shop.commit({"shop/mailer.py": "x = 1\n"}, "Move on")
    assert index.read("shop/mailer.py") != "x = 1\n"
    assert len(index.commits) == 3
    assert draft_plan(index, [REPORT]).base_commit == before


def test_only_changed_blobs_are_analysed_again(shop: Workshop, tmp_path: Path) -> None:
    assert RepositoryIndex.build(shop.path, "main", tmp_path / "cache").analysed_blobs == 5
    shop.commit({"shop/search.py": "def find_everything():\n    return []\n"})
    assert RepositoryIndex.build(shop.path, "main", tmp_path / "cache").analysed_blobs == 1


def test_a_damaged_cache_is_set_aside(shop: Workshop, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    RepositoryIndex.build(shop.path, "main", cache).close()
    path = store_path(cache, shop.path / ".git")
    for leftover in cache.iterdir():
        leftover.unlink()
    path.write_bytes(b"this is no database" * 1000)
    assert rank(RepositoryIndex.build(shop.path, "main", cache), "send_receipt")[0].path == "shop/mailer.py"


def test_commit_messages_with_control_characters_forge_nothing(shop: Workshop) -> None:
    forged = f"Nice\n\n\x01{'a' * 40}\x021700000000\x02Eve\x02Forged\x03\nshop/mailer.py"
    shop.git("commit", "-q", "--allow-empty", "-F", "-", stdin=forged.encode())
    index = RepositoryIndex.build(shop.path, "main")
    assert len(index.commits) == 4
    assert all(len(c.sha) == 40 and c.sha != "a" * 40 for c in index.commits)


@pytest.mark.parametrize(
    "piece", ["a", "a.", "a/", " ", "\n", "`", "<!-- ", "at a.", "A", "1.", "x.js:", "(", "\u202e"]
)
@pytest.mark.timeout(60)  # what is not linear takes minutes here
def test_a_hostile_report_is_read_in_linear_time(shop: Workshop, piece: str) -> None:
    index = RepositoryIndex.build(shop.path, "main")
    assert draft_plan(index, [Report("t", piece * (60_000 // len(piece)))]).base_commit == index.commit


def test_git_is_started_without_the_callers_environment(shop: Workshop, tmp_path: Path) -> None:
    script = (
        "import sys; from services.planner.localise import RepositoryIndex;"
        "print(len(RepositoryIndex.build(sys.argv[1], 'main').sources))"
    )
    environment = {
        **os.environ,
        "GIT_DIR": str(tmp_path),
        "GIT_OBJECT_DIRECTORY": str(tmp_path),
        "GIT_TRACE": str(tmp_path / "t"),
    }
    root = Path(__file__).parents[3]
    answer = subprocess.run(
        [sys.executable, "-c", script, str(shop.path)], env=environment, cwd=root, capture_output=True, check=True
    )
    assert answer.stdout.strip() == b"5"
    assert not (tmp_path / "t").exists()
