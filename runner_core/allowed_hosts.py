"""Which hosts set-up commands may reach. Pure.

The operator's list may name any host, also inside the own network, with a port if it is not 443. A repository may only
add names that lead out, on 443: it must not reach what stands beside the runner.
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final

HTTPS: Final = 443
_TARGET: Final = re.compile(r"^([A-Za-z0-9.-]{1,253}):([0-9]{1,5})\Z")


@dataclass(frozen=True, slots=True)
class Allowed:
    """``own``: of the operator, ``host`` or ``host:port``; ``asked``: of the repository. ``*.name`` is all below it."""

    own: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """All of them, as a provider's own filter wants them."""
        return sorted({entry.partition(":")[0] for entry in (*self.own, *self.asked)})


@dataclass(frozen=True, slots=True)
class Way:
    """A target that may be reached; ``anywhere``: also at an address of a private network."""

    host: str
    port: int
    anywhere: bool


def way(target: str, allowed: Allowed) -> Way | None:
    """The way to ``host:port``; None when it is not allowed."""
    found = _TARGET.match(target)
    if found is None:
        return None
    host, port = found[1].casefold().rstrip("."), int(found[2])
    for entry in allowed.own:
        name, _, wanted = entry.partition(":")
        if _matches(host, name) and port == int(wanted or HTTPS):
            return Way(host, port, anywhere=True)
    if port == HTTPS and any(_matches(host, name) for name in allowed.asked):
        return Way(host, port, anywhere=False)
    return None


def reachable(address: str, way: Way) -> bool:
    """Whether this address of the host may be connected to."""
    return way.anywhere or ipaddress.ip_address(address.partition("%")[0]).is_global


def _matches(host: str, name: str) -> bool:
    name = name.casefold()
    return host.endswith(name[1:]) if name.startswith("*.") else host == name
