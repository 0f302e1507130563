"""Which services an embedded instance runs, and with what environment. Pure."""

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass

from cli.embedded.layout import AGENT_BINARY, DASHBOARD, DEFAULT_PROJECT, Layout

SERVICES = ("gateway", "orchestrator", "planner", "triage", "runner_sandbox", "collector")
_PASSED_ON = (
    "PATH", "LANG", "LC_ALL", "TZ", "HOME", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "LOG_LEVEL",
    "VIRTUAL_ENV", "PYTHONPATH", "OTEL_EXPORTER_OTLP_ENDPOINT",
)  # fmt: skip
# What an instance decides itself. Of the rest a service gets what it reads.
_DECIDED = frozenset((
    "NATS_URL", "NATS_CREDS", "LOG_FORMAT", "HEALTH_PORT", "HEALTH_HOST", "HOST", "PORT", "PUBLIC_URL", "ENVIRONMENT",
    "ADMIN_KEY", "ADMIN_KEY_FILE", "SOULCASTER_SECRET_KEY", "DEFAULT_PROJECT", "DASHBOARD_DIR", "DATA_DIR",
    "OPENAI_BASE_URL", "OPENAI_API_KEY", "OPENAI_MODEL",
))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Model:
    """An OpenAI-compatible endpoint; ``replay`` marks the demo's fixed conversation, which only the runner may use."""

    base_url: str = ""
    api_key: str = ""
    name: str = ""
    replay: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Model":
        """The endpoint of OPENAI_BASE_URL, OPENAI_API_KEY and OPENAI_MODEL."""
        return cls(
            environ.get("OPENAI_BASE_URL", ""), environ.get("OPENAI_API_KEY", ""), environ.get("OPENAI_MODEL", "")
        )


@dataclass(frozen=True, slots=True)
class Instance:
    """One embedded instance: where it is, its ports, its model, and the repository of its default project."""

    layout: Layout
    nats_port: int
    gateway_port: int
    model: Model
    repository: str = ""

    @property
    def nats_url(self) -> str:
        return f"nats://127.0.0.1:{self.nats_port}"

    @property
    def gateway_url(self) -> str:
        return f"http://127.0.0.1:{self.gateway_port}"

    def ready(self) -> dict[str, str]:
        """What the ready file holds."""
        return {
            "gateway": self.gateway_url,
            "nats": self.nats_url,
            "api_key": self.layout.admin_key(),
            "project_id": DEFAULT_PROJECT,
            "data": str(self.layout.data),
        }

    def dashboard_link(self) -> str:
        """The link that signs a browser in. The key stands behind ``#``, so it is never sent in a URL."""
        return f"{self.gateway_url}/#key={self.layout.admin_key()}"


def environment(service: str, instance: Instance, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The whole environment of one service: nothing that it does not need, secrets only where they are used."""
    passed = {name: environ[name] for name in _PASSED_ON if name in environ}
    passed |= {name: environ[name] for name in _settings_of(service) - _DECIDED if name in environ}
    layout = instance.layout
    common = {
        "PYTHONUNBUFFERED": "1",
        "NATS_URL": instance.nats_url,
        "LOG_FORMAT": "json",
        "DATA_DIR": str(layout.data),
        "PUBLIC_URL": instance.gateway_url,
        "SOULCASTER_SECRET_KEY": layout.secret_key(),
        "DEFAULT_PROJECT": DEFAULT_PROJECT,
    }
    return passed | common | _own(service, instance, environ)


def _settings_of(service: str) -> frozenset[str]:
    settings = importlib.import_module(f"services.{service}.settings").Settings
    return frozenset(name.upper() for name in settings.__struct_fields__)


def _own(service: str, instance: Instance, environ: Mapping[str, str]) -> dict[str, str]:
    layout, model = instance.layout, instance.model
    endpoint = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": model.api_key, "OPENAI_MODEL": model.name}
    if service == "gateway":
        return {
            "HOST": "127.0.0.1",
            "PORT": str(instance.gateway_port),
            "ADMIN_KEY": layout.admin_key(),
            "DASHBOARD_DIR": str(DASHBOARD),
        }
    if service == "triage":
        default = f"sqlite+aiosqlite:///{layout.data / 'triage.db'}"
        return {"DATABASE_URL": environ.get("DATABASE_URL") or default, **({} if model.replay else endpoint)}
    if service == "planner":
        return {} if model.replay else endpoint
    if service == "runner_sandbox":
        binary = environ.get("KILO_BINARY") or str(AGENT_BINARY)
        return {"SANDBOX": environ.get("SANDBOX") or "local", "KILO_BINARY": binary, **endpoint}
    return {}
