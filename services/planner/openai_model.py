"""Any OpenAI-compatible endpoint through the ``openai`` SDK (Chat Completions, streamed).

Servers differ in what they accept. The first refusal of a parameter changes the dialect, and the next plan starts with
what worked. Sources: OpenAI API reference (chat/create, structured outputs), Ollama's and vLLM's pages on OpenAI
compatibility.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Literal, cast

import httpx2  # what the SDK is built on: a stream that breaks raises its errors
import msgspec
import openai

from runner_core.metering import Tokens, usage_of
from services.planner.asking import Answered, ModelFailure

_RETRIED: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_PAUSE: Final = 30.0
_ANSWER_LIMIT: Final = 400_000  # characters; more is a server that does not end
_DIALECTS: Final = 6
_TOO_LONG: Final = (
    "context length",
    "context_length",
    "maximum context",
    "too many tokens",
    "prompt is too long",
    "context window",
)


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to ask; durations in seconds."""

    name: str
    key: str = ""
    base_url: str = ""
    seconds: float = 180.0
    silence_seconds: float = 60.0
    retries: int = 3
    backoff_seconds: float = 1.0
    slots: int = 4
    answer_tokens: int = 6_000


class Dialect(msgspec.Struct, frozen=True):
    """What a server was found to accept."""

    format: Literal["json_schema", "json_object", "none"] = "json_schema"
    limit: Literal["max_completion_tokens", "max_tokens"] = "max_tokens"
    usage: bool = True
    stream: bool = True


class _Again(Exception):
    """Worth another try after ``delay`` seconds (None: the usual back-off)."""

    def __init__(self, failure: ModelFailure, delay: float | None = None) -> None:
        super().__init__(failure.reason)
        self.failure, self.delay = failure, delay


