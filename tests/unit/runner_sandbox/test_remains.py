"""What killed runners leave behind is found again, and nothing that lives is touched."""

import os
import time
from pathlib import Path

import msgspec

from runner_core.holding import Hold
from runner_core.protocols import Tag
from services.runner_sandbox import cgroups
from services.runner_sandbox.local import find, make_folders
from services.runner_sandbox.remains import Remains
from tests.support.eventually import eventually

TAG = Tag("sandbox_kilo", "J", 1)


async def test_half_made_and_half_removed_folders_go_and_live_ones_stay(tmp_path: Path) -> None:
    for name in (".new-one", "half-removed"):
        (tmp_path / name / "workspace").mkdir(parents=True)
    made = make_folders(tmp_path / "made", TAG)
    (tmp_path / ".new-now").mkdir()
    being_made = Hold.make(tmp_path / ".new-now" / "lock")
    await Remains(tmp_path, "", seconds=0.0).clear()
    assert sorted(os.listdir(tmp_path)) == [".new-now", "made"]
    made.release()
    being_made.release()
    assert [found.id for found in find(tmp_path, "sandbox_kilo", ())] == ["made"]
    assert msgspec.json.decode((tmp_path / "made" / "tag.json").read_bytes(), type=Tag) == TAG


async def test_what_is_young_may_be_somebody_s(tmp_path: Path) -> None:
    (tmp_path / ".new-one").mkdir()
    await Remains(tmp_path, "", seconds=60.0).clear()
    assert (tmp_path / ".new-one").exists()


async def test_an_empty_control_group_is_removed_once_it_was_empty_for_a_while(tmp_path: Path) -> None:
    name = f"test-{os.getpid()}-{time.monotonic_ns()}"
    group = cgroups.create(name, 64 * 1024**2, 8)
    remains = Remains(tmp_path, "", seconds=0.05, groups=name)

    async def gone() -> None:
        await remains.clear()
        assert cgroups.existing(name).folders == ()

    await eventually(gone)  # at once where this user can make none
    assert group is None or not any(folder.exists() for folder in group.folders)
