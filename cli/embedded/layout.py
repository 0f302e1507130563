"""Where things are: in the checkout, and in the data folder of one embedded instance."""

import base64
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
AGENT_BINARY = ROOT / "agents" / "node_modules" / "@kilocode" / "cli-linux-x64" / "bin" / "kilo"
OPENCODE_BINARY = ROOT / "agents" / "node_modules" / "opencode-linux-x64" / "bin" / "opencode"
DASHBOARD = ROOT / "dashboard" / "dist"
BROKER_CONFIG = ROOT / "deploy" / "nats" / "embedded.conf"
DEFAULT_PROJECT = "default"


@dataclass(frozen=True, slots=True)
class Layout:
    """The data folder. Keys and tokens in it are readable by their owner only."""

    data: Path

    @property
    def nats(self) -> Path:
        return self.data / "nats"

    @property
    def logs(self) -> Path:
        return self.data / "logs"

    @property
    def ready(self) -> Path:
        return self.data / "ready.json"

    @property
    def lock(self) -> Path:
        return self.data / "up.lock"

    def prepare(self) -> None:
        """Make the folders; raises OSError when that is not possible."""
        for folder in (self.data, self.nats, self.logs, self.data / "repos", self.data / "runs"):
            folder.mkdir(parents=True, exist_ok=True)
        self.data.chmod(0o700)

    def admin_key(self) -> str:
        """The admin API key, made at first start: ``sc_`` and 256 random bits."""
        return self._secret("admin.key", lambda: "sc_" + secrets.token_urlsafe(32))

    def secret_key(self) -> str:
        """The key that seals secrets at rest: 32 random bytes, base64."""
        return self._secret("secret.key", lambda: base64.b64encode(secrets.token_bytes(32)).decode())

    def _secret(self, name: str, make: Callable[[], str]) -> str:
        path = self.data / name
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
        return path.read_text().strip()
