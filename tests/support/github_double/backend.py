"""Git's smart HTTP (git-http-backend(1)) as CGI, and looks into bare repositories."""

import asyncio
import os
from pathlib import Path

from aiohttp import web


async def serve_git(bare: Path, rest: str, request: web.Request, protected: bool) -> web.Response:
    """One request; ``protected``: a hook refuses every push as GitHub's branch protection does."""
    hook = bare / "hooks" / "pre-receive"
    if protected:
        hook.write_text("#!/bin/sh\necho 'error: GH006: Protected branch update failed' >&2\nexit 1\n")
        hook.chmod(0o755)
    environ = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": str(bare),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{rest}",
        "QUERY_STRING": request.query_string,
        "REQUEST_METHOD": request.method,
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "REMOTE_USER": "x-access-token",
        "REMOTE_ADDR": "127.0.0.1",
        "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": "http.receivepack",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_CONFIG_KEY_1": "safe.directory",
        "GIT_CONFIG_VALUE_1": "*",
    }
    code, out = await _run(["git", "http-backend"], environ, await request.read())
    head, _, body = out.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if ": " in line)
    status = int(headers.pop("Status", "200").split()[0]) if code == 0 else 500
    return web.Response(status=status, headers=headers, body=body)


async def branch_head(bare: Path, branch: str) -> str | None:
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_COUNT": "1"}
    environ |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    argv = ["git", "-C", str(bare), "rev-parse", "--verify", "-q", f"refs/heads/{branch}"]
    code, out = await _run(argv, environ, b"")
    return out.decode().strip() if code == 0 else None


async def clone(bare: Path, target: Path) -> None:
    environ = {"PATH": os.environ["PATH"], "GIT_CONFIG_COUNT": "1"}
    environ |= {"GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}
    code, _ = await _run(["git", "clone", "-q", "--bare", str(bare), str(target)], environ, b"")
    assert code == 0


async def _run(argv: list[str], environ: dict[str, str], given: bytes) -> tuple[int, bytes]:
    process = await asyncio.create_subprocess_exec(
        *argv, env=environ, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate(given)
    assert process.returncode is not None
    return process.returncode, out
