"""``.soulcaster.yml``: what a repository says about itself. Read from the base commit, never from what an agent wrote.

Pure. The reference is docs/how-to/repository-settings.md.
"""

import re
from typing import Annotated, Final

import msgspec
import yaml  # type: ignore[import-untyped]  # its stubs are a package of their own
from msgspec import Meta

FILE: Final = ".soulcaster.yml"
BYTES: Final = 64 * 1024
HOST: Final = r"^(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
Command = Annotated[str, Meta(min_length=1, max_length=2_000)]
Host = Annotated[str, Meta(pattern=HOST, max_length=253)]


class BadSettings(ValueError):
    """The file cannot be used; the words say what is wrong and where."""


class RepositorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``setup``: commands before the agent and before tests; empty for none, absent for the plan's. ``test``: the
    command that must pass. ``protected``: paths (``*`` matches within a folder and below) whose change waits for a
    person. ``network``: names that ``setup`` may reach beside the package registries."""

    setup: Annotated[list[Command], Meta(max_length=20)] | None = None
    test: Command | None = None
    protected: Annotated[list[Annotated[str, Meta(min_length=1, max_length=300)]], Meta(max_length=100)] = []
    network: Annotated[list[Host], Meta(max_length=50)] = []


def parse(data: bytes) -> RepositorySettings:
    """The settings; raises BadSettings."""
    if len(data) > BYTES:
        raise BadSettings(f"it has {len(data)} bytes; at most {BYTES} are read")
    value = _loaded(data)
    if value is None:
        return RepositorySettings()
    if not isinstance(value, dict):
        raise BadSettings("it holds no mapping of setup, test, protected and network")
    if isinstance(value.get("setup"), str):
        value["setup"] = [value["setup"]]
    try:
        return msgspec.convert(value, RepositorySettings)
    except msgspec.ValidationError as error:
        raise BadSettings(re.sub(r"\$\.?", "", str(error).replace("Object contains", "it contains"))) from error


def _loaded(data: bytes) -> object:
    """Plain values. Aliases are refused: a few of them unfold to gigabytes (the "billion laughs")."""
    try:
        text = data.decode()
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise BadSettings("it uses YAML aliases, which are not read")
        return yaml.safe_load(text)
    except UnicodeDecodeError as error:
        raise BadSettings("it is not UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" in line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadSettings(f"it is no YAML{where}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadSettings(f"it is no YAML: {error}"[:300]) from error
