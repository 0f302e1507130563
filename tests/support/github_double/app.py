"""The double's GitHub App: a JWT is checked by the App's public key, tokens are for what was asked alone."""

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass
class Issued:
    """A token that the App was given. ``ends`` in seconds since 1970."""

    token: str
    repositories: set[str]
    permissions: dict[str, str]
    ends: float

    def may(self, repository: str, right: str, level: str) -> bool:
        held = self.permissions.get(right, "none")
        return repository in self.repositories and (held == level or held == "write")

    @property
    def over(self) -> bool:
        return time.time() >= self.ends


@dataclass
class App:
    """``installed``: repository -> installation id. ``granted``: what the installation's owner accepted."""

    id: str = "4711"
    key: str = ""
    public: str = ""
    installed: dict[str, int] = field(default_factory=dict)
    granted: dict[str, str] = field(
        default_factory=lambda: {"contents": "write", "pull_requests": "write", "metadata": "read"}
    )
    lifetime: float = 3600.0
    suspended: bool = False
    issued: dict[str, Issued] = field(default_factory=dict)

    def signed(self, request: web.Request) -> bool:
        """Whether the caller proves to be the App: RS256, our id, ten minutes at most."""
        given = request.headers.get("Authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(given, self.public, algorithms=["RS256"], options={"require": ["exp", "iat", "iss"]})
        except jwt.PyJWTError:
            return False
        return bool(claims["iss"] == self.id and claims["exp"] - time.time() <= 600)

    def give(self, installation: int, body: dict[str, Any]) -> dict[str, Any] | str:
        """GitHub's answer to the exchange, or why it refuses."""
        owned = {name for name, number in self.installed.items() if number == installation}
        asked = body.get("repositories")
        names = {name for name in owned if asked is None or name.split("/")[1] in asked}
        if asked is not None and len(names) != len(asked):
            return (
                "There is at least one repository that does not exist or is not accessible to the parent installation."
            )
        permissions = body.get("permissions") or self.granted
        if any(self.granted.get(right) not in (level, "write") for right, level in permissions.items()):
            return "The permissions requested are not granted to this installation."
        token = f"ghs_{len(self.issued):04d}abcdefghijklmnopqrstuvwxyz0123"
        made = Issued(token, names, dict(permissions), time.time() + self.lifetime)
        self.issued[token] = made
        return {
            "token": token,
            "expires_at": datetime.fromtimestamp(made.ends, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "permissions": made.permissions,
            "repository_selection": "all" if asked is None else "selected",
        }


def made_app() -> App:
    """An App with a fresh key pair."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return App(key=private.decode(), public=public.decode())
