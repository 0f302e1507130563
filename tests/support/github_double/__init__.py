"""A double of GitHub on loopback: the REST calls that we make, on real bare repositories, and git's smart HTTP through
``git http-backend`` with token auth.

``async with github_double() as double``; ``double.add("shop/api", bare)``, then ``double.clone_url("shop/api")``
and ``double.api_url``. Operations for faults: repo, find, create, fetch, push, installation, token, revoke, app,
user, fork, branches, pull, reviews, comments, permission.
"""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.support.e2b_double.faults import Fault, Faults, suffer
from tests.support.github_double.app import App
from tests.support.github_double.backend import branch_head, clone, serve_git

__all__ = ["App", "Fault", "GithubDouble", "Repo", "github_double"]
TOKEN = "ghp_0123456789abcdefghijklmnopqrstuvwxyz"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Repo:
    """``writable`` is what the token may; ``drafts`` whether the plan has draft pull requests."""

    name: str
    bare: Path
    writable: bool = True
    drafts: bool = True
    protected: bool = False
    archived: bool = False
    forkable: bool = True
    parent: str | None = None
    ready_at: float = 0.0  # monotonic; a fork's git objects come after GitHub's answer
    pulls: list[dict[str, Any]] = field(default_factory=list)
    reviews: list[dict[str, Any]] = field(default_factory=list)
    comments: list[dict[str, Any]] = field(default_factory=list)
    writers: set[str] = field(default_factory=set)


