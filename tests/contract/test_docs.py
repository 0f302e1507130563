"""The docs site has no broken link, and what the pages name exists: commands, settings, routes, make targets."""

import importlib
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from cli.app import app
from cli.reference.pages import SERVICES
from cli.site.build import Site, load
from cli.site.markdown import render, slug
from cli.site.paths import relative, target_of
from runtime.settings import describe
from services.gateway.routes import TABLE

ROOT = Path(__file__).parents[2]
# Read by others than a service's settings: the command, NATS, OpenTelemetry, the shell's own conventions, the vendors.
OTHERS = {
    *("SOULCASTER_GATEWAY", "SOULCASTER_API_KEY", "SOULCASTER_PROJECT", "SOULCASTER_CONTEXT", "SOULCASTER_NO_INPUT"),
    *("SOULCASTER_DEBUG", "SOULCASTER_VERSION", "NO_COLOR", "OTEL_EXPORTER_OTLP_ENDPOINT", "POSTGRES_PASSWORD"),
    *("GATEWAY_PORT", "BENCH_DATA", "OLLAMA_CONTEXT_LENGTH", "NATS_NAME", "NATS_STORE", "NATS_ROUTES", "NATS_TLS"),
    *("KEY_ID", "XDG_CONFIG_HOME", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "CAPABILITY_IAM", "PREFIX_LIST"),
    *("ALERT_ID", "ALERT_TYPE", "ALERT_TRANSITION", "EVENT_TITLE", "TEXT_ONLY_MSG", "LAST_UPDATED", "EVENT_TYPE"),
}
_VARIABLE = re.compile(r"(?<![$\w{])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_ROUTE = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE) (/[\w/{}.-]*)")


@pytest.fixture(scope="module")
def site() -> Site:
    """The site of this repository."""
    return load(ROOT)


def hand_written(site: Site) -> dict[str, list[str]]:
    """Code of the pages that people wrote, by page."""
    generated = {"settings", "cli", "http", "messages", "metrics", "roles"}
    return {
        page: rendered.code
        for page, rendered in site.pages.items()
        if not (page.startswith("docs/reference/") and Path(page).stem in generated)
    }


def test_every_link_anchor_and_picture_of_the_docs_leads_somewhere(site: Site) -> None:
    assert site.problems == []


def test_the_site_is_written_whole_and_its_own_links_work(site: Site, tmp_path: Path) -> None:
    site.write(tmp_path / "site")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 40
    for page in pages:
        text = page.read_text()
        assert "<script" not in text
        for link in re.findall(r'(?:href|src)="([^"]+)"', text):
            path = link.partition("#")[0]
            if path and "://" not in path and not path.startswith("mailto:"):
                assert (page.parent / path).resolve().is_file(), f"{page}: {link}"


def test_every_setting_that_the_docs_name_is_read_by_something(site: Site) -> None:
    known = set(OTHERS)
    for name in SERVICES:
        settings = importlib.import_module(f"services.{name}.settings").Settings
        known |= {variable for variable, *_ in describe(settings)}
    known |= set(re.findall(r"os\.environ(?:\.get\(|\[)\"(\w+)\"", _sources()))
    wrong = {
        (page, name)
        for page, code in hand_written(site).items()
        for text in code
        for name in _VARIABLE.findall(text)
        if name not in known and not page.startswith("CHANGELOG")
    }
    assert wrong == set()


def _sources() -> str:
    folders = ("cli", "runtime", "messaging", "services", "deploy", "tests")
    return "\n".join(file.read_text() for folder in folders for file in (ROOT / folder).rglob("*.py"))


def test_every_command_and_option_that_the_docs_name_exists(site: Site) -> None:
    root: Any = typer.main.get_command(app)
    wrong = {
        f"{page}: {line}"
        for page, code in hand_written(site).items()
        for text in code
        for line in re.findall(r"(?:^|(?<!-n)[\s(/])soulcaster ([a-z][^\n|#&(),]*)", text)
        if not _known(root, line)
    }
    assert wrong == set()


def _known(root: Any, line: str) -> bool:
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        words = line.split()
    command = root
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands"):
        return command is not root and not words
    options = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    return all(word.partition("=")[0] in options for word in words if word.startswith("-") and word != "-")


def test_every_route_that_the_docs_name_is_in_the_table(site: Site) -> None:
    known = {(route.method, re.sub(r"{\w+}", "{}", route.path)) for route in TABLE}
    open_ended = {(method, path.rstrip("/")) for method, path in known}
    wrong = {
        f"{page}: {method} {path}"
        for page, code in hand_written(site).items()
        for text in code
        for method, path in _ROUTE.findall(text)
        if not page.startswith(("docs/how-to/write-a-runner", "CHANGELOG"))
        and "..." not in path
        and (method, re.sub(r"{\w+}", "{}", path).rstrip("/.")) not in open_ended
    }
    assert wrong == set()


def test_every_make_target_that_the_docs_name_exists(site: Site) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        name
        for code in hand_written(site).values()
        for text in code
        for name in re.findall(r"(?:^|&& |`|\n)make ([a-z][a-z-]*)", text)
    }
    assert named - targets == set()


def test_headings_have_the_anchors_that_github_gives_them() -> None:
    assert slug("What `soulcaster up` does, and why?") == "what-soulcaster-up-does-and-why"
    page = render("# A\n\n## Same\n\n## Same\n\n[x](b.md#c)", lambda link: link + "!")
    assert page.anchors == {"a", "same", "same-1"}
    assert 'href="b.md#c!"' in page.html


def test_html_in_a_page_is_text() -> None:
    assert "<script>" not in render("# A\n\n<script>x</script>\n\n`<b>`", lambda link: link).html


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("README.md", "index.html"),
        ("docs/quickstart.md", "quickstart.html"),
        ("docs/how-to/README.md", "how-to/index.html"),
        ("services/gateway/README.md", "source/services/gateway/index.html"),
        ("runner_core/protocols.py", "source/runner_core/protocols.py.txt"),
        ("docs/reference/openapi.json", "reference/openapi.json"),
    ],
)
def test_files_have_their_place_on_the_site(path: str, place: str) -> None:
    assert target_of(path) == place
    assert relative("how-to/x.html", "index.html") == "../index.html"
