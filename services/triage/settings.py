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
    health_port: Annotated[int, Meta(description="Port of /livez, /readyz and /metrics; 0 for none")] = 0
    health_host: Annotated[str, Meta(description="Address of the health port; 0.0.0.0 for probes of a cluster.")] = (
        "127.0.0.1"
    )
    clustering_vectors: Annotated[
        bool, Meta(description="Compare meanings by word vectors too (33 MB of memory); false: words only")
    ] = True
    openai_api_key: Annotated[str, Meta(description="Key of the model endpoint; empty for servers without one")] = ""
    openai_base_url: Annotated[str, Meta(description="OpenAI-compatible endpoint; empty: the OpenAI service")] = ""
    openai_model: Annotated[
        str, Meta(description="Model that writes titles and summaries of clusters; empty: they come from the evidence")
    ] = ""
    naming_calls_per_hour: Annotated[
        int, Meta(description="Questions to that model in an hour; 0: none, whatever model is set", ge=0)
    ] = 120
    naming_seconds: Annotated[float, Meta(description="Longest time of one answer of the model", gt=0)] = 30.0
    embeddings_url: Annotated[
        str,
        Meta(
            description="OpenAI-compatible API whose embeddings clustering uses, such as http://127.0.0.1:11434/v1; "
            "empty: none, and no text leaves for it"
        ),
    ] = ""
    embeddings_model: Annotated[str, Meta(description="Embedding model there")] = ""
    embeddings_api_key: Annotated[str, Meta(description="Its key; empty for servers without one")] = ""
    embeddings_batch: Annotated[int, Meta(description="Reports in one request", ge=1, le=256)] = 64
    embeddings_timeout: Annotated[
        float, Meta(description="Seconds that reports wait for their embeddings at most", gt=0)
    ] = 10.0
    embeddings_per_hour: Annotated[
        int, Meta(description="Reports to ask for in an hour; the others are grouped without", ge=0)
    ] = 100_000
    clustering_strict: Annotated[
        bool, Meta(description="Join reports only where it is very likely right, suggest the rest: for few duplicates")
    ] = False
    clustering_batch: Annotated[int, Meta(description="Reports stored in one transaction", ge=1, le=1000)] = 256

    @property
    def has_model(self) -> bool:
        """Whether a model may be asked: a name, an endpoint or a key, and a budget."""
        return bool(self.openai_model and (self.openai_api_key or self.openai_base_url) and self.naming_calls_per_hour)

    @property
    def has_embeddings(self) -> bool:
        """Whether an embedding endpoint may be asked: an address, a model, a budget, and an engine that uses them."""
        asked = self.embeddings_url and self.embeddings_model and self.embeddings_per_hour
        return bool(asked and self.clustering_vectors)
