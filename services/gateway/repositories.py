"""Which repository a fix is for, and which addresses are taken at all. Pure."""

import ipaddress
import re
from typing import Final
from urllib.parse import unquote, urlsplit

from services.gateway.problems import Problem, invalid

_SCP: Final = re.compile(r"^[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[A-Za-z0-9_./~-]+$")
_PATH: Final = re.compile(r"^[^\x00-\x1f\x7f]+$")


def check(url: str, *, local: bool, field: str = "repo_url") -> str:
    """The address when it may be cloned; Problem 422 with the reason.

    Taken: ``https://host/...``, ``http://`` to loopback when local ones are, ``ssh://`` and ``git@host:...``, and with
    ``local`` also absolute paths and ``file://``. Refused: credentials in the address, other schemes (``ext::`` runs
    commands), private and link-local hosts, a leading dash (an option to git).
    """
    if not _PATH.match(url) or url.startswith("-") or "::" in url.split("/", 1)[0]:
        raise invalid(field, "is not a repository address")
    if _SCP.match(url):
        return url
    if url.startswith("/"):
        return _local(url, local, field)
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise invalid(field, "must be a file:// address of this machine")
        _local(unquote(parts.path), local, field)
        return url
    if parts.scheme not in ("https", "http", "ssh"):
        raise invalid(field, "must begin with https://, ssh:// or git@, or be a path where local ones are allowed")
    return _remote(url, local, field)


def _local(path: str, local: bool, field: str) -> str:
    if not local:
        raise invalid(field, "is on this machine, which this gateway does not allow (LOCAL_REPOSITORIES)")
    if not path.startswith("/") or ".." in path.split("/"):
        raise invalid(field, "must be an absolute path without `..`")
    return path


def _remote(url: str, local: bool, field: str) -> str:
    parts = urlsplit(url)
    host = _host(url, field)
    if parts.password is not None or (parts.username and parts.scheme != "ssh"):
        raise invalid(field, "must not hold credentials; send the token as X-GitHub-Token")
    if parts.query or parts.fragment or len(parts.path.strip("/")) == 0:
        raise invalid(field, "must name a repository: https://host/owner/name")
    inside = _inside(host)
    if (inside or parts.scheme == "http") and not (local and inside):
        raise invalid(field, "must be https to a public host")
    return url


def _host(url: str, field: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as why:
        raise invalid(field, "has a malformed host or port") from why
    if not host or not re.fullmatch(r"[a-z0-9.:_-]+", host):
        raise invalid(field, "has no valid host")
    return host


def _inside(host: str) -> bool:
    """Loopback, private, link-local, and the odd spellings of IPv4 that resolvers take for them."""
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return all(part.isdigit() or part.startswith("0x") for part in host.split("."))


def choose(*candidates: str | None) -> str:
    """The first repository known: asked for, the cluster's, the plan's, the project's. Problem 422 when none is.

    A suggested repository is not a candidate: a person must confirm it first.
    """
    for candidate in candidates:
        if candidate:
            return candidate
    raise Problem(
        422,
        "repository_unknown",
        "No repository is known for this cluster. Set github_repo_url on the cluster, default_repo_url on the project, "
        "or send repo_url.",
        errors=[{"field": "repo_url", "reason": "no repository is known"}],
    )
