"""Which gateway the command talks to, as whom: flags, environment, the chosen context, a running `up`."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.errors import CliError, Exit


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway, an API key and a project."""

    gateway: str
    api_key: str
    project: str


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
    except ValueError as error:
        raise CliError(
            f"{path} is not valid JSON", why=str(error), next_step="mend or delete the file", code=Exit.CONFIGURATION
        ) from error
    return loaded


def save_contexts(contexts: dict[str, Any]) -> None:
    """Write the contexts readable by their owner only: they hold API keys."""
    path = config_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(contexts, file, indent=2)


def running_up() -> dict[str, str]:
    """What the newest `soulcaster up` started from here wrote into its data folder, if it still runs."""
    for ready in (Path(".soulcaster/ready.json"), Path(".soulcaster/demo/ready.json")):
        if ready.exists():
            try:
                values: dict[str, str] = json.loads(ready.read_text())
            except ValueError:
                continue
            return values
    return {}


def resolve(gateway: str | None, api_key: str | None, project: str | None) -> Target:
    """The target by precedence; raises CliError when no gateway is known."""
    contexts = load_contexts()
    chosen = contexts["contexts"].get(os.environ.get("SOULCASTER_CONTEXT") or contexts.get("current"), {})
    local = {} if chosen else running_up()
    url = gateway or os.environ.get("SOULCASTER_GATEWAY") or chosen.get("gateway") or local.get("gateway")
    if not url:
        raise CliError(
            "no gateway is known",
            why="No --gateway, no SOULCASTER_GATEWAY, no context, and no `soulcaster up` runs in this folder.",
            next_step="soulcaster up   (or: soulcaster context add NAME --gateway URL --api-key KEY)",
            code=Exit.USAGE,
        )
    key = api_key or os.environ.get("SOULCASTER_API_KEY") or chosen.get("api_key") or local.get("api_key") or ""
    name = project or os.environ.get("SOULCASTER_PROJECT") or chosen.get("project") or local.get("project_id")
    return Target(url.rstrip("/"), key, name or "default")
