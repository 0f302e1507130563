"""Credentials by their shape: what must not leave in a patch even when we never knew it.

Shapes as their issuers document them (GitHub "token formats", AWS "unique identifiers", Slack "token types", Stripe
"API keys", RFC 7468 for private keys, RFC 7519 for JSON Web Tokens).
"""

import re
from collections.abc import Iterator
from typing import Final

_SHAPES: Final = (
    ("GitHub token", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    ("GitHub fine-grained token", r"github_pat_[A-Za-z0-9_]{60,255}"),
    ("GitLab token", r"glpat-[A-Za-z0-9_-]{20,}"),
    ("AWS access key", r"(?:AKIA|ASIA)[A-Z0-9]{16}"),
    ("Slack token", r"xox[abeoprs]-[A-Za-z0-9-]{20,}"),
    ("Slack webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,}"),
    ("Google API key", r"AIza[A-Za-z0-9_-]{35}"),
    ("OpenAI key", r"sk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{32,}"),
    ("Anthropic key", r"sk-ant-[A-Za-z0-9_-]{32,}"),
    ("e2b key", r"e2b_[0-9a-f]{40}"),
    ("Stripe key", r"(?:sk|rk)_live_[A-Za-z0-9]{20,}"),
    ("npm token", r"npm_[A-Za-z0-9]{36}"),
    ("PyPI token", r"pypi-AgEI[A-Za-z0-9_-]{50,}"),
    ("private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----"),
    ("JSON Web Token", r"eyJ[A-Za-z0-9_-]{15,}\.eyJ[A-Za-z0-9_-]{15,}\.[A-Za-z0-9_-]{20,}"),
    ("Soulcaster key", r"sc_[A-Za-z0-9_-]{43}"),
)
_ANY: Final = re.compile("|".join(f"(?P<s{index}>(?<![A-Za-z0-9]){shape})" for index, (_, shape) in enumerate(_SHAPES)))


def credentials(text: str) -> Iterator[str]:
    """The kind of each credential in ``text``; never the credential itself."""
    for match in _ANY.finditer(text):
        assert match.lastgroup is not None
        yield _SHAPES[int(match.lastgroup[1:])][0]
