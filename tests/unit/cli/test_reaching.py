"""What the doctor asks of the network: names and connections, to what is configured and nowhere else."""

import asyncio

import pytest

from cli.reaching import Place, configured, reached, through_proxy
from runtime.processes import free_port


def hosts(**environ: str) -> list[str]:
    return [f"{place.host}:{place.port}" for place in configured(environ)]


def test_only_what_is_configured_is_asked_for() -> None:
    assert hosts() == []
    assert hosts(OPENAI_API_KEY="k") == ["api.openai.com:443"]
    assert hosts(OPENAI_BASE_URL="http://127.0.0.1:11434/v1", OPENAI_API_KEY="k") == ["127.0.0.1:11434"]
    assert hosts(GITHUB_TOKEN="t") == ["api.github.com:443", "github.com:443"]
    assert hosts(GITHUB_APP_ID="1", GITHUB_API_URL="https://git.example.org/api/v3") == ["git.example.org:443"]
    assert hosts(SANDBOX="e2b", POSTHOG_API_KEY="k") == ["api.e2b.app:443", "us.posthog.com:443"]
    assert hosts(OPENAI_BASE_URL="http://[::1]:99999/v1") == []


async def test_a_place_that_takes_connections_is_reached_and_nothing_is_sent() -> None:
    got = asyncio.get_running_loop().create_future()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await reached(Place("127.0.0.1", port, "x"), 30) is None
        assert await asyncio.wait_for(got, 30) == b""


async def test_a_closed_port_is_told_in_words() -> None:
    why = await reached(Place("127.0.0.1", free_port(), "x"), 30)
    assert why is not None
    assert "127.0.0.1" in why


def test_behind_a_proxy_the_proxy_has_to_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    place = Place("api.openai.com", 443, "the model")
    assert through_proxy(place) == place
    monkeypatch.setenv("https_proxy", "http://proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    assert through_proxy(place) == Place("proxy.example.org", 3128, "https_proxy")
    near = Place("127.0.0.1", 11434, "the model")
    assert through_proxy(near) == near
