"""What every runner can be told from outside; each runner's own struct adds its name, its room and its provider."""

import socket
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class RunnerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Environment variables that runners share, for ``runner_core.composing``; durations in seconds."""

    nats_url: Annotated[str, Meta(description="address of NATS")] = "nats://127.0.0.1:4222"
    nats_creds: Annotated[str, Meta(description="credentials file for NATS; empty for none")] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error")] = "info"
    log_format: Annotated[str, Meta(description="json or console")] = "json"
    health_port: Annotated[int, Meta(description="Port of /livez /readyz /metrics; 0 for none")] = 0
    health_host: Annotated[str, Meta(description="Address of the health port; 0.0.0.0 for probes of a cluster.")] = (
        "127.0.0.1"
    )
    runner_id: Annotated[str, Meta(description="the runner's name, by which fixes are routed to it")]
    data_dir: Annotated[
        str, Meta(description="folder of mirrors (runner/mirrors), attempts (runner/attempts), local sandboxes (runs)")
    ] = "data"
    public_url: Annotated[str, Meta(description="the gateway's address as people see it, for links")] = (
        "http://127.0.0.1:8080"
    )
    model_proxy_public_url: Annotated[
        str, Meta(description="https:// address by which remote sandboxes reach this runner's model proxy")
    ] = ""
    model_proxy_host: Annotated[str, Meta(description="address that the model proxy listens on for that")] = "127.0.0.1"
    model_proxy_port: Annotated[int, Meta(description="port that the model proxy listens on for that")] = 8089
    agent: Annotated[
        Literal["kilocode", "opencode"],
        Meta(description="coding agent of fixes that name none; the others stay available"),
    ] = "kilocode"
    openai_api_key: Annotated[str, Meta(description="key of the model endpoint; it never enters a sandbox")] = ""
    openai_base_url: Annotated[
        str, Meta(description="OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1; empty: OpenAI's own")
    ] = ""
    openai_model: Annotated[str, Meta(description="the model that the agent works with")] = ""
    model_prices: Annotated[
        list[str],
        Meta(description="US dollars for a million tokens: model=input/output or model=input/output/cached, by commas"),
    ] = msgspec.field(default_factory=list)
    model_context: Annotated[int, Meta(description="tokens that the model reads at most")] = 128_000
    model_output: Annotated[int, Meta(description="tokens of one answer at most")] = 8_192
    model_silence_seconds: Annotated[float, Meta(description="longest silence of the model endpoint")] = 120.0
    model_retries: Annotated[int, Meta(description="repeats after a refused or lost connection, 429 and 5xx")] = 3
    model_backoff_seconds: Annotated[float, Meta(description="first pause before a repeat; doubles each time")] = 1.0
    agent_stall_seconds: Annotated[
        float, Meta(description="an agent that prints nothing and asks nothing for so long is ended")
    ] = 660.0
    work_save_seconds: Annotated[
        float, Meta(description="how often the work so far is taken out of the sandbox and kept")
    ] = 120.0
    agent_rounds: Annotated[
        int, Meta(description="how often the agent is sent back in one attempt because tests fail with its changes")
    ] = 1
    soulcaster_secret_key: Annotated[
        str, Meta(description="key that opens users' tokens, 32 bytes in base64; the gateway has the same")
    ] = ""
    github_token: Annotated[
        str, Meta(description="token for github.com when a request brings none and no App is set; enters no sandbox")
    ] = ""
    github_app_id: Annotated[
        str, Meta(description="GitHub App whose tokens, one repository each, are used when a request brings none")
    ] = ""
    github_app_private_key: Annotated[str, Meta(description="the App's private key in PEM form")] = ""
    github_app_private_key_file: Annotated[str, Meta(description="a file that holds it instead")] = ""
    github_fork: Annotated[
        Literal["never", "auto"],
        Meta(description="auto: push to a fork where a person's token may not write; the project's choice goes first"),
    ] = "never"
    github_api_url: Annotated[str, Meta(description="GitHub's REST API")] = "https://api.github.com"

    @property
    def has_model(self) -> bool:
        """A model's name, and an endpoint or a key."""
        return bool(self.openai_model and (self.openai_api_key or self.openai_base_url))

    @property
    def host(self) -> str:
        """This machine's name as part of a key: ``A-Z a-z 0-9 _ -``."""
        name = "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in socket.gethostname())
        return name[:32] or "host"
