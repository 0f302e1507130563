"""Whether the hosts that are configured can be reached: a name, a TCP connection, and nothing is sent."""

import asyncio
import socket
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

SECONDS: Final = 3.0
OPENAI: Final = "https://api.openai.com"
GITHUB: Final = "https://api.github.com"
PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class Place:
    """``why`` is the variable that names it, or for which it is needed."""

    host: str
    port: int
    why: str


def configured(environ: Mapping[str, str]) -> list[Place]:
    """Where services of this environment go; of vendors only those that something is set for. Each place once."""
    found: dict[tuple[str, int], str] = {}
    for url, why in _urls(environ):
        parts = urlsplit(url)
        port = _port(url)
        if parts.hostname and port:
            found.setdefault((parts.hostname, port), why)
    return [Place(host, port, why) for (host, port), why in found.items()]


def through_proxy(place: Place) -> Place:
    """The proxy of this environment where one stands before the place: that is what has to be reached."""
    scheme = "http" if place.port == PORTS["http"] else "https"
    proxy = urllib.request.getproxies().get(scheme)
    if not proxy or urllib.request.proxy_bypass(place.host):
        return place
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    port = _port(parts.geturl())
    return Place(parts.hostname, port, f"{scheme}_proxy") if parts.hostname and port else place


async def reached(place: Place, seconds: float = SECONDS) -> str | None:
    """Why it cannot be reached, in words; None when it can."""
    at = f"{place.host}:{place.port}"
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(place.host, place.port)
    except TimeoutError:
        return f"{at} did not answer within {seconds:g} s"
    except socket.gaierror:
        return f"the name {place.host} is not known here (DNS)"
    except OSError as error:
        return f"{at}: {error.strerror or error}"
    writer.close()
    return None


def _urls(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    urls = []
    if environ.get("OPENAI_BASE_URL") or environ.get("OPENAI_API_KEY"):
        urls.append((environ.get("OPENAI_BASE_URL") or OPENAI, "the model (OPENAI_BASE_URL)"))
    if any(environ.get(name) for name in ("GITHUB_TOKEN", "GITHUB_APP_ID", "GITHUB_API_URL")):
        api = environ.get("GITHUB_API_URL") or GITHUB
        urls.append((api, "GitHub's API (GITHUB_API_URL)"))
        urls.append((api.replace("://api.", "://"), "GitHub's git"))
    if environ.get("SANDBOX") == "e2b":
        own = environ.get("E2B_DOMAIN") or "e2b.app"
        urls.append((environ.get("E2B_API_URL") or f"https://api.{own}", "e2b (E2B_DOMAIN)"))
    if environ.get("POSTHOG_API_KEY"):
        urls.append((environ.get("POSTHOG_URL") or "https://us.posthog.com", "PostHog (POSTHOG_URL)"))
    if environ.get("REDDIT_CLIENT_ID"):
        urls.append((environ.get("REDDIT_API_URL") or "https://oauth.reddit.com", "Reddit (REDDIT_API_URL)"))
    return urls


def _port(url: str) -> int | None:
    parts = urlsplit(url)
    try:
        return parts.port or PORTS.get(parts.scheme)
    except ValueError:
        return None
