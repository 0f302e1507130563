"""What triage wants of a model, and the one way it gets it: any OpenAI-compatible endpoint through the ``openai`` SDK.

Imported only where a model is configured: the SDK is a third of an idle triage's memory.
Source: OpenAI API reference, chat/create and structured outputs; Ollama's and vLLM's pages on OpenAI compatibility.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import httpx2  # what the SDK is built on
import msgspec
import openai

ANSWER_TOKENS: Final = 600
Format = Literal["json_schema", "json_object", "none"]
_FORMATS: Final[tuple[Format, ...]] = ("json_schema", "json_object", "none")


class Unanswered(Exception):
    """No answer; the reason is for people. ``wait``: seconds that the server asked to be left alone."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.wait = reason, wait


class OpenAIModel:
    """``seconds`` is the longest time of one answer."""

    def __init__(self, name: str, *, key: str, base_url: str, seconds: float) -> None:
        self.name, self._seconds = name, seconds
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",  # the SDK refuses an empty key; servers without keys ignore it
            base_url=base_url or None,
            max_retries=0,
            timeout=openai.Timeout(seconds, connect=min(10.0, seconds)),
        )
        self._format: Format = "json_schema"
        self._limit = "max_tokens"

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(self, messages: Sequence[dict[str, str]], schema: dict[str, Any]) -> str:
        """The answer's text. Raises Unanswered."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._in_some_form(messages, schema)
        except (TimeoutError, openai.APITimeoutError):
            raise Unanswered(f"no answer within {self._seconds:.0f} s") from None
        except openai.APIStatusError as error:
            raise Unanswered(f"HTTP {error.status_code}: {str(error.message)[:200]}", _retry_after(error)) from error
        except (openai.APIError, httpx2.HTTPError, msgspec.MsgspecError, ValueError) as error:
            raise Unanswered(f"{type(error).__name__}: {str(error)[:200]}") from error

    async def _in_some_form(self, messages: Sequence[dict[str, str]], schema: dict[str, Any]) -> str:
        """The first refusal of a parameter changes the form, and the next question starts with what worked."""
        while True:
            try:
                return await self._once(messages, schema)
            except openai.APIStatusError as error:
                if error.status_code not in (400, 415, 422, 501) or not self._simpler(str(error.message).lower()):
                    raise

    def _simpler(self, said: str) -> bool:
        if "max_completion_tokens" in said and self._limit == "max_tokens":
            self._limit = "max_completion_tokens"
        elif self._format != "none":
            self._format = _FORMATS[_FORMATS.index(self._format) + 1]
        else:
            return False
        return True

    async def _once(self, messages: Sequence[dict[str, str]], schema: dict[str, Any]) -> str:
        given: dict[str, Any] = {"model": self.name, self._limit: ANSWER_TOKENS}
        if self._format == "json_schema":
            wanted = {"name": "words", "strict": True, "schema": schema}
            given["response_format"] = {"type": "json_schema", "json_schema": wanted}
        elif self._format == "json_object":
            given["response_format"] = {"type": "json_object"}
        create = cast(Any, self._client.chat.completions.create)
        completion = await create(messages=list(messages), **given)
        choices = getattr(completion, "choices", None)
        if not choices:
            raise Unanswered("the answer is no completion")
        if refusal := getattr(choices[0].message, "refusal", None):
            raise Unanswered(f"it refuses: {str(refusal)[:200]}")
        return str(choices[0].message.content or "")


def _retry_after(error: openai.APIStatusError) -> float | None:
    try:
        return float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return None
