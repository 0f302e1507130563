"""What the repository says about itself (``.soulcaster.yml``), applied to the attempt before anything of it runs."""

from msgspec import structs

from runner_core.allowed_hosts import Allowed
from runner_core.bench import Bench
from runner_core.git import GitError
from runner_core.outcomes import AttemptFailed
from runner_core.repository_settings import BYTES, FILE, BadSettings, RepositorySettings, parse
from runner_core.setting_up import SetUp
from runner_core.source import Base
from schemas.errors import Failure
from schemas.plans import Plan


async def look(bench: Bench, base: Base) -> None:
    """Read the file at the base commit and follow it. Raises AttemptFailed (class repository) when it is wrong."""
    found = await _read(bench, base)
    plan = _followed(bench.task.plan, found)
    bench.task = structs.replace(bench.task, plan=plan)
    hosts = bench.kit.setup_hosts
    bench.protected = tuple(found.protected)
    bench.setup = SetUp(
        commands=tuple(plan.setup_commands),
        allowed=Allowed(own=hosts, asked=tuple(found.network)),
        socket=bench.folder / "setup.sock" if hosts and plan.setup_commands else None,
    )


async def _read(bench: Bench, base: Base) -> RepositorySettings:
    commit = await _commit(bench, base)
    try:
        data = await base.git("cat-file", "blob", f"{commit}:{FILE}", limit=BYTES + 1)
    except GitError as error:
        if "bytes of output" not in str(error):
            return RepositorySettings()  # the base commit has none
        data = b" " * (BYTES + 1)
    try:
        found = parse(data)
    except BadSettings as error:
        raise AttemptFailed(_bad(str(error), commit)) from error
    await bench.pipe.system(f"following {FILE} of {commit[:12]}")
    return found


async def _commit(bench: Bench, base: Base) -> str:
    """Of a follow-up, whose base is a branch that an agent wrote, the commit that the first fix began from."""
    planned = bench.task.plan.base_commit
    if bench.followed is not None and planned and await base.git.succeeds("cat-file", "-e", f"{planned}^{{commit}}"):
        return planned
    return base.commit


def _followed(plan: Plan, found: RepositorySettings) -> Plan:
    """The repository's word counts more than what the planner found, a person's edit of the plan more than both."""
    changes: dict[str, object] = {}
    if found.setup is not None and "setup_commands" not in plan.edited_fields:
        changes["setup_commands"] = list(found.setup)
    if found.test and "test_command" not in plan.edited_fields:
        changes["test_command"] = found.test
    return structs.replace(plan, **changes)


def _bad(why: str, commit: str) -> Failure:
    return Failure(
        kind="repository",
        reason=f"{FILE} of commit {commit[:12]} cannot be used: {why}.",
        action="Repair it on the base branch (docs/how-to/repository-settings.md), then start again from a new plan.",
    )
