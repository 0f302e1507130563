"""A GitHub App instead of a person's token: one repository, the rights of one purpose, an hour at most."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner_core.forges import github_app
from runner_core.forges.github import GithubForge
from runner_core.git import Credentials
from runner_core.patch import take_in
from runner_core.protocols import ForgeError
from runner_core.publisher import Published, Publisher
from runner_core.source import Source
from runtime.ids import new_id
from runtime.settings import SettingsError
from schemas.jobs import Limits, Report, Usage
from tests.support.attempts import JOB, bundle_of, repository, task
from tests.support.github_double import Fault, GithubDouble, github_double
from tests.support.github_double.app import made_app

KEYS = made_app()
NAME = "shop/api"


@dataclass
class At:
    """The double with the App installed on shop/api, and a forge that knows no token but the App's."""

    double: GithubDouble
    forge: GithubForge
    folder: Path
    url: str

    async def fetched_and_published(self) -> Published:
        publisher = Publisher([self.forge], pause=0.05)
        scratch = self.folder / new_id()
        (scratch / "agent").mkdir(parents=True)
        token = await publisher.credential(self.url, None, "fetch")
        assert token is not None
        credentials = Credentials.write(scratch / "git", token)
        base = await Source(scratch / "mirrors").base(self.url, "main", "", scratch=scratch, credentials=credentials)
        patch = await take_in(base, bundle_of(base, scratch / "agent", _mend), Limits())
        return await publisher.publish(
            task(self.url, base.commit), base, patch, Report(), Usage(), None, scratch / "publish"
        )

    async def refused(self, url: str = "") -> str:
        """What a person is told when the App gives no token."""
        with pytest.raises(ForgeError) as error:
            await self.forge.credential(url or self.url, None, "publish")
        return f"{error.value.failure.kind}: {error.value.failure.reason} {error.value.failure.action}"


def _mend(work: Path) -> None:
    (work / "shop/pricing.py").write_text("fixed\n")


@asynccontextmanager
async def _at(tmp_path: Path, app_id: str = KEYS.id, key: str = KEYS.key) -> AsyncIterator[At]:
    async with github_double() as double:
        double.app.key, double.app.public = KEYS.key, KEYS.public
        double.app.installed[NAME] = 77
        double.add(NAME, repository(tmp_path / "one"))
        double.add("shop/other", repository(tmp_path / "two"))
        forge = GithubForge(double.api_url, app=(app_id, key), look=2.0, pause=0.05, spacing=0.0, timeout=1)
        yield At(double, forge, tmp_path, double.clone_url(NAME))


