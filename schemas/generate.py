"""``python -m schemas.generate`` writes docs/reference/asyncapi.json and docs/reference/schemas/ from the structs.

``--golden`` also writes the golden samples that are missing. A sample once written is never changed: it is what an old
process may still have in a stream.
"""

import argparse
import importlib
import json
import pkgutil
import re
from pathlib import Path
from typing import Any, Final

import msgspec

import schemas
from schemas.base import Message
from schemas.catalog import CHANNELS as FIXED_CHANNELS
from schemas.catalog import SERVICES, Channel, triage_channels
from schemas.samples import sample

ROOT: Final = Path(__file__).parent.parent
GOLDEN: Final = Path(__file__).parent / "golden"
VERSION: Final = 1


def message_types() -> dict[str, type[Message]]:
    """Every Message of every schema module, by name."""
    for module in pkgutil.iter_modules(schemas.__path__):
        importlib.import_module(f"schemas.{module.name}")
    found: dict[str, type[Message]] = {}
    waiting: list[type[Message]] = [Message]
    while waiting:
        for subclass in waiting.pop().__subclasses__():
            if subclass.__module__.startswith("schemas.") and subclass.__name__ not in found:
                found[subclass.__name__] = subclass
                waiting.append(subclass)
    return dict(sorted(found.items()))


def channels() -> tuple[Channel, ...]:
    """All channels, triage's operations among them."""
    return (*FIXED_CHANNELS, *triage_channels())


def json_schema(type_: type[Message]) -> dict[str, Any]:
    """A JSON Schema (2020-12) of one message with all that it refers to."""
    schema = msgspec.json.schema(_documented(type_))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://soulcaster.dev/schemas/{type_.__name__}.json",
        **schema,
    }


def asyncapi() -> dict[str, Any]:
    """The AsyncAPI 3.0 document of all channels."""
    used: dict[str, type[Any]] = {}
    for channel in channels():
        for type_ in (channel.message, channel.reply):
            if type_ is not None:
                used[type_.__name__] = type_
    _, components = msgspec.json.schema_components(
        [_documented(type_) for type_ in used.values()], ref_template="#/components/schemas/{name}"
    )
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Soulcaster on NATS",
            "version": str(VERSION),
            "description": "Messages between the services. Streams and buckets are JetStream's; see docs/architecture.",
        },
        "defaultContentType": "application/json",
        "channels": {_channel_id(channel): _channel(channel) for channel in channels()},
        "operations": _operations(),
        "components": {
            "messages": {name: _message(name, type_) for name, type_ in sorted(used.items())},
            "schemas": components,
        },
    }


def _channel_id(channel: Channel) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "_", channel.address).strip("_")


def _channel(channel: Channel) -> dict[str, Any]:
    names = [type_.__name__ for type_ in (channel.message, channel.reply) if type_ is not None]
    parameters = re.findall(r"\{([a-z]+)\}", channel.address)
    return {
        "address": channel.address,
        "title": channel.title,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "parameters": {name: {"description": "One token: 1 to 64 of A-Z a-z 0-9 _ -"} for name in parameters},
        "x-kind": channel.kind,
        **({"x-stream": channel.store} if channel.store else {}),
    }


def _operations() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for channel in channels():
        for service in SERVICES:
            if service in channel.writers:
                found[f"{service}_send_{_channel_id(channel)}"] = _operation(channel, "send")
            if service in channel.readers:
                found[f"{service}_receive_{_channel_id(channel)}"] = _operation(channel, "receive")
    return found


def _operation(channel: Channel, action: str) -> dict[str, Any]:
    reference = f"#/channels/{_channel_id(channel)}"
    operation: dict[str, Any] = {
        "action": action,
        "channel": {"$ref": reference},
        "messages": [{"$ref": f"{reference}/messages/{channel.message.__name__}"}],
    }
    if channel.reply is not None:
        operation["reply"] = {
            "channel": {"$ref": reference},
            "messages": [{"$ref": f"{reference}/messages/{channel.reply.__name__}"}],
        }
    return operation


def _message(name: str, type_: type[Any]) -> dict[str, Any]:
    summary = (type_.__doc__ or "").strip().split("\n")[0]
    return {"name": name, "summary": summary, "payload": {"$ref": f"#/components/schemas/{name}"}}


def _documented(type_: type[Any]) -> type[Any]:
    """The type itself, or a stand-in with Any for msgspec.Raw, whose default JSON Schema cannot show."""
    fields = msgspec.structs.fields(type_)
    if not any(field.type is msgspec.Raw for field in fields):
        return type_
    shown = [(field.name, Any, None) if field.type is msgspec.Raw else _same(field) for field in fields]
    stand_in = msgspec.defstruct(type_.__name__, shown, kw_only=True)
    stand_in.__doc__ = type_.__doc__
    return stand_in


def _same(field: msgspec.structs.FieldInfo) -> Any:
    return (field.name, field.type) if field.required else (field.name, field.type, field.default)


def documents() -> dict[Path, str]:
    """Every generated file, by its path below the repository's root."""
    reference = Path("docs/reference")
    found = {reference / "asyncapi.json": asyncapi()}
    for name, type_ in message_types().items():
        found[reference / "schemas" / f"{name}.json"] = json_schema(type_)
    return {path: json.dumps(document, indent=2) + "\n" for path, document in found.items()}


def golden_path(name: str, version: int = VERSION) -> Path:
    """Where the sample of a message's version is kept."""
    return GOLDEN / f"{name}.v{version}.json"


def write_missing_golden() -> list[str]:
    """Write samples that do not exist yet; their names."""
    GOLDEN.mkdir(exist_ok=True)
    missing = [name for name in message_types() if not golden_path(name).exists()]
    for name in missing:
        data = msgspec.json.format(msgspec.json.encode(sample(message_types()[name])), indent=2)
        golden_path(name).write_bytes(data + b"\n")
    return missing


def main(argv: list[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m schemas.generate", description=__doc__)
    parser.add_argument("--golden", action="store_true", help="write samples of new messages")
    options = parser.parse_args(argv)
    wanted = documents()
    for path, text in wanted.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text)
    for stale in (ROOT / "docs/reference/schemas").glob("*.json"):
        if stale.relative_to(ROOT) not in wanted:
            stale.unlink()
    if options.golden:
        write_missing_golden()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
