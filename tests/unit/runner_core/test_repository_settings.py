"""``.soulcaster.yml``: what is read, and in which words it is refused."""

import pytest

from runner_core import gate
from runner_core.allowed_hosts import Allowed, reachable, way
from runner_core.masking import Needles
from runner_core.patch import Change, Patch
from runner_core.repository_settings import BYTES, BadSettings, RepositorySettings, parse
from runner_core.setting_up import pattern
from schemas.jobs import Limits
from tests.unit.runner_core.test_prompt import task


def test_all_of_it_is_read_and_an_empty_file_says_nothing() -> None:
    text = b"setup:\n  - pip install -e .\ntest: pytest -q\nprotected: ['billing/*']\nnetwork: ['*.example.org']\n"
    assert parse(text) == RepositorySettings(["pip install -e ."], "pytest -q", ["billing/*"], ["*.example.org"])
    assert parse(b"# nothing yet\n") == RepositorySettings()
    assert parse(b"setup: make deps\n").setup == ["make deps"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"setup: [a\ntest: b", "no YAML in line 2"),
        (b"- a\n- b\n", "no mapping"),
        (b"tests: pytest\n", "unknown field `tests`"),
        (b"test: [1, 2]\n", "`test`"),
        (b"network: ['127.0.0.1']\n", "network"),
        (b"network: ['https://example.org/x']\n", "network"),
        (b"network: ['localhost']\n", "network"),
        (b"a: &a [x]\nb: [*a, *a]\n", "aliases"),
        (b"test: \xff\xfe\n", "UTF-8"),
        (b"!!python/object/apply:os.system ['true']\n", "no YAML"),
        (b"#" * (BYTES + 1), "at most"),
        (b"[" * 5000, "no YAML"),
        (b"test: 2026-13-45\n", ""),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_is_wrong(text: bytes, words: str) -> None:
    with pytest.raises(BadSettings) as error:
        parse(text)
    assert words in str(error.value)


ALLOWED = Allowed(own=("pypi.org", "mirror.internal:8443", "*.golang.org"), asked=("packages.example.org", "*.corp.io"))


@pytest.mark.parametrize(
    ("target", "anywhere"),
    [
        ("pypi.org:443", True),
        ("PyPI.org.:443", True),
        ("mirror.internal:8443", True),
        ("proxy.golang.org:443", True),
        ("packages.example.org:443", False),
        ("a.corp.io:443", False),
        ("pypi.org:80", None),
        ("mirror.internal:443", None),
        ("packages.example.org:22", None),
        ("evil.org:443", None),
        ("pypi.org.evil.org:443", None),
        ("notpypi.org:443", None),
        ("golang.org:443", None),
        ("127.0.0.1:443", None),
        ("[::1]:443", None),
        ("pypi.org", None),
        ("pypi.org:443@evil.org:443", None),
    ],
)
def test_only_named_hosts_are_reached_and_a_repository_s_only_on_443(target: str, anywhere: bool | None) -> None:
    found = way(target, ALLOWED)
    assert (found.anywhere if found else None) == anywhere


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "::1", "fe80::1%eth0"])
def test_a_repository_s_host_leads_out_and_not_to_what_stands_beside_the_runner(address: str) -> None:
    asked, own = way("packages.example.org:443", ALLOWED), way("pypi.org:443", ALLOWED)
    assert asked is not None
    assert own is not None
    assert not reachable(address, asked)
    assert reachable(address, own)
    assert reachable("93.184.216.34", asked)


@pytest.mark.parametrize(
    ("protected", "path", "held"),
    [
        ("billing/*", "billing/tax/rates.py", True),
        ("billing", "billing/rates.py", True),
        ("/Billing/", "BILLING/rates.py", True),
        ("*.sql", "db/schema.sql", True),
        ("billing", "billing2/rates.py", False),
        ("", "shop/pricing.py", False),
    ],
)
def test_a_protected_path_is_held_for_a_person(protected: str, path: str, held: bool) -> None:
    change = Change(path, "modified", "100644", "100644", size=1, added_text="x")
    patch = Patch(commit="1" * 40, diff=b"x", changes=(change,), additions=1, deletions=0)
    found = gate.judge(patch, task().plan, Limits(), Needles({}), (protected,) if protected else ())
    assert (gate.verdict(found) == "hold") == held


@pytest.mark.parametrize(
    ("path", "line"), [("a b.egg-info/", "/a\\ b.egg-info/"), ("!x", "/\\!x"), ("a*[b", "/a\\*\\[b")]
)
def test_a_path_becomes_a_pattern_for_itself_alone(path: str, line: str) -> None:
    assert pattern(path) == line
