"""What the planner can be told from outside."""

import os
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Environment variables of ``python -m services.planner``; durations in seconds."""

    nats_url: Annotated[str, Meta(description="address of NATS")] = "nats://127.0.0.1:4222"
    nats_creds: Annotated[str, Meta(description="credentials file for NATS; empty for none")] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error")] = "info"
    log_format: Annotated[str, Meta(description="json or console")] = "json"
    health_port: Annotated[int, Meta(description="Port of /livez /readyz /metrics; 0 for none")] = 0
    health_host: Annotated[str, Meta(description="Address of the health port; 0.0.0.0 for probes of a cluster.")] = (
        "127.0.0.1"
    )
    data_dir: Annotated[str, Meta(description="folder of the mirrors (repos/) and the retrieval cache (index/)")] = (
        "data"
    )
    local_repositories: Annotated[
        str, Meta(description="no: refuse repositories that are a path or file:// URL of this machine")
    ] = "yes"
    github_token: Annotated[
        str, Meta(description="token for reading private repositories of github.com; never stored in a plan")
    ] = ""
    github_app_id: Annotated[str, Meta(description="GitHub App that reads the repositories it is installed on")] = ""
    github_app_private_key: Annotated[str, Meta(description="the App's private key in PEM form")] = ""
    github_app_private_key_file: Annotated[str, Meta(description="a file that holds it instead")] = ""
    github_api_url: Annotated[str, Meta(description="GitHub's REST API, which the App is asked at")] = (
        "https://api.github.com"
    )
    git_seconds: Annotated[float, Meta(description="longest time of one fetch")] = 300.0
    plan_slots: Annotated[int, Meta(description="requests worked on at the same time")] = 20
    ground_slots: Annotated[
        int, Meta(description="repositories indexed at the same time, each in a process; 0: half of the processors")
    ] = 0
    ground_seconds: Annotated[float, Meta(description="longest time of indexing and retrieval for one plan")] = 180.0
    plan_seconds: Annotated[float, Meta(description="longest time of one plan, all together")] = 540.0
    openai_api_key: Annotated[str, Meta(description="key of the model endpoint; empty for servers without one")] = ""
    openai_base_url: Annotated[
        str,
        Meta(description="OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1; empty: the OpenAI service"),
    ] = ""
    openai_model: Annotated[str, Meta(description="model that writes plans; empty: plans from evidence alone")] = ""
    model_prices: Annotated[
        list[str],
        Meta(description="US dollars for a million tokens: model=input/output or model=input/output/cached, by commas"),
    ] = msgspec.field(default_factory=list)
    planner_on_model_failure: Annotated[
        Literal["fail", "evidence"],
        Meta(description="fail: the request fails with the reason; evidence: a plan without the model that says so"),
    ] = "fail"
    model_seconds: Annotated[float, Meta(description="longest time of one answer of the model")] = 180.0
    model_silence_seconds: Annotated[float, Meta(description="longest wait for its next word")] = 120.0
    model_retries: Annotated[int, Meta(description="repeats after a refused or lost connection, 429 and 5xx")] = 3
    model_backoff_seconds: Annotated[float, Meta(description="first pause before a repeat; doubles each time")] = 1.0
    model_slots: Annotated[int, Meta(description="questions to the model at the same time")] = 4
    model_plan_tokens: Annotated[int, Meta(description="tokens one plan may use, questions and answers together")] = (
        60_000
    )
    model_answer_tokens: Annotated[int, Meta(description="tokens of one answer at most")] = 6_000

    @property
    def parallel_grounding(self) -> int:
        """``ground_slots`` with 0 resolved."""
        return self.ground_slots or max(1, (os.cpu_count() or 2) // 2)

    @property
    def has_model(self) -> bool:
        """Whether a model is configured: a name, and an endpoint or a key."""
        return bool(self.openai_model and (self.openai_api_key or self.openai_base_url))
