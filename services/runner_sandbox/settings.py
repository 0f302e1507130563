"""What the sandbox runner can be told from outside."""

import os
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from runner_core.settings import RunnerSettings

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


class Settings(RunnerSettings, frozen=True, kw_only=True):
    """Environment variables of ``python -m services.runner_sandbox``; durations in seconds."""

    runner_id: Annotated[str, Meta(description="the runner's name, by which fixes are routed to it")] = "sandbox_kilo"
    runner_slots: Annotated[
        int, Meta(description="attempts at the same time, about 1.5 GB of memory each; 0: one for every two processors")
    ] = 0
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
    kilo_binary: Annotated[
        str, Meta(description="platform binary of @kilocode/cli; empty: the one that `make setup` installs")
    ] = ""
    opencode_binary: Annotated[
        str, Meta(description="platform binary of opencode-ai; empty: the one that `make setup` installs")
    ] = ""
    setup_hosts: Annotated[
        list[str],
        Meta(
            description="hosts (also host:port, *.host) that a repository's set-up commands may reach, and no others; "
            "empty: none, whatever a repository asks for"
        ),
    ] = msgspec.field(default_factory=lambda: list(REGISTRIES))

    @property
    def slots(self) -> int:
        """``runner_slots`` with 0 resolved."""
        return self.runner_slots or max(1, (os.cpu_count() or 2) // 2)
