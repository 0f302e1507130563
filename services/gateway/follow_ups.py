"""What becomes of a pull request of ours at GitHub: merged or closed, its cluster follows; reviewed or failing its
checks, a bounded number of follow-ups where the project wants them.

Nothing polls: an event starts a follow-up, or waits in KV ``projects`` for the one under way to end.
"""

from contextlib import aclosing
from typing import Any, Final

import msgspec

from messaging.ports import CaughtUp
from runtime import ids, logs
from schemas import subjects
from schemas.base import decode
from schemas.clusters import Cluster
from schemas.jobs import TERMINAL, FollowUp, JobStatus
from schemas.projects import NextFollowUp, Project
from schemas.similarity import address
from services.gateway import fixing, pull_events
from services.gateway.context import Gateway
from services.gateway.fixing import Wish
from services.gateway.intake import Taken
from services.gateway.job_index import JobView
from services.gateway.problems import Problem, invalid
from services.gateway.pull_events import Closed, Failing, Ignored, Spoken
from services.gateway.source_settings import stored
from sources import Malformed
from sources.reading import Node

log = logs.logger("gateway.follow_ups")
ENDED: Final = frozenset({"resolved", "dismissed"})


async def take(gateway: Gateway, project: Project, name: str, payload: Any, delivery: str) -> Taken:
    """One verified delivery. Problem 422 for a payload that is not what it should be, 503 without triage."""
    try:
        event = pull_events.read(name, Node(payload).as_object())
    except Malformed as why:
        raise invalid(why.field, why.reason) from why
    if isinstance(event, Ignored):
        return Taken("filtered", message=event.reason)
    if isinstance(event, Closed):
        return await _closed(gateway, project, event)
    root = _root(gateway, project.id, event)
    if root is None:
        return Taken("filtered", message="No job of this project opened that pull request.")
    return await _follow(gateway, project, root, _mark(root, delivery, event))


def _root(gateway: Gateway, project: str, event: Spoken | Failing) -> JobView | None:
    """The job that opened the pull request."""
    return _of_url(gateway, project, event.url) if isinstance(event, Spoken) else _of_branch(gateway, project, event)


def _of_url(gateway: Gateway, project: str, url: str) -> JobView | None:
    found = (view for view in gateway.jobs.newest(project) if view.pr_url == url and view.request.follow_up is None)
    return next(found, None)


def _of_branch(gateway: Gateway, project: str, event: Failing) -> JobView | None:
    for view in gateway.jobs.newest(project):
        same = view.branch == event.branch and address(view.request.repo_url) == address(event.repo_url)
        if same and view.pr_url and view.request.follow_up is None:
            return view
    return None


def _mark(root: JobView, delivery: str, event: Spoken | Failing) -> NextFollowUp:
    return NextFollowUp(
        job_id=root.id,
        project_id=root.project_id,
        cluster_id=root.cluster_id,
        delivery=delivery,
        reason="review" if isinstance(event, Spoken) else "checks",
        author=event.by if isinstance(event, Spoken) else event.remark.author,
        at=event.at if isinstance(event, Spoken) else root.created_at,
        sha="" if isinstance(event, Spoken) else event.sha,
        remarks=[] if isinstance(event, Spoken) else [event.remark],
    )


async def _closed(gateway: Gateway, project: Project, event: Closed) -> Taken:
    """Merged: the cluster is resolved. Closed: it is new again. What a person decided meanwhile stays."""
    root = _of_url(gateway, project.id, event.url)
    if root is None:
        return Taken("filtered", message="No job of this project opened that pull request.")
    for view in _rounds(gateway, root):
        if not view.terminal:
            await fixing.cancel(gateway, project.id, view.id, f"{event.url} was closed", event.by)
    cluster = await _cluster(gateway, project.id, root.cluster_id)
    if cluster is None or cluster.github_pr_url != event.url or cluster.status in ENDED:
        return Taken("duplicate", root.id, "The cluster is past that pull request.")
    how = "merged" if event.merged else "closed without being merged"
    reason = f"Pull request {event.url} was {how} by {event.by or 'somebody'}."
    if not event.merged and cluster.status == "new":
        return Taken("duplicate", root.id, reason)
    changes = {"status": "resolved" if event.merged else "new", "reason": reason}
    await gateway.triage.ask("cluster_edit", project.id, id=cluster.id, changes=changes, actor=f"github:{event.by}")
    log.info("pull_request.closed", project_id=project.id, cluster_id=cluster.id, merged=event.merged, job_id=root.id)
    return Taken("ok", root.id, reason)


async def _cluster(gateway: Gateway, project_id: str, cluster_id: str) -> Cluster | None:
    """None when its reports belong to another one by now."""
    found = await gateway.bus.last(subjects.CLUSTERS, subjects.cluster(project_id, cluster_id))
    cluster = decode(found.data, Cluster) if found else None
    return cluster if cluster is not None and cluster.count else None


