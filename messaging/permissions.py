"""What each service may say and hear on NATS, made from the catalog of channels and the topology.

``python -m messaging.permissions`` writes deploy/nats/permissions.conf; ``--credentials DIR`` also makes passwords.
One kind of writer per subject and bucket. Only the provisioner makes streams and durable consumers. Runners stand
next to code that nobody trusts: they may not create consumers at all, as one with a deliver subject of its own reaches
subscribers that its creator may not publish to (nats-server issue 8274).
"""

import argparse
import os
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from messaging.topology import CONSUMERS, OBJECT_STREAM, Consumer, runner_consumer
from schemas.catalog import CHANNELS, Channel, triage_channels
from schemas.subjects import (
    CLUSTERS,
    DEAD,
    FEEDBACK,
    JOBS,
    KV_JOBS,
    KV_PLANS,
    KV_PROJECTS,
    LOGS,
    OBJECTS,
)

API: Final = "$JS.API"
OUT: Final = Path(__file__).parent.parent / "deploy" / "nats" / "permissions.conf"
# What the gateway removes of a deleted project; FEEDBACK and CLUSTERS are triage's.
ERASED: Final = (JOBS, LOGS, f"KV_{KV_JOBS}", f"KV_{KV_PLANS}", f"KV_{KV_PROJECTS}")
HEADER: Final = (
    "# Made by `python -m messaging.permissions`; do not edit. Passwords come from the server's environment.\n"
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A user of the broker: the name a service connects with, its role in the catalog, a runner's id."""

    name: str
    role: str
    runner: str = ""

    @property
    def variable(self) -> str:
        """The environment variable of the server that holds the password."""
        return f"NATS_{self.name.upper().replace('-', '_')}_PASSWORD"


@dataclass(frozen=True, slots=True)
class Permissions:
    """Subjects that may be published and subscribed. ``answers``: may reply to what it receives."""

    publish: tuple[str, ...]
    subscribe: tuple[str, ...]
    answers: bool = False


IDENTITIES: Final = (
    Identity("gateway", "gateway"),
    Identity("orchestrator", "orchestrator"),
    Identity("planner", "planner"),
    Identity("triage", "triage"),
    Identity("collector", "collector"),
    Identity("runner_sandbox", "runner", "sandbox_kilo"),
    Identity("runner_aws", "runner", "aws_kilo"),
)
_DURABLES: Final = {
    "orchestrator": ("orchestrator", "orchestrator-attempts"),
    "planner": ("planner",),
    "triage": ("triage", "triage-jobs"),
}
SEALED: Final = "KV_secrets"  # of its writers only those who also read it may
_REQUESTS_OF: Final = "request"


def permissions(identity: Identity) -> Permissions:
    """All that this identity needs, and nothing else."""
    channels = (*CHANNELS, *triage_channels())
    written = [channel for channel in channels if identity.role in channel.writers]
    read = [channel for channel in channels if identity.role in channel.readers]
    own_inbox = f"_INBOX_{identity.name}.>"
    publish = [own_inbox, *(_written(channel, identity) for channel in written), *_reading(read, identity)]
    for consumer in _consumers(identity):
        publish += _pulling(consumer)
    if identity.role in ("gateway", "runner"):
        publish += _objects()
    if identity.role == "gateway":
        publish += [f"{API}.STREAM.MSG.DELETE.{stream}" for stream in (DEAD, *ERASED)]
    if identity.role == "triage":  # a deleted project leaves no message behind
        publish += [f"{API}.STREAM.MSG.DELETE.{stream}" for stream in (FEEDBACK, CLUSTERS)]
    own = [channel.store for channel in written if channel.kind == "key-value" and channel.store != SEALED]
    publish += [f"{API}.STREAM.MSG.GET.{store}" for store in own]
    served = [channel.address.partition(".")[0] + ".>" for channel in read if channel.kind == _REQUESTS_OF]
    return Permissions(_unique(publish), _unique([own_inbox, *served]), answers=bool(served))


def _written(channel: Channel, identity: Identity) -> str:
    if channel.store == f"KV_{_bucket(channel)}" and not identity.runner:
        return f"$KV.{_bucket(channel)}.>"  # keys of one bucket have one writer, whatever their number of tokens
    if channel.store == DEAD:
        return f"dead.{identity.name}"
    return _scoped(channel, identity)


def _bucket(channel: Channel) -> str:
    return channel.store.removeprefix("KV_")


def _scoped(channel: Channel, identity: Identity) -> str:
    wildcard = channel.wildcard
    if identity.runner and "{runner}" in channel.address:
        head = channel.address.partition("{runner}")[0]
        return head + identity.runner + wildcard.removeprefix(head + "*")
    return wildcard


def _reading(channels: Iterable[Channel], identity: Identity) -> list[str]:
    allowed: list[str] = []
    for channel in channels:
        if channel.kind == "key-value":
            allowed.append(f"{API}.STREAM.MSG.GET.{channel.store}")
        elif channel.kind == "stream" and not identity.runner:
            allowed += [f"{API}.DIRECT.GET.{channel.store}", f"{API}.DIRECT.GET.{channel.store}.>"]
        if channel.kind != _REQUESTS_OF and not identity.runner:
            allowed += [
                f"{API}.STREAM.INFO.{channel.store}",
                f"{API}.CONSUMER.CREATE.{channel.store}.>",
                f"$JS.FC.{channel.store}.>",
            ]
    return allowed


def _consumers(identity: Identity) -> list[Consumer]:
    if identity.runner:
        return [runner_consumer(identity.runner)]
    return [CONSUMERS[name] for name in _DURABLES.get(identity.role, ())]


def _pulling(consumer: Consumer) -> list[str]:
    where = f"{consumer.stream}.{consumer.name}"
    return [
        f"{API}.CONSUMER.MSG.NEXT.{where}",
        f"{API}.CONSUMER.INFO.{where}",
        f"$JS.ACK.{where}.>",
        f"$JS.ACK.*.*.{where}.>",  # the long form that later servers use
    ]


def _objects() -> list[str]:
    stream = OBJECT_STREAM.name
    return [
        f"$O.{OBJECTS}.>",
        f"{API}.DIRECT.GET.{stream}",
        f"{API}.DIRECT.GET.{stream}.>",
        f"{API}.STREAM.MSG.GET.{stream}",
    ]


def _unique(subjects: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(subjects)))


