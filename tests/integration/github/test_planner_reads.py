"""The planner reads what the GitHub App is installed on, with a token that reads that one repository."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.planner.repositories import Mirrors, RepositoryProblem
from services.planner.settings import Settings
from services.planner.tokens import tokens
from tests.support.attempts import git, repository
from tests.support.github_double import GithubDouble, github_double
from tests.support.github_double.app import made_app

KEYS = made_app()


@asynccontextmanager
async def _at(tmp_path: Path, key: str = KEYS.key) -> AsyncIterator[tuple[GithubDouble, Mirrors]]:
    async with github_double() as double:
        double.app.public = KEYS.public
        double.app.installed["shop/api"] = 77
        double.add("shop/api", repository(tmp_path / "one"))
        double.add("shop/other", repository(tmp_path / "two"))
        settings = Settings(github_app_id=KEYS.id, github_app_private_key=key, github_api_url=double.api_url)
        yield double, Mirrors(tmp_path / "repos", tokens=tokens(settings))


async def test_a_private_repository_is_read_with_the_apps_token(tmp_path: Path) -> None:
    async with _at(tmp_path) as (double, mirrors):
        ground = await mirrors.ground(double.clone_url("shop/api"), None)
        assert (ground.branch, ground.commit) == ("main", git(double.repos["shop/api"].bare, "rev-parse", "main"))
        assert [(i.repositories, i.permissions) for i in double.app.issued.values()] == [
            ({"shop/api"}, {"contents": "read", "metadata": "read"})
        ]


async def test_a_private_repository_without_the_app_is_a_problem_of_the_repository(tmp_path: Path) -> None:
    async with _at(tmp_path) as (double, mirrors):
        with pytest.raises(RepositoryProblem) as problem:
            await mirrors.ground(double.clone_url("shop/other"), None)
        said = problem.value
        assert said.reason.endswith("is private. The GitHub App is not installed on shop/other.")
        assert said.action.startswith(
            "Open https://github.test/apps/soulcaster/installations/new, choose shop/other, and"
        )
        assert "askpass" not in said.detail
        assert double.app.issued == {}


async def test_an_app_that_github_does_not_know_is_told_as_that(tmp_path: Path) -> None:
    async with _at(tmp_path, made_app().key) as (double, mirrors):
        with pytest.raises(RepositoryProblem, match="does not accept the App's key"):
            await mirrors.ground(double.clone_url("shop/api"), None)


async def test_the_planners_own_token_goes_to_github_alone() -> None:
    give = tokens(Settings(github_token="ghp_own"))
    assert give is not None
    asked = ("https://github.com/a/b", "https://example.org/a/b", "http://github.com/a/b")
    assert [(await give(address)).token for address in asked] == ["ghp_own", None, None]
    assert tokens(Settings()) is None
