"""Settings of the gateway, read from the environment: field ``some_name`` is variable ``SOME_NAME``."""

from typing import Annotated

import msgspec
from msgspec import Meta

from runtime.settings import SettingsError
from services.gateway import access


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One documented type for the process; nothing else here reads the environment."""

    nats_url: Annotated[str, Meta(description="Where the broker listens.")] = "nats://127.0.0.1:4222"
    nats_creds: Annotated[str, Meta(description="Credentials file or nkey seed file of this service.")] = ""
    log_level: Annotated[str, Meta(description="debug, info, warning or error.")] = "info"
    log_format: Annotated[str, Meta(description="json, or console for people.")] = "json"
    health_port: Annotated[int, Meta(description="Extra health port; 0 = none, the main port has it.")] = 0
    health_host: Annotated[str, Meta(description="Address of the health port; 0.0.0.0 for probes of a cluster.")] = (
        "127.0.0.1"
    )
    host: Annotated[str, Meta(description="Address to listen on; anything but loopback needs ADMIN_KEY.")] = "127.0.0.1"
    port: Annotated[int, Meta(description="Port to listen on; 0 takes a free one.")] = 8080
    public_url: Annotated[str, Meta(description="How browsers reach this gateway; empty = http://HOST:PORT.")] = ""
    environment: Annotated[str, Meta(description="Named in GET /health.")] = "embedded"
    admin_key: Annotated[str, Meta(description="The key that may do everything. At least 16 characters.")] = ""
    admin_key_file: Annotated[str, Meta(description="A file that holds the admin key, instead of ADMIN_KEY.")] = ""
    soulcaster_secret_key: Annotated[
        str, Meta(description="Base64 of 32 bytes. Seals stored secrets and job tokens; the same for all services.")
    ] = ""
    default_project: Annotated[
        str, Meta(description="Project taken when a request names none; made at start. Empty = project_id is required.")
    ] = "default"
    dashboard_dir: Annotated[str, Meta(description="Folder of the built dashboard, served at / to browsers.")] = (
        "dashboard/dist"
    )
    cors_origins: Annotated[
        str, Meta(description="Origins that may call with a key, separated by commas; empty = none.")
    ] = ""
    plan_wait_seconds: Annotated[float, Meta(description="How long POST .../plan waits for the planner.")] = 180.0
    request_seconds: Annotated[float, Meta(description="How long a question to triage may take.")] = 10.0
    ingest_rate: Annotated[float, Meta(description="Reports a second each source of a project may send.")] = 2500.0
    ingest_burst: Annotated[int, Meta(description="Reports a source may send at once above that rate.")] = 5000
    quota_feedback: Annotated[int, Meta(description="Reports a user may store over all projects; 0 = no limit.")] = 0
    quota_jobs: Annotated[int, Meta(description="Successful jobs a user may have over all projects; 0 = no limit.")] = 0
    local_repositories: Annotated[
        str, Meta(description="yes, no, or auto: file:// and path repositories only on a loopback bind.")
    ] = "auto"
    github_api_url: Annotated[str, Meta(description="GitHub's REST API.")] = "https://api.github.com"
    github_token: Annotated[str, Meta(description="Token of POST /api/trigger-agent when the caller sends none.")] = ""
    github_owner: Annotated[str, Meta(description="Owner that POST /api/trigger-agent falls back to.")] = ""
    github_repo: Annotated[str, Meta(description="Repository that POST /api/trigger-agent falls back to.")] = ""
    github_oauth_url: Annotated[
        str, Meta(description="Where GitHub sign-in happens; GitHub Enterprise Server: its own address.")
    ] = "https://github.com"
    github_oauth_client_id: Annotated[str, Meta(description="OAuth app of GitHub sign-in; empty = no sign-in.")] = ""
    github_oauth_client_secret: Annotated[str, Meta(description="Its secret.")] = ""
    github_allowed_logins: Annotated[
        str,
        Meta(
            description="Who may sign in: ann=admin, org:acme=viewer, bob=operator@shop. A role without a project "
            "holds in all; projects keep lists of their own besides (POST /projects/ID/access)."
        ),
    ] = ""

    def __post_init__(self) -> None:
        """Refuse settings that would leave the door open: the process then ends with exit code 78."""
        if self.admin_key and len(self.admin_key) < 16:
            raise SettingsError("ADMIN_KEY is shorter than 16 characters; make one with `openssl rand -hex 24`.")
        self._check_sign_in()
        if self.loopback:
            return
        if not (self.admin_key or self.admin_key_file):
            raise SettingsError(
                f"HOST={self.host} is reachable from other machines and no ADMIN_KEY is set: anyone could start fixes. "
                "Set ADMIN_KEY (or ADMIN_KEY_FILE), or listen on 127.0.0.1."
            )
        if not self.soulcaster_secret_key:
            raise SettingsError(
                "SOULCASTER_SECRET_KEY is not set: secrets could not be sealed. Make one with "
                "`openssl rand -base64 32` and give the same to every service."
            )

    def _check_sign_in(self) -> None:
        try:
            access.parse(self.github_allowed_logins)
        except ValueError as why:
            raise SettingsError(f"GITHUB_ALLOWED_LOGINS: {why}.") from why
        if not self.github_oauth_client_id:
            return
        if not self.github_oauth_client_secret:
            raise SettingsError("GITHUB_OAUTH_CLIENT_ID is set and GITHUB_OAUTH_CLIENT_SECRET is not.")
        if not self.public_url and not self.loopback:
            raise SettingsError("GitHub sign-in needs PUBLIC_URL: the address GitHub sends browsers back to.")

    @property
    def sign_in_ways(self) -> list[str]:
        """``key``, and ``github`` where it is configured."""
        return ["key", "github"] if self.github_oauth_client_id else ["key"]

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the port."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def base_url(self) -> str:
        """How browsers reach this gateway, without a trailing slash."""
        return (self.public_url or f"http://{self.host}:{self.port}").rstrip("/")

    @property
    def allows_local_repositories(self) -> bool:
        """Whether a repository may be a path on this machine."""
        return self.local_repositories == "yes" or (self.local_repositories == "auto" and self.loopback)
