"""Projects, users, keys, sessions, settings, runners and dead letters."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from services.gateway.shapes.base import Body, OpenBody, Query, Reply, RepoUrl, Token

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Secret = Annotated[str, StringConstraints(strip_whitespace=True, min_length=8, max_length=1000)]
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Words = Annotated[list[Word], Field(max_length=200)]
ForkMode = Literal["auto", "never"]
RoleName = Literal["ingest", "viewer", "triager", "operator", "admin"]


class Service(Reply):
    """That it runs."""

    status: str
    service: str
    docs: str | None = None


class HealthReport(Reply):
    """Whether the parts answer; 503 when one does not."""

    status: Literal["healthy", "unhealthy"]
    service: str
    environment: str
    storage: str
    timestamp: datetime
    checks: dict[str, str] = Field(default_factory=dict)


class Ready(Reply):
    """Whether work can be taken in and done."""

    status: Literal["ok", "unready"]
    checks: dict[str, str]


class NewUser(OpenBody):
    """A user; at least one of the two, the same answer for the same user."""

    email: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=320)] | None = None
    github_id: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)] | None = None


class User(Reply):
    """A user."""

    id: str
    email: str | None
    github_id: str | None
    created_at: datetime


class Project(Reply):
    """A project."""

    id: str
    user_id: str
    name: str
    created_at: datetime
    default_repo_url: str | None = None
    runner: str | None = None
    agent: str | None = None
    concurrency: int | None = None
    fork: ForkMode | None = None
    follow_ups: int | None = None
    budget: dict[str, Any] | None = None


class BudgetIn(Body):
    """What a project may spend; null: no limit. Days and months are those of UTC."""

    tokens_day: int | None = Field(default=None, ge=0, le=10**12)
    tokens_month: int | None = Field(default=None, ge=0, le=10**12)
    usd_day: float | None = Field(default=None, ge=0, le=10**9)
    usd_month: float | None = Field(default=None, ge=0, le=10**9)


class BudgetLine(Reply):
    """One period; `*_left` is null where there is no limit."""

    period: Literal["day", "month"]
    refills_at: datetime
    tokens_spent: int
    tokens_limit: int | None
    tokens_left: int | None
    usd_spent: float
    usd_limit: float | None
    usd_left: float | None
    unpriced_tokens: int = Field(
        description="Of models without a price in MODEL_PRICES: they count as tokens, not as money."
    )


class ProjectBudget(Reply):
    """What the project has spent and has left."""

    project_id: str
    spent: bool = Field(description="Whether nothing may be started until it refills.")
    periods: list[BudgetLine]


class UserMade(Reply):
    """The user and its first project."""

    user: User
    default_project: Project


class ProjectQuery(Query):
    """Whose projects."""

    user_id: str | None = Field(default=None, max_length=200)


class Projects(Reply):
    """Projects the caller may see."""

    projects: list[Project]


class NewProject(OpenBody):
    """A project; the same one again for the same owner is no error."""

    name: Name
    user_id: Token
    project_id: Token | None = Field(default=None, description="`user_id` when missing.")
    default_repo_url: RepoUrl | None = None


class ProjectMade(Reply):
    """The project."""

    project: Project


class ProjectEdit(Body):
    """What may be changed."""

    name: Name | None = None
    default_repo_url: RepoUrl | None = None
    runner: Token | None = Field(default=None, description="Runner of this project's fixes; null for the default one.")
    agent: Token | None = Field(default=None, description="Agent of this project's fixes; null for the runner's.")
    concurrency: int | None = Field(default=None, ge=1, le=1000, description="Fixes at once; null for the default.")
    fork: ForkMode | None = Field(
        default=None, description="`auto`: push to a fork where the token may not write; null: as the runner is set."
    )
    budget: BudgetIn | None = Field(default=None, description="Replaces the whole budget; null: no limits.")
    follow_ups: int | None = Field(
        default=None,
        ge=0,
        le=10,
        description="How often reviews and failing checks of one pull request start another commit; null or 0: never.",
    )


class NewKey(Body):
    """An API key."""

    name: Name
    role: RoleName = "viewer"
    project_id: Token | None = Field(default=None, description="None: every project.")
    days: int = Field(default=365, ge=1, le=365, description="How long it works.")


class Key(Reply):
    """A key without its secret."""

    id: str
    name: str
    role: RoleName
    project_id: str | None
    created_at: datetime
    expires_at: datetime | None
    revoked: bool


class KeyMade(Key):
    """A new key; `key` is shown this once."""

    key: str


class Keys(Reply):
    """Keys."""

    items: list[Key]


class SignIn(OpenBody):
    """A key to exchange for a browser session."""

    key: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]


class SessionQuery(Query):
    """What the session is asked about."""

    project_id: Token | None = Field(default=None, description="`role` and `may` are those in this project.")


class SignInQuery(Query):
    """Where to go afterwards."""

    next: str | None = Field(default=None, max_length=500, description="A path of this gateway's page.")


class CallbackQuery(Query):
    """What GitHub sends back."""

    code: str | None = Field(default=None, max_length=500)
    state: str | None = Field(default=None, max_length=500)
    error: str | None = Field(default=None, max_length=200)
    error_description: str | None = Field(default=None, max_length=1000)


class SessionInfo(Reply):
    """Who is signed in and what they may do."""

    name: str
    login: str | None = Field(default=None, description="The GitHub login of a person.")
    role: str = Field(description="In the project asked about, else in `default_project`; empty when it is closed.")
    may: list[RoleName] = Field(default_factory=list, description="The least roles of the routes that are open.")
    roles: dict[str, str] = Field(default_factory=dict, description="Roles by project of a person not in all of them.")
    project_id: str | None = Field(description="The only project of the caller, None for several and for all.")
    default_project: str | None
    kind: str
    sign_in: list[str] = Field(default_factory=list, description="Ways to sign in here: `key`, `github`.")
    github_sign_in: bool = False


class NewMember(Body):
    """A GitHub login or organisation, and its role in the project."""

    kind: Literal["user", "org"] = "user"
    name: Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,38}$")]
    role: RoleName = "viewer"


class Member(Reply):
    """A line of the list. `from` is `project`, or `installation` for GITHUB_ALLOWED_LOGINS."""

    kind: Literal["user", "org"]
    name: str
    role: RoleName


class Members(Reply):
    """Who may sign in with GitHub."""

    items: list[Member]
    project_id: str
    sign_in: list[str]


class SecretIn(OpenBody):
    """A secret to store; the one before keeps working for rotation."""

    secret: Secret


class TokenIn(OpenBody):
    """A token to store; the one before keeps working for rotation."""

    token: Secret


class SearchesIn(OpenBody):
    """Names of saved searches to take in; an empty list takes none."""

    searches: Words | None


class MonitorsIn(OpenBody):
    """Monitor ids to take in; `*` for all."""

    monitors: Words | None


class EventsIn(OpenBody):
    """Event types to take in."""

    event_types: Words | None = None
    events: Words | None = None


class EnvironmentsIn(OpenBody):
    """Environments to take in; empty for all."""

    environments: Words | None


class LevelsIn(OpenBody):
    """Levels to take in; empty for all."""

    levels: Words | None


class SubredditsIn(OpenBody):
    """Subreddits to poll."""

    subreddits: Annotated[list[str], Field(max_length=100)]  # none at all is answered 400, as ever


class Subreddits(Reply):
    """Subreddits polled."""

    subreddits: list[str]
    project_id: str


class EnabledIn(OpenBody):
    """Whether reports of the source are taken in."""

    enabled: bool


class Enabled(Reply):
    """Whether reports of the source are taken in."""

    enabled: bool


class SourceSettingsIn(OpenBody):
    """Settings of a source; those left out stay."""

    enabled: bool | None = None
    webhook_secret: Secret | None = None
    webhook_token: Secret | None = None
    secret: Secret | None = None
    token: Secret | None = None
    environments: Words | None = None
    allowed_environments: Words | None = None
    levels: Words | None = None
    allowed_levels: Words | None = None
    searches: Words | None = None
    allowed_searches: Words | None = None
    monitors: Words | None = None
    allowed_monitors: Words | None = None
    event_types: Words | None = None
    events: Words | None = None
    repos: Words | None = None
    poll: bool | None = Field(
        default=None, description="PostHog: read the installation's PostHog project into this one."
    )


class SecretState(Reply):
    """A secret as it is shown: never the secret."""

    set: bool
    last4: str | None = None
    count: int = Field(default=0, description="How many are active; two during a rotation.")


class SourceSettings(Reply):
    """Settings of a source."""

    enabled: bool
    project_id: str
    secret: SecretState


class Runners(Reply):
    """Runners alive."""

    items: list[dict[str, Any]]


class DeadQuery(Query):
    """Which dead letters."""

    service: Token | None = None
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=100)


class DeadLetters(Reply):
    """What nobody could process, with the reason."""

    items: list[dict[str, Any]]
    next_cursor: str | None
