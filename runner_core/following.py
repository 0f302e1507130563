"""A follow-up: from what was said of a pull request to one more commit on its branch."""

from runner_core import pull_text
from runner_core.bench import Bench
from runner_core.outcomes import AttemptFailed, Outcome
from runner_core.protocols import Followed
from runner_core.source import Base
from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.jobs import FollowUp


async def look(bench: Bench, wanted: FollowUp) -> Followed:
    """The pull request with what there is to answer. Raises ForgeError, AttemptFailed when there is nothing."""
    found = await bench.kit.publisher.followed(bench.task, bench.own_token, bench.tell)
    if not found.remarks:
        reason = "Nobody who may write to the repository has said anything of the pull request since the last commit."
        raise AttemptFailed(Failure(kind="no_changes", reason=reason, action="Comment on it, as one who may write."))
    said = "failing checks" if wanted.reason == "checks" else "remarks"
    await bench.pipe.system(f"following up {found.pull.url}, round {wanted.round}: {len(found.remarks)} {said}")
    return found


async def done_before(bench: Bench, base: Base, followed: Followed) -> Outcome | None:
    """Success when an earlier attempt of this job has pushed its commit and died before it could tell."""
    message = await base.git.text("log", "-1", "--format=%B", base.commit)
    if pull_text.marker(bench.task.job_id) in message.splitlines():
        await bench.pipe.system("an earlier attempt of this job has pushed its commit")
        await bench.lease.publish()
        return Outcome("success", pr_url=followed.pull.url, branch=followed.target.branch)
    return None


def outdated(task: RunnerTask, base: Base) -> Failure | None:
    """Why checks that failed are not worth repairing: the branch has moved on from the commit they ran on."""
    wanted = task.follow_up
    if wanted is None or wanted.reason != "checks" or not wanted.sha or wanted.sha == base.commit:
        return None
    reason = f"The checks failed on commit {wanted.sha[:12]}; the branch is at {base.commit[:12]} by now."
    return Failure(kind="no_changes", reason=reason, action="If they fail there too, that starts another follow-up.")
