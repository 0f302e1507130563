"""What surrounds every request: its id, problem documents, security headers, CORS, metrics and one log line."""

import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web
from prometheus_client import Counter, Gauge, Histogram

from messaging.ports import BusError, Full, TooLarge
from runtime import ids, logs
from schemas.subjects import InvalidToken
from services.gateway.dashboard import Dashboard, navigates
from services.gateway.dispatch import GATEWAY
from services.gateway.problems import CONTENT_TYPE, Problem, invalid, unavailable

log = logs.logger("gateway.http")
DASHBOARD: web.AppKey[Dashboard] = web.AppKey("dashboard", Dashboard)
REQUEST_ID: web.RequestKey[str] = web.RequestKey("request_id", str)

REQUESTS: Final = Counter("soulcaster_http_requests_total", "Requests answered", ["method", "route", "status"])
SECONDS: Final = Histogram("soulcaster_http_seconds", "Seconds from request to answer, streams left out", ["route"])
STREAMS: Final = Gauge("soulcaster_http_streams", "Event streams open now")

_REQUEST_ID: Final = re.compile(r"^[A-Za-z0-9._-]{1,64}\Z")
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
Next = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def edge(request: web.Request, handler: Next) -> web.StreamResponse:
    """The one middleware."""
    given = request.headers.get("X-Request-Id", "")
    request[REQUEST_ID] = given if _REQUEST_ID.match(given) else ids.new_id()
    started = time.perf_counter()
    response = await _respond(request, handler)
    _count(request, response, time.perf_counter() - started)
    return response


async def on_prepare(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every response, streams too."""
    for name, value in {**_HEADERS, **cors(request)}.items():
        response.headers.setdefault(name, value)
    if REQUEST_ID in request:
        response.headers["X-Request-Id"] = request[REQUEST_ID]


def cors(request: web.Request) -> Mapping[str, str]:
    """Headers that let a listed origin read the answer; none by default."""
    origin = request.headers.get("Origin")
    allowed = [item.strip() for item in request.app[GATEWAY].settings.cors_origins.split(",") if item.strip()]
    if origin is None or origin not in allowed:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "ETag, Retry-After, X-Next-Cursor, X-Request-Id",
        "Cross-Origin-Resource-Policy": "cross-origin",
        "Vary": "Origin",
    }


async def _respond(request: web.Request, handler: Next) -> web.StreamResponse:
    if request.method == "OPTIONS" and cors(request):
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
                "Access-Control-Allow-Headers": "Authorization, Content-Type, Idempotency-Key, If-Match, "
                "Last-Event-ID, X-GitHub-Token",
                "Access-Control-Max-Age": "600",
            },
        )
    try:
        return _page(request) or await handler(request)
    except Problem as problem:
        return document(request, problem)
    except web.HTTPException as refused:
        if refused.status < 400:
            raise
        if refused.status == 404 and (found := _file(request)) is not None:
            return found
        return document(request, of_http(refused, request))
    except InvalidToken as why:
        return document(request, invalid("id", str(why)))
    except BusError as why:
        log.warning("broker.refused", path=request.path, reason=str(why), kind=type(why).__name__)
        return document(request, of_broker(why))
    except ConnectionError:
        return web.Response(status=499)  # the client went away: nobody is left to answer, this is for the log
    except Exception:  # the edge of the process: a bug must end as a problem document with an id to search the log for
        log.exception("request.failed", path=request.path, method=request.method, request_id=request[REQUEST_ID])
        return document(
            request, Problem(500, "internal", "Something went wrong on our side; the log has it under request_id.")
        )


def _page(request: web.Request) -> web.StreamResponse | None:
    """The dashboard, when a browser navigates to one of its pages; a page's path may also be a path of the data."""
    if not navigates(request):
        return None
    dashboard = request.app[DASHBOARD]
    resource = request.match_info.route.resource
    path = resource.canonical if resource is not None else ""
    if path == "/" or (path in _PAGES and dashboard.built):
        return dashboard.index()
    return None


def _file(request: web.Request) -> web.StreamResponse | None:
    """A file of the dashboard; its page for an address that only the page knows."""
    if request.method not in ("GET", "HEAD"):
        return None
    dashboard = request.app[DASHBOARD]
    found = dashboard.asset(request.path)
    if found is None and dashboard.built and navigates(request):
        return dashboard.index()
    return found


def of_http(refused: web.HTTPException, request: web.Request) -> Problem:
    """aiohttp's own refusals."""
    if refused.status == 404:
        return Problem(404, "no_such_route", f"There is no {request.path[:200]}; GET /docs lists the routes.")
    if refused.status == 405:
        allow = refused.headers.get("Allow", "")
        return Problem(
            405,
            "method_not_allowed",
            f"{request.method[:20]} is not allowed here; use {allow}.",
            headers={"Allow": allow},
        )
    if refused.status == 413:
        return Problem(413, "too_large", "The body is too large.")
    return Problem(refused.status, "refused", refused.text or refused.reason)


def of_broker(why: BusError) -> Problem:
    """The broker did not store what had to be stored: nothing was accepted."""
    if isinstance(why, Full):
        return unavailable("storage", "The message store is full; nothing was accepted.", retry_after=30)
    if isinstance(why, TooLarge):
        return Problem(413, "too_large", "The message is larger than the broker takes (1 MiB).")
    return unavailable("broker", "The message broker does not answer; nothing is certain to be stored. Try again.")


def document(request: web.Request, problem: Problem) -> web.Response:
    """A problem as a response."""
    return web.Response(
        status=problem.status,
        body=problem.body(request[REQUEST_ID]),
        headers={**problem.headers, "Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"},
    )


def _count(request: web.Request, response: web.StreamResponse, seconds: float) -> None:
    resource = request.match_info.route.resource
    route = resource.canonical if resource is not None else "none"
    REQUESTS.labels(request.method if request.method in _METHODS else "other", route, str(response.status)).inc()
    if response.content_type != "text/event-stream":
        SECONDS.labels(route).observe(seconds)
    if response.status >= 500 or request.method not in ("GET", "HEAD"):
        log.info(
            "request.answered",
            method=request.method,
            route=route,
            status=response.status,
            ms=round(seconds * 1000, 1),
            request_id=request[REQUEST_ID],
        )


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PAGES: Final = frozenset(
    {
        *("/clusters", "/clusters/{cluster_id}", "/clusters/{cluster_id}/plan", "/proposals"),
        *("/feedback", "/feedback/{feedback_id}", "/jobs", "/jobs/{job_id}"),
        *("/runners", "/dead-letters", "/projects", "/stats", "/keys"),
    }
)
