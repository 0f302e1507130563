"""Builds the site: pages, folder indexes, copied files; every link and anchor is checked."""

import html
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from cli.site.layout import STYLE, frame
from cli.site.markdown import Rendered, render
from cli.site.navigation import DECISIONS, HOW_TO, MAY_BE_ABSENT, NAVIGATION
from cli.site.paths import external, joined, relative, target_of


@dataclass(slots=True)
class Site:
    """``root`` is the repository. ``pages`` by their path there; ``files`` are copied; ``problems`` are for people."""

    root: Path
    pages: dict[str, Rendered] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    folders: set[str] = field(default_factory=set)
    problems: list[str] = field(default_factory=list)

    @property
    def navigation(self) -> list[tuple[str, list[str]]]:
        """The navigation with the decisions, without pages that are not there."""
        decisions = sorted(self._name(path) for path in (self.root / DECISIONS).glob("*.md"))
        parts = [(title, [page for page in pages if page in self.pages]) for title, pages in NAVIGATION]
        named = {page for _, pages in NAVIGATION for page in pages}
        more = sorted(page for page in self.pages if page.startswith(HOW_TO) and page not in named)
        more = [page for page in more if not page.endswith("README.md")]
        return [*parts, ("More how-to", more), ("Decisions", decisions)]

    def read(self) -> None:
        """Read every page that the navigation or a link leads to."""
        listed = [page for _, pages in NAVIGATION for page in pages]
        for page in listed:
            if not (self.root / page).is_file() and page not in MAY_BE_ABSENT:
                self.problems.append(f"{page} is in the navigation and does not exist")
        every = sorted(self._name(path) for path in (self.root / "docs").rglob("*.md"))
        for page in every:
            if page not in listed and not page.startswith((DECISIONS, HOW_TO)) and not page.endswith("README.md"):
                self.problems.append(f"{page} is not in the navigation (cli/site/navigation.py)")
        waiting = [page for page in (*listed, *every) if (self.root / page).is_file()]
        while waiting:
            page = waiting.pop()
            if page not in self.pages:
                waiting += self._read(page)

    def _read(self, page: str) -> list[str]:
        found: list[str] = []
        text = (self.root / page).read_text(encoding="utf-8")
        self.pages[page] = render(text, lambda link: self._resolve(page, link, found))
        if not self.pages[page].title:
            self.problems.append(f"{page} has no title")
        return found

    def _resolve(self, page: str, link: str, found: list[str]) -> str:
        """A link as it works on the site; pages it leads to are put on ``found``."""
        if external(link) or link.startswith("#"):
            return link
        path, _, anchor = link.partition("#")
        target = joined(page, path)
        place = self.root / target
        if target.startswith("..") or not place.exists():
            return link  # told by check()
        if place.is_dir():
            if (place / "README.md").is_file():
                target += "/README.md"
            else:
                self.folders.add(target)
                target += "/README.md"  # made by the build
        elif not target.endswith(".md"):
            self.files.add(target)
        if target.endswith(".md") and (self.root / target).is_file():
            found.append(target)
        return relative(target_of(page), target_of(target)) + (f"#{anchor}" if anchor else "")

    def check(self) -> None:
        """Every link leads to a file or folder that is there, every anchor to a heading."""
        for page, rendered in self.pages.items():
            for link in (*rendered.links, *rendered.images):
                if problem := self._wrong(page, link):
                    self.problems.append(f"{page}: {link}: {problem}")

    def _wrong(self, page: str, link: str) -> str:
        if external(link):
            return "" if link.startswith(("https://", "http://127.0.0.1", "mailto:")) else "is not https"
        path, _, anchor = link.partition("#")
        target = joined(page, path) if path else page
        if target.startswith(".."):
            return "leads out of the repository"
        if not (self.root / target).exists():
            return "there is no such file"
        if anchor and target.endswith(".md") and anchor not in self.pages[target].anchors:
            return "the page has no such heading"
        return ""

    def write(self, out: Path) -> None:
        """Write the whole site into a folder, emptied first."""
        shutil.rmtree(out, ignore_errors=True)
        for page, rendered in self.pages.items():
            self._put(out, target_of(page), rendered.title, rendered.html, rendered.outline)
        for folder in sorted(self.folders):
            inside = [page for page in sorted(self.pages) if page.startswith(f"{folder}/")]
            rows = [
                f'<li><a href="{relative(target_of(f"{folder}/README.md"), target_of(page))}">'
                f"{html.escape(self.pages[page].title)}</a></li>"
                for page in inside
            ]
            title = folder.rpartition("/")[2].replace("-", " ").capitalize()
            body = f"<h1>{html.escape(title)}</h1><ul>{''.join(rows)}</ul>"
            self._put(out, target_of(f"{folder}/README.md"), title, body, [])
        for file in sorted(self.files):
            copy = out / target_of(file)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.root / file, copy)
        (out / "style.css").write_text(STYLE, encoding="utf-8")

    def _put(self, out: Path, place: str, title: str, body: str, outline: list[tuple[str, str]]) -> None:
        file = out / place
        file.parent.mkdir(parents=True, exist_ok=True)
        parts = [
            (
                part,
                [
                    (relative(place, target_of(page)), self.pages[page].title, target_of(page) == place)
                    for page in pages
                ],
            )
            for part, pages in self.navigation
        ]
        file.write_text(frame(title, body, parts, outline, relative(place, "style.css")), encoding="utf-8")

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def load(root: Path) -> Site:
    """The site of a repository, read and checked; ``problems`` is empty when it may be published."""
    site = Site(root)
    site.read()
    site.check()
    return site
