"""Loopback servers that answer like GitHub, Reddit and PostHog, with issues, posts and events of the test's making."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web


class Vendors:
    """Set ``issues``, ``posts``, ``events``; set ``broken`` to a status to make the next answers fail."""

    def __init__(self) -> None:
        self.issues: list[dict[str, Any]] = []
        self.posts: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.broken: tuple[int, dict[str, str]] | None = None
        self.asked: list[str] = []
        self.fail_after = -1  # answers until broken, -1: never
        self.url = ""

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._trouble])
        app.router.add_get("/repos/{owner}/{repo}/issues", self._issues)
        app.router.add_get("/r/{subreddit}/{listing}", self._posts)
        app.router.add_post("/api/v1/access_token", self._token)
        app.router.add_get("/api/projects/{project}/events/", self._events)
        return app

    @web.middleware
    async def _trouble(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(str(request.rel_url))
        if self.fail_after == 0:
            self.broken = self.broken or (502, {})
        self.fail_after = max(-1, self.fail_after - 1)
        if self.broken is not None:
            status, headers = self.broken
            return web.json_response({"message": "no"}, status=status, headers=headers)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _issues(self, request: web.Request) -> web.Response:
        query = request.query
        found = sorted(self.issues, key=lambda issue: issue["updated_at"])
        if query.get("state") == "open":
            found = [issue for issue in found if issue["state"] == "open"]
        if "since" in query:
            since = datetime.fromisoformat(query["since"])
            found = [issue for issue in found if datetime.fromisoformat(issue["updated_at"]) >= since]
        size, page = int(query["per_page"]), int(query.get("page", "1"))
        return web.json_response(found[(page - 1) * size : page * size])

    async def _posts(self, request: web.Request) -> web.Response:
        found = sorted(self.posts, key=lambda post: -post["data"]["created_utc"])
        start = int(request.query.get("after") or 0)
        page = found[start : start + 100]
        after = str(start + 100) if start + 100 < len(found) else None
        return web.json_response({"kind": "Listing", "data": {"children": page, "after": after}})

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        assert form["grant_type"] == "client_credentials"
        assert request.headers["Authorization"].startswith("Basic ")
        return web.json_response({"access_token": "t0ken", "expires_in": 3600})

    async def _events(self, request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Bearer phx_key"
        after = request.query.get("after", "")
        found = [e for e in self.events if e["event"] == request.query["event"] and e["timestamp"] > after]
        found.sort(key=lambda event: event["timestamp"], reverse=True)
        start = int(request.query.get("offset", "0"))
        following = str(request.url.update_query(offset=start + 100)) if start + 100 < len(found) else None
        return web.json_response({"results": found[start : start + 100], "next": following})


@asynccontextmanager
async def running() -> AsyncIterator[Vendors]:
    """Started on a free port."""
    vendors = Vendors()
    runner = web.AppRunner(vendors.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vendors.url = runner.addresses and f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vendors
    finally:
        await runner.cleanup()