def render(identities: Iterable[Identity] = IDENTITIES) -> str:
    """The ``accounts`` block of nats-server's configuration."""
    users = "\n".join(_user(identity, permissions(identity)) for identity in identities)
    provisioner = '      { user: "provisioner", password: $NATS_PROVISIONER_PASSWORD }'
    return (
        f"{HEADER}system_account: SYS\naccounts {{\n"
        '  SYS { users: [ { user: "system", password: $NATS_SYSTEM_PASSWORD } ] }\n'
        f"  SOULCASTER {{\n    jetstream: enabled\n    users: [\n{provisioner}\n{users}\n    ]\n  }}\n}}\n"
    )


def _user(identity: Identity, allowed: Permissions) -> str:
    answers = '\n          allow_responses: { max: 1, expires: "1m" }' if allowed.answers else ""
    return (
        f'      {{ user: "{identity.name}", password: ${identity.variable}\n'
        "        permissions: {\n"
        f"          publish: {{ allow: [\n{_lines(allowed.publish)}\n          ] }}\n"
        f"          subscribe: {{ allow: [\n{_lines(allowed.subscribe)}\n          ] }}{answers}\n"
        "        } }"
    )


def _lines(subjects: Iterable[str]) -> str:
    return "\n".join(f'            "{subject}"' for subject in subjects)


def make_credentials(folder: Path) -> dict[str, str]:
    """Passwords for all users: ``nats.env`` for the server, one file ``<user>`` with user:password for each service.

    Files that exist are kept. Returns the server's environment.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    names = {identity.name: identity.variable for identity in IDENTITIES}
    names |= {"provisioner": "NATS_PROVISIONER_PASSWORD", "system": "NATS_SYSTEM_PASSWORD"}
    environment: dict[str, str] = {}
    for user, variable in names.items():
        path = folder / user
        if not path.exists():
            # A leading letter: the server would read some random digits as a number.
            _write_secret(path, f"{user}:p{secrets.token_hex(24)}\n")
        environment[variable] = path.read_text().strip().partition(":")[2]
    _write_secret(folder / "nats.env", "".join(f"{name}={value}\n" for name, value in environment.items()))
    return environment


def _write_secret(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m messaging.permissions", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--credentials", type=Path, help="folder to make passwords in")
    options = parser.parse_args(argv)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(render())
    if options.credentials:
        make_credentials(options.credentials)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
