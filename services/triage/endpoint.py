"""One request to an embedding endpoint: any server that speaks OpenAI's Embeddings, through the ``openai`` SDK.

Imported only where one is configured: the SDK is a third of an idle triage's memory.
Source: OpenAI API reference, embeddings/create; Ollama's, vLLM's and TEI's pages on OpenAI compatibility.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Final

import httpx2  # what the SDK is built on
import openai

from services.triage.embeddings import Failed, Vector, answer_bytes, read, refused, retry_after

REFUSAL_BYTES: Final = 65_536


class Endpoint:
    """``url`` ends before ``/embeddings``; ``seconds`` is the longest time of one answer."""

    def __init__(self, model: str, *, url: str, key: str, seconds: float) -> None:
        self.model, self._key = model, key
        self._client = openai.AsyncOpenAI(
            api_key=key or "none",  # the SDK refuses an empty key; servers without keys ignore it
            base_url=url,
            max_retries=0,
            timeout=openai.Timeout(seconds, connect=min(10.0, seconds)),
            # A redirect would send reports to an address that nobody configured.
            http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, event_hooks={"response": [_bound]}),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def ask(self, texts: Sequence[str]) -> list[Vector | None]:
        """A vector for each text; None where it is of no use. Raises Failed."""
        try:
            return await asyncio.to_thread(read, await self._answer(texts), len(texts))
        except openai.APIStatusError as error:
            wait = retry_after(error.response.headers.get("retry-after"), datetime.now(UTC))
            raise refused(error.status_code, self._clean(error), wait) from None
        except openai.APITimeoutError:
            raise Failed("no answer in time") from None
        except (openai.APIError, httpx2.HTTPError, ValueError) as error:
            raise Failed(f"{type(error).__name__}: {self._clean(error)[:200]}") from None

    async def _answer(self, texts: Sequence[str]) -> bytes:
        limit = answer_bytes(len(texts))
        found = bytearray()
        asked = self._client.embeddings.with_streaming_response.create(
            model=self.model,
            input=[text.encode("utf-8", "replace").decode() for text in texts],  # a lone surrogate is no UTF-8
            encoding_format="float",
            extra_headers={"Accept-Encoding": "identity"},
        )
        async with asked as response:
            async for piece in response.iter_bytes():
                found += piece
                if len(found) > limit:
                    raise Failed(f"the answer is longer than {limit} bytes")
        return bytes(found)

    def _clean(self, error: Exception) -> str:
        """What the server said, without the key: some repeat it."""
        said = str(getattr(error, "message", "") or error)
        cause = str(error.__cause__ or "")
        said = f"{said} ({cause})" if cause and cause not in said else said
        return said.replace(self._key, "***") if self._key else said


async def _bound(response: httpx2.Response) -> None:
    """The SDK reads an error's body whole: keep that short."""
    if response.status_code >= 300 and isinstance(response.stream, httpx2.AsyncByteStream):
        response.stream = _Bounded(response.stream)


class _Bounded(httpx2.AsyncByteStream):
    """The beginning of a body."""

    def __init__(self, body: httpx2.AsyncByteStream) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        held = 0
        async for piece in self._body:
            yield piece[: REFUSAL_BYTES - held]
            held += len(piece)
            if held >= REFUSAL_BYTES:
                return

    async def aclose(self) -> None:
        await self._body.aclose()
