"""What a sandbox at e2b may reach: no way in, and out to the model's host alone; during set-up to the registries too.

e2b matches allowed names by the TLS name, and leaves its default name server open beside them unless told
otherwise (SDK 2.63.0, ``SandboxNetworkOpts.dns_servers``): a way out for whoever can spell data as names. So the agent
gets no name server, and the model's address in /etc/hosts.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from urllib.parse import urlsplit

from e2b import ALL_TRAFFIC
from e2b.sandbox.sandbox_api import SandboxNetworkOpts, SandboxNetworkUpdate

from runner_core.protocols import SandboxError
from schemas.errors import Failure


def at_creation(model_url: str) -> SandboxNetworkOpts:
    """Nothing but the model."""
    options: SandboxNetworkOpts = {"deny_out": [ALL_TRAFFIC], "allow_public_traffic": False}
    if host := urlsplit(model_url).hostname:
        options["allow_out"] = [host]
        options["dns_servers"] = []
    return options


def from_now_on(model_url: str, setup_hosts: Sequence[str]) -> SandboxNetworkUpdate:
    """With the hosts of the set-up, which are found through e2b's own name server; without any, as at creation."""
    names = [*filter(None, [urlsplit(model_url).hostname]), *setup_hosts]
    update: SandboxNetworkUpdate = {"deny_out": [ALL_TRAFFIC]}
    if names:
        update["allow_out"] = names
    if not setup_hosts:
        update["dns_servers"] = []
    return update


async def hosts_line(model_url: str) -> str:
    """The model's host for /etc/hosts; empty where its address is no name. Raises SandboxError."""
    parts = urlsplit(model_url)
    if not parts.hostname or _is_address(parts.hostname):
        return ""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, parts.port or 443, family=socket.AF_INET, type=socket.SOCK_STREAM
        )
    except OSError as error:
        reason = f"MODEL_PROXY_PUBLIC_URL's host {parts.hostname} has no address: {error.strerror}."
        raise SandboxError(
            Failure(kind="configuration", reason=reason, action="Give it a public DNS entry (docs/how-to/e2b.md).")
        ) from error
    return f"{found[0][4][0]} {parts.hostname}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True
