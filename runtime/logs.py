"""Structured logs on stderr: each line has an action name and the identity bound to its context."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, cast

import msgspec
import structlog

Fmt = Literal["json", "console"]
_SECRET_WORDS: Final = ("token", "secret", "password", "api_key", "authorization", "credential", "private_key")


def configure(service: str, level: str = "info", fmt: Fmt = "json") -> None:
    """Send structlog and the standard library's logging to stderr, one JSON object (or one console line) an event."""
    number = logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _named(service),
        mask_secrets,
    ]
    renderer: Any = structlog.dev.ConsoleRenderer() if fmt == "console" else _json
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[renderer], foreign_pre_chain=shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(number, logging.WARNING))  # libraries speak only when something is wrong


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; call it as ``log.info("job.claimed", job_id=...)``."""
    return cast(structlog.stdlib.BoundLogger, structlog.get_logger(component=name))


def mask_secrets(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values whose names say that they are secret. A second line of defence: do not log them at all."""
    for name in event:
        if any(word in name.lower() for word in _SECRET_WORDS) and isinstance(event[name], str | bytes):
            event[name] = "***"
    return event


def _named(service: str) -> Any:
    def add(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    return add


def _json(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(dict(event), enc_hook=repr).decode()
