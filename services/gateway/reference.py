"""The reference page ``/docs``: made from the OpenAPI document, self-contained, no script. Pure."""

import base64
import hashlib
import html
import json
import re
from typing import Any, Final

from services.gateway.problem_codes import CODES

STYLE: Final = """
:root{color-scheme:light dark}
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem}h2{margin-top:2.5rem;border-bottom:1px solid #8884;text-transform:capitalize}
details{border:1px solid #8884;border-radius:6px;margin:.4rem 0;padding:.3rem .7rem}
summary{cursor:pointer}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{overflow:auto;background:#8881;padding:.6rem;border-radius:6px}
.m{display:inline-block;min-width:4.2rem;font-weight:600}.s{margin-left:.6rem;opacity:.8}
a{color:light-dark(#0b57d0,#8ab4f8)}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.25rem .6rem .25rem 0}
dt{font-weight:600}dd{margin:0 0 .5rem}
.add{color:#1a7f37}.del{color:#cf222e}.hunk{color:#8250df}.odd{background:#d29922;color:#000}
"""


def style_hash(style: str = STYLE) -> str:
    """The Content-Security-Policy source of the one inline style."""
    return "'sha256-" + base64.b64encode(hashlib.sha256(style.encode()).digest()).decode() + "'"


_CODE: Final = re.compile(r"(`{1,2})([^`]+)\1")
POLICY: Final = (
    f"default-src 'none'; style-src {style_hash()}; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


def page(title: str, body: str) -> str:
    """A page around trusted HTML."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body>{body}</body></html>"
    )


def render(document: dict[str, Any]) -> str:
    """The whole reference."""
    info = document["info"]
    parts = [
        f"<h1>{html.escape(info['title'])} HTTP reference</h1><p>{_inline(info['description'])}</p>",
        f"<p>{' · '.join(_jump(tag['name']) for tag in document['tags'])}</p>",
        '<p>Machine-readable: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1). '
        'Send <code>Authorization: Bearer &lt;key&gt;</code>. <a href="#problems">Problem codes</a></p>',
    ]
    for tag in document["tags"]:
        parts.append(f'<h2 id="tag-{html.escape(tag["name"])}">{html.escape(tag["name"])}</h2>')
        parts += [
            _operation(method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
    return page("Soulcaster HTTP reference", "".join(parts) + _codes() + _schemas(document))


def _inline(text: str) -> str:
    """Text with its code spans; backticks come one or two at a time."""
    return _CODE.sub(lambda found: f"<code>{found[2]}</code>", html.escape(text, quote=False))


def _jump(tag: str) -> str:
    return f'<a href="#tag-{html.escape(tag)}">{html.escape(tag)}</a>'


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{html.escape(one['name'])}</code></td><td>{one['in']}</td>"
        f"<td>{_inline(one.get('description', ''))}</td></tr>"
        for one in operation["parameters"]
    )
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    answers = "".join(
        f"<dt>{status}</dt><dd>{html.escape(_words(answer))} {_link(_schema_of(answer))}</dd>"
        for status, answer in operation["responses"].items()
    )
    return (
        f'<details id="{operation["operationId"]}"><summary><code><span class="m">{method.upper()}</span>'
        f'{html.escape(path)}</code> <span class="s">{html.escape(operation["summary"])}</span></summary>'
        f"<p>{_inline(operation['description'])}</p>"
        + (f"<table>{rows}</table>" if rows else "")
        + (f"<p>Body: {_link(body)}</p>" if body else "")
        + f"<dl>{answers}</dl></details>"
    )


def _words(answer: dict[str, Any]) -> str:
    return str(answer.get("description", "Problem document"))


def _schema_of(answer: dict[str, Any]) -> dict[str, Any] | None:
    for content in answer.get("content", {}).values():
        found: dict[str, Any] = content.get("schema", {})
        return found
    return None


def _link(schema: dict[str, Any] | None) -> str:
    if not schema:
        return ""
    inner = schema.get("items", schema)
    name = str(inner.get("$ref", "")).rpartition("/")[2]
    label = f"{name}[]" if "items" in schema else name
    return f'<a href="#schema-{html.escape(name)}"><code>{html.escape(label)}</code></a>' if name else ""


def _codes() -> str:
    rows = "".join(f'<dt id="{code}"><code>{code}</code></dt><dd>{_inline(text)}</dd>' for code, text in CODES.items())
    return f'<h2 id="problems">Problem codes</h2><dl>{rows}</dl>'


def _schemas(document: dict[str, Any]) -> str:
    parts = [
        f'<details id="schema-{html.escape(name)}"><summary><code>{html.escape(name)}</code></summary>'
        f"<pre>{html.escape(json.dumps(schema, indent=1))}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    ]
    return "<h2>Schemas</h2>" + "".join(parts)
