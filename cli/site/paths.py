"""Where a file of the repository stands on the site. Pure."""

import posixpath
from typing import Final

from cli.site.navigation import ENTRY

SOURCE: Final = "source"


def target_of(path: str) -> str:
    """``docs/how-to/x.md`` as ``how-to/x.html``; a README is its folder's index; what is not docs is below source/."""
    if path == ENTRY:
        return "index.html"
    inside = path.removeprefix("docs/") if path.startswith("docs/") else f"{SOURCE}/{path}"
    folder, name = posixpath.split(inside)
    if name == "README.md":
        return posixpath.join(folder, "index.html")
    if name.endswith(".md"):
        return inside.removesuffix(".md") + ".html"
    return inside if path.startswith("docs/") else inside + ".txt"


def joined(page: str, link: str) -> str:
    """The path in the repository that a relative link of a page means."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def relative(source: str, target: str) -> str:
    """The link from one place of the site to another."""
    return posixpath.relpath(target, posixpath.dirname(source) or ".")


def external(link: str) -> bool:
    """Whether a link leaves the repository."""
    return "://" in link or link.startswith("mailto:")
