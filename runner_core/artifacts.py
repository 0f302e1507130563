"""Names of what an attempt leaves in the object store, and storing it."""

from dataclasses import dataclass

from messaging.ports import Objects
from schemas.attempts import RunnerTask
from schemas.base import encode
from schemas.jobs import Report


@dataclass(frozen=True, slots=True)
class Keys:
    """Object names of one attempt."""

    patch: str
    bundle: str
    report: str


def keys(task: RunnerTask) -> Keys:
    tail = f"{task.project_id}/{task.job_id}/{task.attempt}"
    return Keys(patch=f"patches/{tail}.diff", bundle=f"bundles/{tail}.bundle", report=f"reports/{tail}.json")


def bundle_of(patch_key: str) -> str:
    """The bundle that a stored patch was made from."""
    return patch_key.replace("patches/", "bundles/", 1).removesuffix(".diff") + ".bundle"


def attempt_of(bundle_key: str) -> int:
    """The attempt that saved a bundle; 0 for a key that names none."""
    number = bundle_key.rpartition("/")[2].removesuffix(".bundle")
    return int(number) if number.isdecimal() else 0


def belongs(key: str, task: RunnerTask) -> bool:
    """Whether an artifact is of the task's own project."""
    parts = key.split("/")
    return len(parts) == 4 and parts[1] == task.project_id and ".." not in parts


async def store_report(objects: Objects, task: RunnerTask, report: Report) -> None:
    await objects.put(keys(task).report, encode(report))