class OpenAIModel:
    """Implements asking.Model."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.name, self._at = endpoint.name, endpoint
        self._client = openai.AsyncOpenAI(
            api_key=endpoint.key or "none",  # the SDK refuses an empty key; servers without keys ignore it
            base_url=endpoint.base_url or None,
            max_retries=0,
            timeout=openai.Timeout(
                endpoint.seconds, connect=min(10.0, endpoint.seconds), read=endpoint.silence_seconds
            ),
        )
        self._slots = asyncio.Semaphore(endpoint.slots)
        self._dialect = Dialect()

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(
        self, messages: Sequence[dict[str, str]], schema: dict[str, Any], progress: Callable[[int], Awaitable[None]]
    ) -> Answered:
        async with self._slots:
            for attempt in range(self._at.retries + 1):
                try:
                    async with asyncio.timeout(self._at.seconds):
                        return await self._in_some_dialect(messages, schema, progress)
                except TimeoutError:
                    raise self._failure(f"gave no whole answer within {self._at.seconds:.0f} s", _SLOW) from None
                except _Again as again:
                    if attempt == self._at.retries:
                        raise again.failure from again
                    await asyncio.sleep(self._pause(attempt, again.delay))
        raise AssertionError("the last attempt returns or raises")

    def _pause(self, attempt: int, asked: float | None) -> float:
        backoff = self._at.backoff_seconds * 2**attempt * random.uniform(0.75, 1.25)  # noqa: S311  (no secret)
        return float(min(_LONGEST_PAUSE, max(backoff, asked or 0.0)))

    async def _in_some_dialect(
        self, messages: Sequence[dict[str, str]], schema: dict[str, Any], progress: Callable[[int], Awaitable[None]]
    ) -> Answered:
        for _ in range(_DIALECTS):
            dialect = self._dialect
            try:
                return await self._once(dialect, messages, schema, progress)
            except openai.APIStatusError as error:
                simpler = simpler_dialect(dialect, error.status_code, str(error.message))
                if simpler is None:
                    raise self._refused(error) from error
                self._dialect = simpler
            except openai.APITimeoutError as error:
                raise self._failure(
                    "did not answer in time", _SLOW, str(error)
                ) from error  # a repeat would wait as long
            except (openai.APIConnectionError, httpx2.HTTPError) as error:
                raise _Again(self._failure(f"cannot be reached: {_why(error)}", _DOWN, str(error))) from error
            except (openai.APIError, ValueError) as error:  # an error inside the stream, or no JSON in it
                raise _Again(self._failure("answered something that is no completion", _GARBAGE, str(error))) from error
        raise self._failure("refuses every form of the question", _GARBAGE)

    async def _once(
        self,
        dialect: Dialect,
        messages: Sequence[dict[str, str]],
        schema: dict[str, Any],
        progress: Callable[[int], Awaitable[None]],
    ) -> Answered:
        given = parameters(dialect, self._at.name, self._at.answer_tokens, schema)
        create = cast(Any, self._client.chat.completions.create)
        if not dialect.stream:
            return self._whole(await create(messages=list(messages), **given))
        parts: list[str] = []
        size, ended, chunks = 0, "", 0
        used: Tokens | None = None
        stream = await create(messages=list(messages), **given)
        try:
            async for chunk in stream:
                chunks += 1
                used = _used(getattr(chunk, "usage", None)) or used
                for choice in chunk.choices or []:
                    self._not_refused(choice.delta)
                    piece = getattr(choice.delta, "content", None) or ""
                    parts.append(piece)
                    size += len(piece)
                    ended = choice.finish_reason or ended
                await progress(size)
                if size > _ANSWER_LIMIT:
                    ended = "length"
                    break
        finally:
            await stream.close()
        if not chunks:  # a server that ignores ``stream`` answers with one document, which reads as no events
            self._dialect = msgspec.structs.replace(dialect, stream=False)
            return await self._once(self._dialect, messages, schema, progress)
        if not ended:
            raise _Again(self._failure("was cut off in the middle of its answer", _DOWN))
        return self._judged("".join(parts), ended, used)

    def _whole(self, completion: Any) -> Answered:
        choices = getattr(completion, "choices", None)
        if not choices:
            raise _Again(self._failure("answered something that is no completion", _GARBAGE))
        self._not_refused(choices[0].message)
        content, ended = choices[0].message.content or "", choices[0].finish_reason or "stop"
        return self._judged(content, ended, _used(completion.usage))

    def _judged(self, text: str, ended: str, used: Tokens | None) -> Answered:
        if ended == "content_filter":
            raise self._failure("was stopped by its content filter", "Choose another model, or plan without one.")
        return Answered(text=text, cut=ended == "length", used=used)

    def _not_refused(self, message: Any) -> None:
        if refusal := getattr(message, "refusal", None):
            raise self._failure(f"refused: {str(refusal)[:200]}", "Choose another model, or plan without one.")

    def _refused(self, error: openai.APIStatusError) -> Exception:
        status, said = error.status_code, str(error.message)[:500]
        if status in (400, 413, 422) and any(word in said.lower() for word in _TOO_LONG):
            return ModelFailure(f"The question is too long for {self.name}.", _LONG, said, too_long=True)
        if status == 429 and "quota" in f"{getattr(error, 'code', '')} {said}".lower():
            return self._failure("refuses: the account's quota is used up", "Add credit, or use another key.", said)
        if status in _RETRIED:
            failure = self._failure(_status_words(status), _DOWN, said)
            return _Again(failure, retry_after(error.response.headers.get("retry-after")))
        if status in (401, 403):
            return self._failure(f"refuses the key (HTTP {status})", "Check OPENAI_API_KEY of the planner.", said)
        if status == 404:
            return self._failure("is not known there (HTTP 404)", "Check OPENAI_MODEL and OPENAI_BASE_URL.", said)
        return self._failure(f"refuses the question (HTTP {status})", _GARBAGE, said)

    def _failure(self, what: str, action: str, detail: str = "") -> ModelFailure:
        where = f" at {self._at.base_url}" if self._at.base_url else ""
        return ModelFailure(f"The model {self.name}{where} {what}.", action, detail)


_SLOW: Final = "Try again, choose a faster model, or raise MODEL_SECONDS of the planner."
_DOWN: Final = "Check that the model's server runs and OPENAI_BASE_URL is right, then generate again."
_GARBAGE: Final = "Check that OPENAI_BASE_URL ends in the API's path (often /v1); see docs/how-to/models.md."
_LONG: Final = "Choose a model with a larger context window, or lower MODEL_PLAN_TOKENS."


def parameters(dialect: Dialect, model: str, answer_tokens: int, schema: dict[str, Any]) -> dict[str, Any]:
    """The request's parameters besides its messages."""
    given: dict[str, Any] = {"model": model, dialect.limit: answer_tokens, "stream": dialect.stream}
    if dialect.stream and dialect.usage:
        given["stream_options"] = {"include_usage": True}
    if dialect.format == "json_schema":
        given["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "plan", "strict": True, "schema": schema},
        }
    elif dialect.format == "json_object":
        given["response_format"] = {"type": "json_object"}
    return given


def simpler_dialect(dialect: Dialect, status: int, said: str) -> Dialect | None:
    """What to try after a refusal, by the parameter that the server's words name; None when it is not about that."""
    said = said.lower()
    if status not in (400, 404, 415, 422, 501) or any(word in said for word in _TOO_LONG):
        return None
    change = msgspec.structs.replace
    if "max_completion_tokens" in said and dialect.limit == "max_tokens":
        return change(dialect, limit="max_completion_tokens")
    if "stream_options" in said or "include_usage" in said:
        return change(dialect, usage=False) if dialect.usage else None
    if status == 404:
        return None
    if dialect.format == "json_schema":
        return change(dialect, format="json_object")
    return change(dialect, format="none") if dialect.format == "json_object" else None


def retry_after(value: str | None) -> float | None:
    """Seconds of a Retry-After header; dates are not used by model servers and count as none."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


def _used(usage: Any) -> Tokens | None:
    """The server's own count; None where it tells none."""
    if usage is None:
        return None
    return usage_of({"usage": usage.model_dump()})


def _status_words(status: int) -> str:
    return "is rate limited (HTTP 429)" if status == 429 else f"fails (HTTP {status})"


def _why(error: Exception) -> str:
    cause = error.__cause__ or error
    return (str(cause) or type(cause).__name__)[:200]
