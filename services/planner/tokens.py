"""Which token reads a repository: one of the GitHub App where it is installed, else GITHUB_TOKEN, else none."""

from urllib.parse import urlsplit

from runner_core.protocols import ForgeError
from runtime.logs import logger
from runtime.settings import SettingsError
from services.planner.repositories import Access, RepositoryProblem, Tokens
from services.planner.settings import Settings

log = logger("planner.tokens")
WAIT_SECONDS = 60.0  # a plan does not wait longer for GitHub's rate limit


def tokens(settings: Settings) -> Tokens | None:
    """None where nothing is set. Raises SettingsError for an App that cannot sign."""
    if settings.github_app_id or settings.github_app_private_key or settings.github_app_private_key_file:
        return _of_app(settings)
    return _of_token(settings.github_token) if settings.github_token else None


def _of_token(token: str) -> Tokens:
    async def give(address: str) -> Access:
        ours = address.startswith("https://") and urlsplit(address).hostname == "github.com"
        return Access(token if ours else None)

    return give


def _of_app(settings: Settings) -> Tokens:
    from runner_core.forges import github_app  # PyGithub, which a planner without an App need not load
    from runner_core.forges.github_app import GithubApp
    from runner_core.forges.github_calls import Calls, repository_of

    found = github_app(settings.github_app_id, settings.github_app_private_key, settings.github_app_private_key_file)
    assert found is not None
    try:
        app = GithubApp(*found, Calls(settings.github_api_url, longest_wait=WAIT_SECONDS, timeout=20))
    except ValueError as error:
        raise SettingsError(f"{error}. See docs/how-to/github.md.") from error
    own = _of_token(settings.github_token) if settings.github_token else None

    async def give(address: str) -> Access:
        name = repository_of(address)
        if name is None or not app.serves(address):
            return Access()
        try:
            return Access(await app.token(name, "fetch"))
        except ForgeError as error:
            problem = RepositoryProblem(error.failure.reason, error.failure.action, error.failure.detail)
            if error.failure.kind != "repository":
                raise problem from error
            log.info("app.not_there", repository=name, reason=error.failure.reason)
            return await own(address) if own else Access(missing=problem)  # not installed: it may be public

    return give
