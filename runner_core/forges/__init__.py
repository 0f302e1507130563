"""Where pull requests go: GitHub, or a record of our own for repositories on this machine."""

from pathlib import Path

from messaging.ports import Objects
from runner_core.forges.github import GithubForge
from runner_core.forges.local import LocalForge
from runner_core.protocols import Forge
from runtime.settings import SettingsError
from schemas.jobs import ForkMode


def forges(
    objects: Objects,
    public_url: str,
    github_api_url: str,
    app: tuple[str, str] | None = None,
    fork: ForkMode = "never",
) -> tuple[Forge, ...]:
    """All forges; the first that handles a repository's address takes it. ``app``: a GitHub App's id and private key;
    ``fork``: whether a fork is made where a person's token may not write, when the job's project does not say.

    Raises SettingsError for a key that cannot sign.
    """
    try:
        return (LocalForge(objects, public_url), GithubForge(github_api_url, app=app, fork=fork))
    except ValueError as error:
        raise SettingsError(f"{error}. See docs/how-to/github.md.") from error


def github_app(app_id: str, private_key: str, key_file: str) -> tuple[str, str] | None:
    """The App of the settings, None when none is set; raises SettingsError for half of one."""
    if not (app_id or private_key or key_file):
        return None
    if key_file and not private_key:
        try:
            private_key = Path(key_file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"GITHUB_APP_PRIVATE_KEY_FILE cannot be read: {error}") from error
    if not app_id or not private_key.strip():
        raise SettingsError("A GitHub App needs GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY (or _FILE): one is not set.")
    return app_id, private_key
