"""What the gateway keeps: projects, users, keys, source settings, and the lock of one live fix per cluster."""

from typing import Any, Literal

from schemas.base import Message, Timestamp
from schemas.jobs import FixRequest, Remark


class Project(Message, frozen=True, kw_only=True):
    """KV ``projects``, key ``project.<project>``. ``settings`` are per source; secrets inside are sealed."""

    id: str
    name: str
    user_id: str
    created_at: Timestamp
    default_repo_url: str | None = None
    settings: dict[str, Any] = {}


class User(Message, frozen=True, kw_only=True):
    """KV ``projects``, key ``user.<user>``."""

    id: str
    email: str | None = None
    github_id: str | None = None
    created_at: Timestamp
    default_project_id: str


class ApiKey(Message, frozen=True, kw_only=True):
    """KV ``projects``, key ``key.<id>``: the hash of an API key; the key itself is shown once and never stored."""

    id: str
    digest: str
    project_id: str | None  # None: every project
    role: str
    name: str = ""
    created_at: Timestamp
    expires_at: Timestamp | None = None
    revoked: bool = False


class FixLock(Message, frozen=True, kw_only=True):
    """KV ``projects``, key ``fix.<project>.<cluster>``: the intent to fix, written before the request is published.

    It holds the whole request, so whoever finds it without a job publishes the same request again with the same id.
    """

    job_id: str
    request: FixRequest
    created_at: Timestamp


class NextFollowUp(Message, frozen=True, kw_only=True):
    """KV ``projects``, key ``next.<hash>``: what was said of a job's pull request while its cluster had a live job."""

    job_id: str
    project_id: str
    cluster_id: str
    delivery: str
    reason: Literal["review", "checks"]
    author: str
    at: Timestamp
    sha: str = ""
    remarks: list[Remark] = []


class IdempotentAnswer(Message, frozen=True, kw_only=True):
    """KV ``projects``, key ``idem.<project>.<hash>`` (24 h): the answer to a POST that started work."""

    body_hash: str
    status: int
    body: str
    created_at: Timestamp


class SealedSecret(Message, frozen=True, kw_only=True):
    """KV ``secrets`` (memory, TTL), key ``<job>``: the user's GitHub token, sealed; deleted when the job ends."""

    sealed: str
    created_at: Timestamp
