"""A Markdown file as HTML with heading anchors, and the links it has. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from markdown_it import MarkdownIt

_PUNCTUATION: Final = re.compile(r"[^\w\- ]", re.UNICODE)
Resolve = Callable[[str], str]


@dataclass(slots=True)
class Rendered:
    """``anchors`` are ids of headings, ``links`` and ``images`` as written, ``outline`` the second level."""

    title: str = ""
    html: str = ""
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    outline: list[tuple[str, str]] = field(default_factory=list)
    code: list[str] = field(default_factory=list)


def render(text: str, resolve: Resolve) -> Rendered:
    """Render one page; ``resolve`` turns a link as written into one that works on the site. HTML in pages is text."""
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    tokens = parser.parse(text)
    page = Rendered()
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            _heading(page, token, tokens[number + 1])
        elif token.type == "fence":
            page.code.append(token.content)
        for child in token.children or ():
            if child.type == "code_inline":
                page.code.append(child.content)
            elif child.type == "link_open":
                page.links.append(str(child.attrs["href"]))
                child.attrs["href"] = resolve(str(child.attrs["href"]))
            elif child.type == "image":
                page.images.append(str(child.attrs["src"]))
                child.attrs["src"] = resolve(str(child.attrs["src"]))
    page.html = parser.renderer.render(tokens, parser.options, {})
    page.html = page.html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return page


def _heading(page: Rendered, token: Any, inline: Any) -> None:
    text = "".join(child.content for child in inline.children or ())
    anchor = unique(slug(text), page.anchors)
    page.anchors.add(anchor)
    token.attrs["id"] = anchor
    if token.tag == "h1" and not page.title:
        page.title = text
    elif token.tag == "h2":
        page.outline.append((anchor, text))


def slug(heading: str) -> str:
    """The anchor that GitHub gives a heading, so that links work there and here."""
    return _PUNCTUATION.sub("", heading.strip().lower()).replace(" ", "-")


def unique(anchor: str, taken: set[str]) -> str:
    """The anchor, numbered when it is taken."""
    number = 0
    while (candidate := f"{anchor}-{number}" if number else anchor) in taken:
        number += 1
    return candidate
