"""A local pull request as a page. Everything in it was written by strangers or an agent: all of it is escaped. Pure."""

import html
import re
from typing import Any, Final

from services.gateway.reference import page

MAX_DIFF: Final = 1_000_000
# Characters that make a reviewer see another text than the compiler does (bidirectional controls, zero width, tags).
_ODD: Final = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\U000e0000-\U000e007f]"
)


def render(record: dict[str, Any], diff: str) -> str:
    """Title, branch, body and diff of a pull request record."""
    title = str(record.get("title") or "Pull request")
    facts = "".join(
        f"<tr><th>{html.escape(label)}</th><td>{_shown(record[name])}</td></tr>"
        for name, label in _FACTS.items()
        if record.get(name) not in (None, "")
    )
    draft = " (draft)" if record.get("draft", True) else ""
    body = (
        f"<h1>{_safe(title)}{draft}</h1><table>{facts}</table>"
        f"<h2>Description</h2><pre>{_safe(str(record.get('body') or ''))}</pre>"
        f"<h2>Changes</h2><pre>{_diff(diff)}</pre>"
    )
    return page(_ODD.sub("", title), body)


_FACTS: Final = {
    "state": "State",
    "repo_url": "Repository",
    "repository": "Repository",
    "branch": "Branch",
    "head": "Branch",
    "base_branch": "Into",
    "base": "Into",
    "base_commit": "Base commit",
    "commit": "Commit",
    "job_id": "Job",
    "created_at": "Created",
}


def _shown(value: Any) -> str:
    return f"<code>{_safe(str(value)[:1000])}</code>"


def _safe(text: str) -> str:
    """Escaped, with characters that hide or reorder text made visible."""
    return _ODD.sub(lambda found: f'<span class="odd">U+{ord(found[0]):04X}</span>', html.escape(text))


def _diff(diff: str) -> str:
    if not diff:
        return "No diff is kept for this pull request."
    shown = "\n".join(_line(line) for line in diff[:MAX_DIFF].split("\n"))
    return shown + ("\n… cut; GET /jobs/{id}/patch has all of it" if len(diff) > MAX_DIFF else "")


def _line(line: str) -> str:
    kind = "hunk" if line.startswith("@@") else "add" if line.startswith("+") else "del" if line.startswith("-") else ""
    return f'<span class="{kind}">{_safe(line)}</span>' if kind else _safe(line)
