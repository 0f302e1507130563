"""The dashboard's built files: its page to whoever navigates with a browser, its assets by path."""

from pathlib import Path
from typing import Final

from aiohttp import web

from services.gateway.handlers.pages import html_page
from services.gateway.reference import page

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
ABSENT: Final = page(
    "Soulcaster",
    "<h1>Soulcaster</h1><p>The gateway runs, but the dashboard is not built. Run <code>make setup</code>, or use "
    'the <a href="/docs">HTTP interface</a> and the <code>soulcaster</code> command.</p>',
)


class Dashboard:
    """Files below one folder; nothing outside it is ever served.

    The build leaves each file also compressed (``.br``, ``.gz``); ``FileResponse`` sends that one to who takes it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()

    @property
    def built(self) -> bool:
        """Whether there is a page to serve."""
        return (self.folder / "index.html").is_file()

    def index(self) -> web.StreamResponse:
        """The page."""
        if not self.built:
            return html_page(ABSENT)
        return web.FileResponse(
            self.folder / "index.html", headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
        )

    def asset(self, path: str) -> web.StreamResponse | None:
        """A file by its path; None when there is none. Links and dots that lead outside lead nowhere."""
        if "\x00" in path or "\\" in path:
            return None
        try:
            found = (self.folder / path.lstrip("/")).resolve()
            if not found.is_relative_to(self.folder) or not found.is_file():
                return None
        except OSError:  # a name longer than the file system takes
            return None
        fresh = "public, max-age=31536000, immutable" if path.startswith("/assets/") else "no-cache"
        return web.FileResponse(found, headers={"Content-Security-Policy": POLICY, "Cache-Control": fresh})


def navigates(request: web.Request) -> bool:
    """Whether a browser wants a page to look at, not data."""
    return (
        request.method == "GET"
        and "text/html" in request.headers.get("Accept", "")
        and request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
    )