async def test_the_app_fetches_pushes_and_opens_with_tokens_for_this_repository_alone(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        done = await at.fetched_and_published()
        assert [pull["html_url"] for pull in at.double.repos[NAME].pulls] == [done.pull.url]
        assert done.branch == f"soulcaster/{JOB.lower()}"
        issued = list(at.double.app.issued.values())
        assert [token.repositories for token in issued] == [{NAME}, {NAME}]
        assert [token.permissions for token in issued] == [
            {"contents": "read", "metadata": "read"},
            {"contents": "write", "pull_requests": "write", "metadata": "read"},
        ]


async def test_a_token_of_one_repository_does_not_open_another(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        at.double.app.installed["shop/other"] = 77
        token = await at.forge.credential(at.url, None, "publish")
        assert token is not None
        other = task(at.double.clone_url("shop/other"))
        with pytest.raises(ForgeError) as error:
            await at.forge.find(other, await at.forge.target(other, token), token)
        assert error.value.failure.kind == "repository"


async def test_a_given_token_is_used_and_the_app_left_alone(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        assert await at.forge.credential(at.url, "ghp_of_the_user", "publish") == "ghp_of_the_user"
        assert at.double.calls == []


async def test_the_apps_tokens_go_to_no_other_host(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        assert await at.forge.credential("https://example.org/shop/api", None, "publish") is None
        assert at.double.calls == []


async def test_a_token_is_kept_while_it_lasts_and_renewed_ten_minutes_before_its_end(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        asked = [at.forge.credential(at.url, None, "publish") for _ in range(5)]
        assert len(set(await asyncio.gather(*asked))) == 1
        assert at.double.count("token") == 1
        at.double.app.lifetime = 599.0
        at.double.app.issued.clear()
        fetching = [await at.forge.credential(at.url, None, "fetch") for _ in range(2)]
        assert fetching[0] != fetching[1]


async def test_a_token_that_ends_while_github_lets_us_wait_is_replaced(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        at.double.app.lifetime = 3.0
        limit = Fault(status=403, message="secondary rate limit", headers={"Retry-After": "5"})
        at.double.faults.add("create", limit)
        done = await at.fetched_and_published()
        assert [pull["html_url"] for pull in at.double.repos[NAME].pulls] == [done.pull.url]
        assert any(issued.over for issued in at.double.app.issued.values())


async def test_tokens_end_when_the_last_one_at_work_on_the_repository_leaves(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        publisher = Publisher([at.forge], pause=0.05)
        async with publisher.at_work(at.url):
            async with publisher.at_work(at.url):
                read, write = [await publisher.credential(at.url, None, purpose) for purpose in ("fetch", "publish")]
            assert await publisher.credential(at.url, None, "fetch") == read, "the other one still works with it"
            assert at.double.count("revoke") == 0
        assert [at.double.app.issued[token].over for token in (read, write) if token] == [True, True]
        async with publisher.at_work(at.url):
            assert await publisher.credential(at.url, None, "fetch") not in (None, read)


@pytest.mark.parametrize(
    "fault",
    [Fault(status=500), Fault("drop"), Fault(status=403, message="rate limit", headers={"Retry-After": "600"})],
    ids=["refused", "silent", "limited"],
)
async def test_a_token_that_github_does_not_take_back_holds_nothing_up(tmp_path: Path, fault: Fault) -> None:
    async with _at(tmp_path) as at:
        at.double.faults.add("revoke", fault)
        publisher = Publisher([at.forge], pause=0.05)
        async with publisher.at_work(at.url):
            old = [await publisher.credential(at.url, None, purpose) for purpose in ("fetch", "publish")]
        assert at.double.count("revoke") == 2, "the other token is given back all the same"
        async with publisher.at_work(at.url):
            assert await publisher.credential(at.url, None, "fetch") not in old, "and neither is used again"


async def test_an_app_that_is_not_installed_tells_where_to_install_it(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        at.double.app.installed.clear()
        told = await at.refused()
        assert told.startswith("repository: The GitHub App is not installed on shop/api.")
        assert "https://github.test/apps/soulcaster/installations/new" in told
        assert "X-GitHub-Token" in told


async def test_a_suspended_installation_and_missing_rights_are_told_apart(tmp_path: Path) -> None:
    async with _at(tmp_path) as at:
        at.double.app.granted["contents"] = "read"
        assert "The permissions requested are not granted" in await at.refused()
        at.double.app.suspended = True
        assert "This installation has been suspended" in await at.refused()


@pytest.mark.parametrize("wrong", ["id", "key"])
async def test_a_wrong_app_is_a_matter_of_settings(tmp_path: Path, wrong: str) -> None:
    app_id, key = ("1", KEYS.key) if wrong == "id" else (KEYS.id, made_app().key)
    async with _at(tmp_path, app_id, key) as at:
        told = await at.refused()
        assert told.startswith("configuration: GitHub does not accept the App's key.")
        assert at.double.count("installation") == 1


@pytest.mark.parametrize(
    "faults",
    [
        [("installation", Fault(status=502)), ("token", Fault("drop"))],
        [("token", Fault("drop", committed=True)), ("token", Fault(status=503, text=True))],
        [("token", Fault(status=403, message="secondary rate limit", headers={"Retry-After": "1"}))],
    ],
    ids=["before", "given but lost", "limited"],
)
async def test_a_stumbling_github_is_asked_again(tmp_path: Path, faults: list[tuple[str, Fault]]) -> None:
    async with _at(tmp_path) as at:
        for operation, fault in faults:
            at.double.faults.add(operation, fault)
        assert await at.forge.credential(at.url, None, "publish") in at.double.app.issued


@pytest.mark.parametrize(
    ("given", "works"), [(KEYS.key, True), (KEYS.key.replace("\n", "\\n"), True), ("no key", False)]
)
def test_a_key_that_cannot_sign_stops_the_start(given: str, works: bool) -> None:
    if works:
        assert GithubForge(app=("1", given)).handles("https://github.com/shop/api")
    else:
        with pytest.raises(ValueError, match="no RSA private key"):
            GithubForge(app=("1", given))


def test_half_an_app_is_refused_and_a_file_may_hold_the_key(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(KEYS.key)
    assert github_app("", "", "") is None
    assert github_app("1", "", str(tmp_path / "key.pem")) == ("1", KEYS.key)
    for half in (("1", "", ""), ("", KEYS.key, ""), ("1", "", str(tmp_path / "missing"))):
        with pytest.raises(SettingsError):
            github_app(*half)
