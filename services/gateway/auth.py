"""Who may do what: roles, API keys, session ids and the cross-site check. Pure; the stores are in directory.py."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

from schemas.projects import ApiKey

Role = Literal["ingest", "viewer", "triager", "operator", "admin"]
ROLES: Final[tuple[str, ...]] = get_args(Role)
_GRANTS: Final[dict[str, frozenset[str]]] = {
    "ingest": frozenset({"ingest"}),
    "viewer": frozenset({"viewer"}),
    "triager": frozenset({"viewer", "triager", "ingest"}),
    "operator": frozenset({"viewer", "triager", "operator", "ingest"}),
    "admin": frozenset(ROLES),
}
_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks. ``role`` is held in ``project`` (None: in every project), ``roles`` names more by project.

    ``key_id`` is what a revocation names, ``login`` a person's GitHub login.
    """

    name: str
    role: str
    project: str | None = None
    kind: Literal["key", "session", "open"] = "key"
    key_id: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    login: str = ""

    def role_in(self, project: str | None) -> str:
        """The role in a project, empty when it is closed to the caller. None asks for the role in every project."""
        wide = self.role if self.project in (None, project) else ""
        return higher(wide, self.roles.get(project, "")) if project is not None else wide

    def may(self, role: str, project: str | None) -> bool:
        """Whether what needs ``role`` is open to this caller in a project; None: in every project."""
        return reaches(self.role_in(project), role)

    def may_somewhere(self, role: str) -> bool:
        """Whether any project opens to this caller what needs ``role``."""
        return any(reaches(held, role) for held in (self.role, *self.roles.values()))

    def sees(self, project: str) -> bool:
        """Whether the caller reaches this project at all."""
        return self.role_in(project) != ""

    @property
    def only_project(self) -> str | None:
        """The one project of a caller that has one; None for several and for all."""
        if self.role:
            return self.project
        return next(iter(self.roles)) if len(self.roles) == 1 else None


def reaches(held: str, role: str) -> bool:
    """Whether who holds one role may do what needs another."""
    return role in _GRANTS.get(held, frozenset())


def reached(held: str) -> list[str]:
    """The roles whose work is open to who holds one, least first."""
    return [role for role in ROLES if reaches(held, role)]


def higher(one: str, other: str) -> str:
    """The role of the two that opens more; empty is no role."""
    return max(one, other, key=lambda role: len(_GRANTS.get(role, frozenset())))


def new_key() -> tuple[str, str]:
    """A key's public id and the whole key, ``sc_<id>_<43 characters>`` (256 random bits)."""
    key_id = "".join(secrets.choice(_ALPHABET) for _ in range(10))
    return key_id, f"sc_{key_id}_{secrets.token_urlsafe(32)}"


def key_id_of(key: str) -> str | None:
    """The public id inside a key, None when it has not a key's shape."""
    parts = key.split("_", 2)
    if len(parts) != 3 or parts[0] != "sc" or not parts[1].isalnum() or not parts[1].isascii() or len(parts[1]) > 32:
        return None
    return parts[1]


def digest(pepper: bytes, key: str) -> str:
    """What is stored of a key: HMAC-SHA-256. No slow hash: the key is 256 random bits, not a password."""
    return hmac.new(pepper, key.encode(), hashlib.sha256).hexdigest()


def pepper_of(secret_key: bytes) -> bytes:
    """The pepper of key digests, bound to the installation's secret key."""
    return hmac.new(secret_key, b"soulcaster api keys", hashlib.sha256).digest()


def usable(record: ApiKey, now: datetime) -> bool:
    """Whether a stored key still opens anything."""
    return not record.revoked and (record.expires_at is None or record.expires_at > now)


def same(left: str, right: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def session_token(cookie: str) -> str:
    """The name a session is stored under: a hash, so that the store cannot be replayed as a cookie."""
    return hashlib.sha256(cookie.encode()).hexdigest()[:40]


def local_path(path: str | None) -> str:
    """Where to go after signing in: a path of ours, ``/`` for anything that could lead to another site."""
    if path is None or not path.startswith("/") or path.startswith("//") or len(path) > 500:
        return "/"
    return path if path.isascii() and path.isprintable() and "\\" not in path else "/"


def challenge(verifier: str) -> str:
    """The S256 code challenge of a verifier (RFC 7636, section 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def admin_mark(admin_key: str) -> str:
    """What a session made with the admin key remembers of it, so that another admin key ends the session."""
    return "admin." + hashlib.sha256(admin_key.encode()).hexdigest()[:24]


def bearer(headers: Mapping[str, str]) -> str | None:
    """The key of ``Authorization: Bearer``, else of ``X-API-Key``."""
    value = headers.get("Authorization", "")
    scheme, _, key = value.partition(" ")
    if scheme.lower() == "bearer" and key.strip():
        return key.strip()
    return headers.get("X-API-Key") or None


def same_site(method: str, headers: Mapping[str, str], own: frozenset[str]) -> bool:
    """Whether a request that a browser authenticated by itself really comes from our own page.

    ``Sec-Fetch-Site`` decides where the browser sends it, else ``Origin`` must be one of ``own``. A changing request
    with neither is refused: every browser sends one of them.
    """
    if method in ("GET", "HEAD"):
        return True  # changes nothing, and without CORS headers another site cannot read the answer
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("Origin")
    return origin is not None and origin in own


def loopback_host(host: str) -> bool:
    """Whether a Host header names this machine: the guard of an open loopback gateway against DNS rebinding."""
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "::1") or name.startswith("127.")
