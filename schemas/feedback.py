"""One report as it came in, whatever its source."""

from typing import Any, Literal

from schemas.base import Message, Part, Timestamp

Source = Literal["reddit", "sentry", "manual", "github", "splunk", "posthog", "datadog"]
Trust = Literal["public", "authenticated", "staff"]  # who could have written it: anyone, a signed-in user, our team


class Frame(Part, frozen=True, kw_only=True):
    """One stack frame, innermost last in a list of frames."""

    file: str = ""
    function: str = ""
    line: int | None = None
    module: str = ""
    in_app: bool | None = None
    code: str = ""


class FeedbackItem(Message, frozen=True, kw_only=True):
    """``feedback.<project>.<source>``: a normalised report.

    ``external_id`` is the source's own id of the report; with project and source it is unique in triage's database.
    ``fingerprint`` is the source's own grouping key (a Sentry issue id), the strongest clustering evidence.
    ``event`` tells a new report from a change of one already known (GitHub sync).
    """

    id: str
    project_id: str
    source: Source
    external_id: str
    title: str
    body: str = ""
    raw_text: str = ""
    metadata: dict[str, Any] = {}
    created_at: Timestamp
    repo: str | None = None  # owner/name
    github_repo_url: str | None = None
    github_issue_number: int | None = None
    github_issue_url: str | None = None
    status: Literal["open", "closed"] = "open"
    event: Literal["created", "updated"] = "created"
    fingerprint: str | None = None
    stacktrace: str | None = None
    frames: list[Frame] = []
    exception_type: str | None = None
    level: str | None = None
    environment: str | None = None
    release: str | None = None
    trust: Trust = "public"
    user: str | None = None  # an opaque id of the affected user, for counting users only
    received_at: Timestamp | None = None