def _rounds(gateway: Gateway, root: JobView) -> list[JobView]:
    """The follow-ups of a pull request, newest first."""
    return [
        view
        for view in gateway.jobs.newest(root.project_id)
        if view.request.follow_up is not None and view.request.follow_up.of == root.id
    ]


async def _follow(gateway: Gateway, project: Project, root: JobView, mark: NextFollowUp) -> Taken:
    limit = stored(project, "fix").get("follow_ups") or 0
    if not limit:
        return Taken("filtered", message='Follow-ups are off for this project: PATCH /projects/{id} {"follow_ups": 3}.')
    rounds = _rounds(gateway, root)
    if any(view.id == fixing.id_of(project.id, _key(mark)) for view in rounds):
        return Taken("duplicate", message="This delivery was taken before.")
    if any(not view.terminal for view in rounds):
        return await _later(gateway, mark)
    used = sum(1 for view in rounds if view.status == "success" or view.usage.requests > 0)
    if used >= limit:
        return Taken("filtered", root.id, f"This pull request has had its {limit} follow-ups.")
    return await _start(gateway, project, mark, rounds, used + 1)


async def _later(gateway: Gateway, mark: NextFollowUp) -> Taken:
    """Kept until the job under way ends. One is enough: a review's words are read from GitHub then."""
    await gateway.directory.next_follow_ups.put(_name(mark.project_id, mark.cluster_id), mark)
    return Taken("ok", message="A fix of this cluster is under way; the follow-up starts when it has ended.")


async def _start(gateway: Gateway, project: Project, mark: NextFollowUp, rounds: list[JobView], number: int) -> Taken:
    job = await fixing.job_of(gateway, project.id, mark.job_id)
    last = max((view.request.follow_up.at for view in rounds if view.request.follow_up), default=job.created_at)
    wish = Wish(
        cluster_id=job.cluster_id,
        requested_by=f"github:{mark.author}"[:200],
        key=_key(mark),
        runner=job.runner,
        agent=job.request.agent,
        repo_url=job.request.repo_url,
        base_branch=job.request.base_branch,
        limits=job.request.limits,
        force=True,
        plan=job.plan,
        follow_up=FollowUp(
            of=job.id,
            pr_url=job.pr_url or "",
            number=_number(job.pr_url or ""),
            branch=job.branch or "",
            round=number,
            reason=mark.reason,
            since=last,
            at=max(mark.at, last),
            sha=mark.sha,
            remarks=mark.remarks,
        ),
    )
    cluster = await _cluster(gateway, project.id, job.cluster_id) or job.request.cluster
    try:
        started = await fixing.start(gateway, project, wish, cluster)
    except Problem as why:
        if why.status == 409:  # another fix of the cluster, or a follow-up that another replica started just now
            return await _later(gateway, mark)
        if why.status != 429:
            raise
        return Taken("filtered", job.id, why.detail)
    return Taken("ok", started, f"Follow-up {number} of pull request {job.pr_url} was started.")


def _number(url: str) -> int:
    last = url.rstrip("/").rpartition("/")[2]
    return int(last) if last.isdigit() else 0


def _key(mark: NextFollowUp) -> str:
    return f"follow-up {mark.job_id} {mark.delivery}"


def _name(project_id: str, cluster_id: str) -> str:
    return ids.derived("next", project_id, cluster_id)


class _Ended(msgspec.Struct, frozen=True):
    """What is read of a record to see that a job has ended."""

    project_id: str
    cluster_id: str
    status: JobStatus


async def run(gateway: Gateway) -> None:
    """Start what waited for a job to end, until cancelled. Every replica does; the started job's id is the same."""
    shelf = gateway.directory.next_follow_ups
    await shelf.ready.wait()
    started = False
    async with aclosing(gateway.bus.state(subjects.KV_JOBS, _Ended).watch()) as changes:
        async for entry in changes:
            if isinstance(entry, CaughtUp):
                started = True
                for mark in list(shelf.values.values()):
                    await _waited(gateway, mark)
            elif started and entry.value is not None and entry.value.status in TERMINAL:
                waiting = shelf.values.get(_name(entry.value.project_id, entry.value.cluster_id))
                if waiting is not None:
                    await _waited(gateway, waiting)


async def _waited(gateway: Gateway, mark: NextFollowUp) -> None:
    project = await gateway.directory.projects.find(mark.project_id)
    view = await gateway.jobs.state.get(subjects.key(mark.project_id, mark.job_id))
    if project is None or view is None or view.value is None:
        return
    taken = await _follow(gateway, project, view.value, mark)
    still = taken.outcome == "ok" and taken.id is None  # put back: another job is under way again
    if not still:
        await gateway.directory.next_follow_ups.drop(_name(mark.project_id, mark.cluster_id))
    log.info(
        "follow_up.next", job_id=mark.job_id, project_id=mark.project_id, outcome=taken.outcome, told=taken.message
    )
