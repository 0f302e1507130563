"""Where pull requests go: GitHub, or a record of our own for repositories on this machine."""

from messaging.ports import Objects
from runner_core.forges.github import GithubForge
from runner_core.forges.local import LocalForge
from runner_core.protocols import Forge


def forges(objects: Objects, public_url: str, github_api_url: str) -> tuple[Forge, ...]:
    """All forges; the first that handles a repository's address takes it."""
    return (LocalForge(objects, public_url), GithubForge(github_api_url))
