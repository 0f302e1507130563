"""The frame around a page: navigation, outline, style. No script; light or dark as the system is. Pure."""

import html
from collections.abc import Sequence
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881;--link:light-dark(#0b57d0,#8ab4f8)}
*{box-sizing:border-box}
body{font:16px/1.6 system-ui,sans-serif;margin:0;min-height:100vh}
body{display:grid;grid-template-columns:17rem minmax(0,1fr)}
nav{border-right:1px solid var(--line);padding:1.5rem 1.2rem;font-size:.92rem}
nav h2{font-size:.78rem;letter-spacing:.06em;text-transform:uppercase;margin:1.4rem 0 .3rem;opacity:.75}
nav ul{list-style:none;margin:0;padding:0}nav li{margin:.12rem 0}
nav a{text-decoration:none;color:inherit;display:block;padding:.12rem .4rem;border-radius:4px}
nav a:hover{background:var(--soft)}nav a[aria-current]{background:var(--soft);font-weight:600}
.home{font-weight:700;font-size:1.05rem}
main{padding:2rem clamp(1rem,4vw,3.5rem);max-width:58rem;min-width:0}
a{color:var(--link)}a:focus-visible{outline:2px solid currentColor;outline-offset:2px}
h1{font-size:1.9rem;line-height:1.25;margin:0 0 1rem}h2{margin-top:2.2rem}h1,h2,h3{scroll-margin-top:1rem}
code,pre{font:.88em/1.5 ui-monospace,monospace}code{background:var(--soft);padding:.1em .3em;border-radius:4px}
pre{background:var(--soft);padding:.9rem 1rem;border-radius:8px;overflow-x:auto}pre code{background:none;padding:0}
img{max-width:100%;height:auto;border-radius:8px}
.wide{overflow-x:auto}table{border-collapse:collapse;font-size:.94em}
th,td{text-align:left;vertical-align:top;padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--line)}
blockquote{margin:1rem 0;padding:.1rem 1rem;border-left:3px solid var(--line)}
.outline{font-size:.9rem;margin:0 0 1.5rem;padding:0;list-style:none;display:flex;flex-wrap:wrap;gap:.2rem 1rem}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;top:1rem;background:Canvas;padding:.5rem}
@media(max-width:50rem){body{display:block}nav{border-right:0;border-bottom:1px solid var(--line)}}
@media print{nav{display:none}body{display:block}}
"""
Links = Sequence[tuple[str, str, bool]]


def frame(
    title: str, body: str, parts: Sequence[tuple[str, Links]], outline: Sequence[tuple[str, str]], style: str
) -> str:
    """A whole page around trusted HTML. ``parts``: (heading, [(link, title, whether it is this page)])."""
    home = style.removesuffix("style.css") + "index.html"
    contents = "".join(f'<li><a href="#{anchor}">{html.escape(text)}</a></li>' for anchor, text in outline)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f'<title>{html.escape(title)} · Soulcaster</title><link rel="stylesheet" href="{style}"></head><body>'
        '<nav aria-label="Pages"><a class="skip" href="#main">To the text</a>'
        f'<a class="home" href="{home}">Soulcaster</a>'
        f"{''.join(_part(heading, links) for heading, links in parts if links)}</nav>"
        f'<main id="main">{_with_outline(body, contents if len(outline) > 3 else "")}</main></body></html>\n'
    )


def _with_outline(body: str, contents: str) -> str:
    """The outline stands below the title."""
    head, end, rest = body.partition("</h1>")
    return (
        f'{head}{end}<ul class="outline" aria-label="On this page">{contents}</ul>{rest}' if contents and end else body
    )


def _part(heading: str, links: Links) -> str:
    rows = "".join(
        f'<li><a href="{link}"{" aria-current=page" if here else ""}>{html.escape(title)}</a></li>'
        for link, title, here in links
    )
    return f"<h2>{html.escape(heading)}</h2><ul>{rows}</ul>"
