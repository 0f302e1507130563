"""What the sandbox runner can be told from outside."""

import os
import socket
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

# Where the package managers of the usual languages fetch from, when nobody says otherwise.
REGISTRIES = (
    *("pypi.org", "files.pythonhosted.org"),
    *("registry.npmjs.org", "registry.yarnpkg.com", "repo.yarnpkg.com"),
    *("index.crates.io", "static.crates.io", "crates.io"),
    *("proxy.golang.org", "sum.golang.org"),
    *("rubygems.org", "index.rubygems.org"),
    *("repo.maven.apache.org", "repo1.maven.org", "plugins.gradle.org"),
    *("repo.packagist.org", "api.nuget.org"),
)


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Environment variables of ``python -m services.runner_sandbox``; durations in seconds."""

    nats_url: Annotated[str, Meta(description="address of NATS")] = "nats://127.0.0.1:4222"
    nats_creds: Annotated[str, Meta(description="credentials file for NATS; empty for none")] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error")] = "info"
    log_format: Annotated[str, Meta(description="json or console")] = "json"
    health_port: Annotated[int, Meta(description="Port of /livez /readyz /metrics; 0 for none")] = 0
    health_host: Annotated[str, Meta(description="Address of the health port; 0.0.0.0 for probes of a cluster.")] = (
        "127.0.0.1"
    )
    runner_id: Annotated[str, Meta(description="the runner's name, by which fixes are routed to it")] = "sandbox_kilo"
    runner_slots: Annotated[
        int, Meta(description="attempts at the same time, about 1.5 GB of memory each; 0: one for every two processors")
    ] = 0
    data_dir: Annotated[
        str, Meta(description="folder of the mirrors (runner/mirrors), attempts (runner/attempts) and sandboxes (runs)")
    ] = "data"
    public_url: Annotated[str, Meta(description="the gateway's address as people see it, for links")] = (
        "http://127.0.0.1:8080"
    )
    sandbox: Annotated[
        Literal["local", "e2b"], Meta(description="local: bubblewrap on this machine; e2b: microVMs of e2b.dev")
    ] = "local"
    sandbox_local_unsafe: Annotated[
        str, Meta(description="1: run the agent without isolation where nobody but you can write reports")
    ] = ""
    sandbox_toolchains: Annotated[
        list[str], Meta(description="more folders of this machine that local sandboxes show read-only")
    ] = msgspec.field(default_factory=list)
    sandbox_cgroup: Annotated[str, Meta(description="cgroup v2 folder delegated to the runner; empty: its own")] = ""
    e2b_api_key: Annotated[str, Meta(description="key of the e2b team that pays; it never enters a sandbox")] = ""
    e2b_template: Annotated[str, Meta(description="template built from deploy/e2b")] = "soulcaster"
    e2b_domain: Annotated[str, Meta(description="domain of an e2b installation of one's own; empty: e2b.app")] = ""
    e2b_api_url: Annotated[str, Meta(description="e2b's REST API where the domain does not tell it")] = ""
    e2b_sandbox_url: Annotated[str, Meta(description="address of sandboxes where the domain does not tell it")] = ""
    e2b_concurrency: Annotated[int, Meta(description="sandboxes of this runner at the same time")] = 20
    e2b_creates_per_second: Annotated[
        float, Meta(description="sandboxes made a second; e2b allows 1 (Hobby), 5 (Pro)")
    ] = 1.0
    e2b_timeout_seconds: Annotated[
        float, Meta(description="a sandbox ends so long after its runner died; put off while it lives")
    ] = 120.0
    model_proxy_public_url: Annotated[
        str, Meta(description="https:// address by which remote sandboxes reach this runner's model proxy")
    ] = ""
    model_proxy_host: Annotated[str, Meta(description="address that the model proxy listens on for that")] = "127.0.0.1"
    model_proxy_port: Annotated[int, Meta(description="port that the model proxy listens on for that")] = 8089
    kilo_binary: Annotated[
        str, Meta(description="platform binary of @kilocode/cli; empty: the one that `make setup` installs")
    ] = ""
    agent: Annotated[
        Literal["kilocode", "opencode"],
        Meta(description="coding agent of fixes that name none; the others stay available"),
    ] = "kilocode"
    opencode_binary: Annotated[
        str, Meta(description="platform binary of opencode-ai; empty: the one that `make setup` installs")
    ] = ""
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
    setup_hosts: Annotated[
        list[str],
        Meta(
            description="hosts (also host:port, *.host) that a repository's set-up commands may reach, and no others; "
            "empty: none, whatever a repository asks for"
        ),
    ] = msgspec.field(default_factory=lambda: list(REGISTRIES))
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
    def slots(self) -> int:
        """``runner_slots`` with 0 resolved."""
        return self.runner_slots or max(1, (os.cpu_count() or 2) // 2)

    @property
    def has_model(self) -> bool:
        """A model's name, and an endpoint or a key."""
        return bool(self.openai_model and (self.openai_api_key or self.openai_base_url))

    @property
    def host(self) -> str:
        """This machine's name as part of a key: ``A-Z a-z 0-9 _ -``."""
        name = "".join(c if c.isascii() and (c.isalnum() or c == "-") else "-" for c in socket.gethostname())
        return name[:32] or "host"
