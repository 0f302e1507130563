"""Triage's settings."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Read from the environment; each field is its name in capitals."""

    nats_url: Annotated[str, Meta(description="Address of the broker")] = "nats://127.0.0.1:4222"
    nats_creds: Annotated[str, Meta(description="File with the broker's credentials, empty for none")] = ""
    database_url: Annotated[
        str, Meta(description="sqlite:///path/to/triage.db, or postgresql://user:password@host/database")
    ] = "sqlite:///triage.db"
    log_level: Annotated[str, Meta(description="debug, info, warning or error")] = "info"
    log_format: Annotated[str, Meta(description="json or console")] = "json"
    health_port: Annotated[int, Meta(description="Port of /livez, /readyz and /metrics on loopback; 0 for none")] = 0
    clustering_vectors: Annotated[
        bool, Meta(description="Compare meanings by word vectors too (33 MB of memory); false: words only")
    ] = True
    clustering_batch: Annotated[int, Meta(description="Reports stored in one transaction", ge=1, le=1000)] = 256
