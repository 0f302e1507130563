"""Tasks, repositories and bundles as an attempt meets them."""

import os
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from runner_core.source import Base, Source
from schemas.attempts import RunnerTask
from schemas.clusters import Cluster
from schemas.jobs import Limits
from schemas.plans import CandidateFile, Plan

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
JOB = "01JOB0000000000000000000AA"


def git(folder: Path, *arguments: str) -> str:
    """stdout of git with a person's identity and no configuration of the machine."""
    person = {f"GIT_{r}_{p}": v for r in ("AUTHOR", "COMMITTER") for p, v in (("NAME", "t"), ("EMAIL", "t@t.invalid"))}
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
    }
    done = subprocess.run(
        ["git", *arguments], cwd=folder, env=environ | person, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def repository(folder: Path, files: dict[str, str] | None = None) -> Path:
    """A bare repository, branch main, one commit."""
    work = folder / "work"
    work.mkdir(parents=True)
    git(work, "init", "-q", "-b", "main")
    for name, text in (
        files or {"shop/pricing.py": "def parse(text):\n    return float(text)\n", "README.md": "shop\n"}
    ).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "first")
    git(folder, "clone", "-q", "--bare", str(work), str(folder / "origin.git"))
    return folder / "origin.git"


async def base_of(origin: Path, scratch: Path) -> Base:
    """The base an attempt starts from."""
    scratch.mkdir(parents=True)  # noqa: ASYNC240 - a test's own folder
    return await Source(scratch / "mirrors").base(str(origin), "main", "", scratch=scratch, credentials=None)


def bundle_of(base: Base, folder: Path, change: Callable[[Path], None]) -> bytes:
    """What a sandbox hands out after ``change`` was done to the workspace: one commit on the snapshot."""
    work = folder / "sandbox"
    git(folder, "clone", "-q", "-b", "base", str(base.git.folder), str(work))
    change(work)
    git(work, "add", "-A")
    git(work, "commit", "-q", "-m", "work")
    git(work, "branch", "-f", "work")
    git(work, "bundle", "create", "-q", "out.bundle", "origin/base..work")
    return (work / "out.bundle").read_bytes()


def task(
    origin: str, base_commit: str = "0" * 40, *, title: str = "Fix parse of prices", **changes: object
) -> RunnerTask:
    """A task for ``origin``; keyword arguments replace fields."""
    plan = Plan(
        id="p1",
        project_id="default",
        cluster_id="c1",
        version=1,
        title=title,
        summary="parse refuses commas",
        candidate_files=[CandidateFile(path="shop/pricing.py")],
        repo_url=origin,
        base_branch="main",
        base_commit=base_commit,
        created_at=AT,
        updated_at=AT,
    )
    cluster = Cluster(
        id="c1",
        project_id="default",
        revision=1,
        title=title,
        count=3,
        sources=["sentry"],
        created_at=AT,
        updated_at=AT,
    )
    fields: dict[str, object] = {
        "job_id": JOB,
        "project_id": "default",
        "cluster_id": "c1",
        "runner": "sandbox_kilo",
        "attempt": 1,
        "cluster": cluster,
        "plan": plan,
        "repo_url": origin,
        "base_branch": "main",
        "base_commit": base_commit,
        "branch": f"soulcaster/{JOB.lower()}",
        "limits": Limits(),
        "deadline": AT + timedelta(hours=1),
        "created_at": AT,
    }
    return RunnerTask(**(fields | changes))  # type: ignore[arg-type]
