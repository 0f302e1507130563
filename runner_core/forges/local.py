"""The local forge: for a repository given as a path or ``file://`` URL the pull request is a record of ours.

The branch is pushed into the repository; the record lies in the object store as ``pulls/<project>/<job>.json`` and is
served by the gateway at the pull request's URL. The name is the job's, so there is one whatever happens.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import UTC, datetime
from typing import Literal

import msgspec

from messaging.ports import Objects
from runner_core.protocols import Followed, ForgeError, Pull, PullDraft, Target, Tell, untold
from runner_core.pull_text import marker
from schemas.attempts import RunnerTask
from schemas.errors import Failure


class PullRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What ``GET /pulls/<project>/<job>`` shows."""

    number: str
    project_id: str
    job_id: str
    cluster_id: str
    repo_url: str
    title: str
    body: str
    head: str
    base: str
    commit: str
    url: str
    state: str = "open"
    draft: bool = True
    marker: str
    created_at: datetime


class LocalForge:
    """Keeps pull requests in the object store."""

    name = "local"

    def __init__(self, objects: Objects, public_url: str) -> None:
        self._objects, self._public_url = objects, public_url.rstrip("/")

    def handles(self, repo_url: str) -> bool:
        return repo_url.startswith(("/", "file://"))

    def at_work(self, repo_url: str) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def credential(
        self, repo_url: str, given: str | None, purpose: Literal["fetch", "publish"], tell: Tell = untold
    ) -> str | None:
        return given

    async def target(self, task: RunnerTask, token: str | None, tell: Tell = untold) -> Target:
        return Target(task.repo_url, task.branch, "")

    async def find(self, task: RunnerTask, target: Target, token: str | None, tell: Tell = untold) -> Pull | None:
        data = await self._objects.get(_name(task))
        if data is None:
            return None
        record = msgspec.json.decode(data, type=PullRecord)
        return Pull(url=record.url, number=record.number, state=record.state)

    async def open(
        self, task: RunnerTask, target: Target, draft: PullDraft, token: str | None, tell: Tell = untold
    ) -> Pull:
        url = f"{self._public_url}/pulls/{task.project_id}/{task.job_id}"
        record = PullRecord(
            number=task.job_id,
            project_id=task.project_id,
            job_id=task.job_id,
            cluster_id=task.cluster_id,
            repo_url=task.repo_url,
            title=draft.title,
            body=draft.body,
            head=draft.head,
            base=draft.base,
            commit=draft.commit,
            url=url,
            marker=marker(task.job_id),
            created_at=datetime.now(UTC),
        )
        await self._objects.put(_name(task), msgspec.json.encode(record))
        return Pull(url=url, number=task.job_id, state="open")

    async def followed(self, task: RunnerTask, token: str | None, tell: Tell = untold) -> Followed:
        reason = "A local pull request has no reviews and no checks to follow up."
        raise ForgeError(Failure(kind="repository", reason=reason, action="Start another fix instead."))


def _name(task: RunnerTask) -> str:
    return f"pulls/{task.project_id}/{task.job_id}.json"