class GithubDouble:
    """``calls``: (monotonic seconds, operation). ``lag``: seconds until a new pull request is in lists."""

    token, login = TOKEN, "dev"

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.app = App()
        self.faults = Faults()
        self.calls: list[tuple[float, str]] = []
        self.lag = self.fork_lag = 0.0
        self.port = 0
        self._stopping = asyncio.Event()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v3"

    def clone_url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}.git"

    def add(self, name: str, bare: Path, **changes: Any) -> Repo:
        self.repos[name] = Repo(name, bare, **changes)
        return self.repos[name]

    def count(self, operation: str) -> int:
        return sum(1 for _, name in self.calls if name == operation)

    def times(self, operation: str) -> list[float]:
        return [at for at, name in self.calls if name == operation]

    def application(self) -> web.Application:
        app = web.Application(client_max_size=256 * 1024 * 1024)
        repo = "/api/v3/repos/{owner}/{name}"
        app.router.add_get(repo, self._rest("repo", self._repo))
        app.router.add_get(f"{repo}/pulls", self._rest("find", self._find))
        app.router.add_post(f"{repo}/pulls", self._rest("create", self._create))
        app.router.add_get(f"{repo}/pulls/{{number}}", self._rest("pull", self._pull))
        app.router.add_get(f"{repo}/pulls/{{number}}/reviews", self._rest("reviews", self._reviews))
        app.router.add_get(f"{repo}/pulls/{{number}}/comments", self._rest("comments", self._comments))
        app.router.add_get(f"{repo}/collaborators/{{login}}/permission", self._rest("permission", self._permission))
        app.router.add_get("/api/v3/user", self._user)
        app.router.add_post(f"{repo}/forks", self._rest("fork", self._forked))
        app.router.add_get(f"{repo}/branches", self._rest("branches", self._branches))
        app.router.add_get(f"{repo}/installation", self._as_app("installation", self._installation))
        app.router.add_post("/api/v3/app/installations/{id}/access_tokens", self._as_app("token", self._token))
        app.router.add_delete("/api/v3/installation/token", self._given_back)
        app.router.add_get("/api/v3/app", self._as_app("app", self._app))
        app.router.add_route("*", "/{owner}/{name}.git/{rest:.*}", self._git)
        return app

    def close(self) -> None:
        self._stopping.set()

    def _rest(self, operation: str, handler: Callable[[Repo, web.Request], Awaitable[web.Response]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls.append((time.monotonic(), operation))
            given = request.headers.get("Authorization", "").removeprefix("token ").removeprefix("Bearer ")
            name = f"{request.match_info['owner']}/{request.match_info['name']}"
            level = "write" if request.method == "POST" else "read"
            refusal = self._refusal(given, name, _right(operation), level)
            if refusal is not None:
                return problem(*refusal)
            repo = self.repos.get(name)
            if repo is None:
                return problem(404, "Not Found")
            return await suffer(
                self.faults.take(operation), request, lambda r: handler(repo, r), _shape, self._stopping
            )

        return handle

    def _as_app(self, operation: str, handler: Callable[[web.Request], Awaitable[web.Response]]) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            self.calls.append((time.monotonic(), operation))
            if not self.app.signed(request):
                return problem(401, "A JSON web token could not be decoded")
            return await suffer(self.faults.take(operation), request, handler, _shape, self._stopping)

        return handle

    def _refusal(self, given: str, repository: str, right: str, level: str) -> tuple[int, str] | None:
        """What is said to a token that does not open this; None to one that does."""
        issued = self.app.issued.get(given)
        if issued is None or issued.over:
            return None if given == self.token else (401, "Bad credentials")
        if repository not in issued.repositories:
            return 404, "Not Found"
        return None if issued.may(repository, right, level) else (403, "Resource not accessible by integration")

    async def _given_back(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((time.monotonic(), "revoke"))
        given = request.headers.get("Authorization", "").removeprefix("token ").removeprefix("Bearer ")
        issued = self.app.issued.get(given)
        if issued is None or issued.over:
            return problem(401, "Bad credentials")

        async def end(_: web.Request) -> web.Response:
            issued.ends = 0.0
            return web.Response(status=204)

        return await suffer(self.faults.take("revoke"), request, end, _shape, self._stopping)

    async def _installation(self, request: web.Request) -> web.Response:
        number = self.app.installed.get(f"{request.match_info['owner']}/{request.match_info['name']}")
        return problem(404, "Not Found") if number is None else web.json_response({"id": number})

    async def _token(self, request: web.Request) -> web.Response:
        if self.app.suspended:
            return problem(403, "This installation has been suspended")
        given = self.app.give(int(request.match_info["id"]), await request.json())
        return problem(422, given) if isinstance(given, str) else web.json_response(given, status=201)

    async def _app(self, request: web.Request) -> web.Response:
        return web.json_response({"id": 1, "slug": "soulcaster", "html_url": "https://github.test/apps/soulcaster"})

    async def _repo(self, repo: Repo, request: web.Request) -> web.Response:
        owner, name = repo.name.split("/")
        url = f"{self.api_url}/repos/{repo.name}"
        shown = {"id": 1, "name": name, "full_name": repo.name, "owner": {"login": owner}, "url": url, "private": True}
        shown |= {"permissions": {"pull": True, "push": repo.writable}, "archived": repo.archived}
        above = {"parent": {"full_name": repo.parent}, "source": {"full_name": repo.parent}} if repo.parent else {}
        return web.json_response(shown | {"fork": repo.parent is not None} | above)

    async def _user(self, request: web.Request) -> web.StreamResponse:
        self.calls.append((time.monotonic(), "user"))
        given = request.headers.get("Authorization", "").removeprefix("token ")
        if given in self.app.issued:
            return problem(403, "Resource not accessible by integration")
        return web.json_response({"login": self.login}) if given == self.token else problem(401, "Bad credentials")

    async def _forked(self, repo: Repo, request: web.Request) -> web.Response:
        """One fork an account; it is told of at once and can be used ``fork_lag`` seconds later."""
        if not repo.forkable:
            return problem(403, "The repository exists, but forking is disabled.")
        found = next((one for one in self.repos.values() if one.parent == repo.name), None)
        if found is None:
            name = f"{self.login}/{repo.name.split('/')[1]}"
            name += "-1" if name in self.repos else ""
            bare = repo.bare.with_name(f"fork-{name.replace('/', '-')}.git")
            await clone(repo.bare, bare)
            found = self.add(name, bare, parent=repo.name, ready_at=time.monotonic() + self.fork_lag)
        return web.json_response({"full_name": found.name, "fork": True}, status=202)

    async def _branches(self, repo: Repo, request: web.Request) -> web.Response:
        return web.json_response([{"name": "main"}] if time.monotonic() >= repo.ready_at else [])

    async def _find(self, repo: Repo, request: web.Request) -> web.Response:
        query = request.query
        now = time.monotonic()
        found = [
            pull
            for pull in repo.pulls
            if query.get("state", "open") in ("all", pull["state"])
            and ("head" not in query or ":" not in query["head"] or pull["head"]["label"] == query["head"])
            and query.get("base", pull["base"]["ref"]) == pull["base"]["ref"]
            and pull["_at"] + self.lag <= now
        ]
        return web.json_response([_shown(pull) for pull in found])

    async def _pull(self, repo: Repo, request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        found = next((pull for pull in repo.pulls if pull["number"] == number), None)
        return problem(404, "Not Found") if found is None else web.json_response(_shown(found))

    async def _reviews(self, repo: Repo, request: web.Request) -> web.Response:
        return web.json_response(repo.reviews)

    async def _comments(self, repo: Repo, request: web.Request) -> web.Response:
        return web.json_response(repo.comments)

    async def _permission(self, repo: Repo, request: web.Request) -> web.Response:
        return web.json_response({"permission": "write" if request.match_info["login"] in repo.writers else "read"})

    async def _create(self, repo: Repo, request: web.Request) -> web.Response:
        body, owner = await request.json(), repo.name.split("/")[0]
        if not repo.writable and ":" not in body["head"]:
            return problem(403, "Resource not accessible by personal access token")
        if body.get("draft") and not repo.drafts:
            return problem(422, "Draft pull requests are not supported in this repository.")
        label = body["head"] if ":" in body["head"] else f"{owner}:{body['head']}"
        source = repo if label.startswith(f"{owner}:") else self._fork_of(repo, label.split(":")[0])
        branch = label.split(":")[1]
        if any(p["head"]["label"] == label and p["state"] == "open" for p in repo.pulls):
            return _invalid(f"A pull request already exists for {label}.")
        if source is None or await branch_head(source.bare, branch) is None:
            return _invalid("head invalid", "head")
        number = len(repo.pulls) + 1
        pull = {
            "id": number,
            "number": number,
            "url": f"{self.api_url}/repos/{repo.name}/pulls/{number}",
            "html_url": f"https://github.test/{repo.name}/pull/{number}",
            "state": "open",
            "draft": body.get("draft", False),
            "title": body["title"],
            "body": (body.get("body") or "").replace("\n", "\r\n"),  # as GitHub stores what browsers send
            "head": {"ref": branch, "label": label, "repo": {"full_name": source.name, "url": ""}},
            "merged": False,
            "base": {"ref": body["base"], "label": f"{owner}:{body['base']}"},
            "_at": time.monotonic(),
        }
        repo.pulls.append(pull)
        return web.json_response(_shown(pull), status=201)

    def _fork_of(self, repo: Repo, owner: str) -> Repo | None:
        found = (one for one in self.repos.values() if one.parent == repo.name and one.name.startswith(f"{owner}/"))
        return next(found, None)

    async def _git(self, request: web.Request) -> web.StreamResponse:
        repo = self.repos.get(f"{request.match_info['owner']}/{request.match_info['name']}")
        pushes = "git-receive-pack" in request.path_qs
        given = base64.b64decode(request.headers.get("Authorization", "").removeprefix("Basic ")).decode()
        name = f"{request.match_info['owner']}/{request.match_info['name']}"
        refusal = self._refusal(given.removeprefix("x-access-token:"), name, "contents", "write" if pushes else "read")
        if refusal is not None and refusal[0] == 401:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="GitHub"'})
        if repo is None or refusal is not None or time.monotonic() < repo.ready_at:
            return web.Response(status=refusal[0] if refusal else 404, text="Repository not found.")
        operation = "push" if pushes else "fetch"
        if request.method == "POST":
            self.calls.append((time.monotonic(), operation))
        if pushes and not repo.writable:
            return web.Response(status=403, text="Write access to repository not granted.")
        fault = self.faults.take(operation) if request.method == "POST" else None

        async def inner(r: web.Request) -> web.StreamResponse:
            return await serve_git(repo.bare, r.match_info["rest"], r, repo.protected)

        return await suffer(fault, request, inner, _shape, self._stopping)


def _right(operation: str) -> str:
    return "metadata" if operation in ("repo", "permission") else "pull_requests"


def problem(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body = {"message": message, "documentation_url": "https://docs.github.com/rest"}
    return web.json_response(body, status=status, headers=headers)


def _invalid(message: str, where: str = "") -> web.Response:
    error = {"resource": "PullRequest", "code": "custom", "message": message} | ({"field": where} if where else {})
    return web.json_response({"message": "Validation Failed", "errors": [error]}, status=422)


def _shown(pull: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in pull.items() if not name.startswith("_")}


def _shape(fault: Fault) -> web.Response:
    return problem(fault.status, fault.message, fault.headers)


@asynccontextmanager
async def github_double() -> AsyncIterator[GithubDouble]:
    """Serve until the block ends."""
    double = GithubDouble()
    runner = web.AppRunner(double.application(), handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    double.port = runner.addresses[0][1]
    try:
        yield double
    finally:
        double.close()
        await runner.cleanup()
