"""Which gateway the command talks to, as whom: flags, environment, the chosen context, a running `up`."""

import contextlib
import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cli.errors import CliError, Exit


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway, an API key and a project."""

    gateway: str
    api_key: str
    project: str

    @property
    def private(self) -> bool:
        """Whether nobody on the way can read what is sent: TLS, or this machine."""
        host = urlsplit(self.gateway).hostname or ""
        return self.gateway.startswith("https://") or host in ("localhost", "::1") or host.startswith("127.")


def config_path() -> Path:
    """``$XDG_CONFIG_HOME/soulcaster/contexts.json``."""
    base = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(base) / "soulcaster" / "contexts.json"


def load_contexts() -> dict[str, Any]:
    """``{"current": name, "contexts": {name: {gateway, api_key, project}}}``; empty when there is none."""
    path = config_path()
    if not path.exists():
        return {"current": None, "contexts": {}}
    try:
        loaded: dict[str, Any] = json.loads(path.read_text())
        known = {name: {**entry, "gateway": str(entry["gateway"])} for name, entry in loaded["contexts"].items()}
    except OSError as error:
        raise CliError(f"cannot read {path}", why=error.strerror or "", code=Exit.CONFIGURATION) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CliError(
            f"{path} is not a list of contexts",
            why=str(error),
            next_step="mend or delete the file",
            code=Exit.CONFIGURATION,
        ) from error
    return {"current": loaded.get("current"), "contexts": known}


def save_contexts(contexts: dict[str, Any]) -> None:
    """Write the contexts readable by their owner only: they hold API keys."""
    path = config_path()
    partial = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(contexts, file, indent=2)
        partial.replace(path)
    except OSError as error:
        raise CliError(f"cannot write {path}", why=error.strerror or "", code=Exit.CONFIGURATION) from error


def running_up(start: Path | None = None) -> dict[str, str]:
    """What a `soulcaster up` that runs in this folder, or in one above it, wrote into its data folder."""
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        for data in (folder / ".soulcaster", folder / ".soulcaster" / "demo"):
            if (data / "ready.json").exists() and _in_use(data / "up.lock"):
                with contextlib.suppress(ValueError, OSError):
                    values: dict[str, str] = json.loads((data / "ready.json").read_text())
                    return values
    return {}


def _in_use(lock: Path) -> bool:
    """Whether an `up` holds its folder: one that was killed leaves its ready file behind, but not its lock."""
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def resolve(gateway: str | None, api_key: str | None, project: str | None, context: str | None = None) -> Target:
    """The target by precedence: flags, environment, the chosen context, a running `up`. CliError when none is known.

    A key goes only where it belongs: that of a context or of a running `up` is not sent to another gateway.
    """
    chosen = _context(context or os.environ.get("SOULCASTER_CONTEXT"))
    if context and not gateway:
        return Target(
            address(chosen["gateway"]),
            api_key or chosen.get("api_key", ""),
            project or chosen.get("project", "default"),
        )
    local = {} if chosen else running_up()
    url = gateway or os.environ.get("SOULCASTER_GATEWAY") or chosen.get("gateway") or local.get("gateway")
    if not url:
        raise CliError(
            "no gateway is known",
            why="No --gateway, no SOULCASTER_GATEWAY, no context, and no `soulcaster up` runs here or above.",
            next_step="soulcaster up   (or: soulcaster context add NAME --gateway URL --api-key KEY)",
            code=Exit.USAGE,
        )
    url = address(url)
    near = next((known for known in (chosen, local) if known and address(known["gateway"]) == url), {})
    key = api_key or os.environ.get("SOULCASTER_API_KEY") or near.get("api_key") or ""
    name = project or os.environ.get("SOULCASTER_PROJECT") or near.get("project") or near.get("project_id")
    return Target(url, key, name or "default")


def address(url: str) -> str:
    """A gateway's address without a trailing slash; ``http://`` is put before a bare host. Raises CliError."""
    given = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(given)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(character.isspace() for character in given):
        raise CliError(
            f"{url} is not a gateway's address", next_step="--gateway http://127.0.0.1:8080", code=Exit.USAGE
        )
    return given.rstrip("/")


def _context(name: str | None) -> dict[str, str]:
    """The context named, else the current one; raises CliError for a name nobody remembered."""
    contexts = load_contexts()
    wanted = name or contexts.get("current")
    if wanted is None:
        return {}
    found: dict[str, str] | None = contexts["contexts"].get(wanted)
    if found is None:
        raise CliError(f"no context {wanted}", next_step="soulcaster context list", code=Exit.NOT_FOUND)
    return found
