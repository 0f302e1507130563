"""What a route is. One table of these drives routing, authorisation, validation, OpenAPI and the reference page."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from services.gateway.auth import Principal, Role
from services.gateway.reading import MIB

if TYPE_CHECKING:
    from services.gateway.context import Gateway


class NoQuery(BaseModel):
    """No parameters but ``project_id``."""

    model_config = ConfigDict(extra="ignore")


@dataclass(slots=True)
class Call:
    """One request after authentication and validation. ``body`` and ``query`` are instances of the route's models."""

    gateway: "Gateway"
    request: web.Request
    route: "Route"
    principal: Principal | None
    project_id: str = ""
    raw: bytes = b""
    body: Any = None
    query: Any = None

    def path(self, name: str) -> str:
        """A path parameter."""
        return self.request.match_info[name]

    @property
    def who(self) -> str:
        """The caller's name, for histories."""
        return self.principal.name if self.principal else "webhook"


@dataclass(frozen=True, slots=True)
class Answer:
    """A value to send as JSON with another status or more headers than the route's own."""

    value: Any
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the table.

    ``role`` is the least role, None opens the route to all. ``instance``: concerns all projects, so a key of one
    project does not reach it. ``signed``: a webhook; its handler checks the source's own signature over the raw body.
    ``body`` is validated, ``raw_body`` is any JSON object for the handler to check. ``starts_work``: takes
    ``Idempotency-Key``; ``takes``: other request headers it reads. ``answer`` is a pydantic model, a wire struct or a
    list of one, ``media`` what it is sent as, ``headers`` those of the answer. ``also`` are the problem statuses it may
    answer with beside those that follow from the rest.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    role: Role | None
    answer: Any = None
    project: bool = True
    instance: bool = False
    query: type[BaseModel] = NoQuery
    body: type[BaseModel] | None = None
    body_optional: bool = False
    raw_body: bool = False
    signed: bool = False
    starts_work: bool = False
    status: int = 200
    also: tuple[int, ...] = ()
    media: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    takes: tuple[str, ...] = ()
    limit: int = MIB

    @property
    def name(self) -> str:
        """The operation id: the handler's name."""
        return getattr(self.handler, "__name__", "operation")

    @property
    def reads_body(self) -> bool:
        """Whether a request body is read at all."""
        return self.body is not None or self.raw_body
