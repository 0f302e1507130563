"""The sample shop as a bare Git repository with a short history."""

import os
import shutil
import subprocess
from pathlib import Path

SAMPLE = Path(__file__).parent / "sample"
_HISTORY = (
    (
        "2026-10-02T09:00:00+00:00",
        "Prices, a cart and a checkout",
        ("README.md", "pyproject.toml", "shop", "tests/__init__.py"),
    ),
    ("2026-11-18T15:30:00+00:00", "Test the checkout and the prices", ("tests", ".soulcaster.yml")),
)


def create(target: Path) -> Path:
    """Make ``target`` (a bare repository, branch main) from the sample's files; the same commits each time."""
    work = target.with_name(target.name + ".work")
    for folder in (target, work):
        shutil.rmtree(folder, ignore_errors=True)
    work.mkdir(parents=True)
    _git(work, "init", "--quiet", "--initial-branch=main")
    for date, subject, paths in _HISTORY:
        for name in paths:
            source = SAMPLE / name
            if source.is_dir():
                ignore = shutil.ignore_patterns("__pycache__")
                shutil.copytree(source, work / name, dirs_exist_ok=True, ignore=ignore)
            else:
                (work / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, work / name)
        _git(work, "add", "--all")
        _git(work, "commit", "--quiet", "--message", subject, date=date)
    _git(work, "clone", "--quiet", "--bare", str(work), str(target))
    shutil.rmtree(work)
    return target


def _git(folder: Path, *arguments: str, date: str = "2026-10-02T09:00:00+00:00") -> None:
    person = {"NAME": "Corner Shop", "EMAIL": "dev@corner.example"}
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{role}_{part}": value for role in ("AUTHOR", "COMMITTER") for part, value in person.items()},
        "GIT_AUTHOR_DATE": date,
        "GIT_COMMITTER_DATE": date,
    }
    subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, timeout=60)
