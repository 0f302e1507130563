"""What the models share."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
Text = Annotated[str, StringConstraints(max_length=200_000)]
RepoUrl = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]


class Body(BaseModel):
    """A request body: exact types, unknown fields refused so that a misspelt one is not lost in silence."""

    model_config = ConfigDict(strict=True, extra="forbid")


class OpenBody(BaseModel):
    """A request body whose unknown fields are ignored: old clients send more than we need."""

    model_config = ConfigDict(strict=True, extra="ignore")


class Query(BaseModel):
    """Query parameters; unknown ones are ignored."""

    model_config = ConfigDict(extra="ignore")


class Reply(BaseModel):
    """An answer; it may hold more fields than documented."""

    model_config = ConfigDict(extra="allow")


class Page(Query):
    """Paging of a list."""

    limit: int = Field(default=200, ge=1, le=1000, description="How many at most.")
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before.")


class WrongField(Reply):
    """One field that is wrong."""

    field: str = Field(description="Path of the field, for example `steps[2]`.")
    reason: str


class ProblemDocument(Reply):
    """RFC 9457 problem document; every answer above 399 is one."""

    type: str = Field(description="Where the code is explained.")
    title: str
    status: int
    detail: str = Field(description="What happened and what to do, for people.")
    code: str = Field(description="Stable, for programs.")
    request_id: str
    retryable: bool = Field(description="Whether the same request may work later.")
    errors: list[WrongField] = Field(default_factory=list)


class Ok(Reply):
    """Done."""

    status: Literal["ok"] = "ok"
    project_id: str | None = None


class Anything(Reply):
    """An object as the part of the house that owns it describes it."""

    __pydantic_extra__: dict[str, Any]
