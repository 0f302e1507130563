"""Commands, tests, suspects and the plan drafted from them."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from services.planner.grounding.commands import discover_commands, for_language
from services.planner.grounding.draft import draft_plan
from services.planner.grounding.model import PlanDraft, Report
from services.planner.grounding.render import as_text
from services.planner.localise import RepositoryIndex
from tests.unit.planner_engine.workshop import DAY, START, Workshop

COUPON = Report(
    "Expired coupon stops checkout",
    "Since 2.1 I get `ValueError: this coupon can no longer be redeemed here` from Cart.total_price.\n\n"
    "### Expected behavior\nThe coupon is ignored and the total is shown.\n\n"
    "```python\ncart = Cart()\ncart.total_price(old_coupon)\n```\n",
    id="f1",
    source="github",
)


CI = "jobs:\n  t:\n    steps:\n      - run: |\n          pip install x\n          make check\n      - run: flake8 src\n"


def commands_of(workshop: Workshop, files: dict[str, str]) -> dict[str, list[str]]:
    workshop.commit(files)
    found: dict[str, list[str]] = {"setup": [], "test": [], "lint": []}
    for command in discover_commands(RepositoryIndex.build(workshop.path, "main")):
        found[command.kind].append(command.command)
    return found


def plan_of(workshop: Workshop, *reports: Report) -> PlanDraft:
    return draft_plan(RepositoryIndex.build(workshop.path, "main"), reports)


@pytest.mark.parametrize(
    ("files", "test", "lint"),
    [
        ({"pyproject.toml": "[tool.pytest.ini_options]\n[tool.ruff]\n"}, "python3 -m pytest", "ruff check ."),
        ({"tox.ini": "[testenv]\nchangedir = tests\ncommands =\n  {envpython} runtests.py {posargs}\n"},
         "cd tests && python3 runtests.py", None),
        ({"noxfile.py": "import nox\n\n@nox.session\ndef tests(session):\n    pass\n"}, "nox -s tests", None),
        ({"package.json": '{"scripts": {"test": "vitest run", "lint": "eslint ."}}', "pnpm-lock.yaml": ""},
         "pnpm test", "pnpm lint"),
        ({"package.json": '{"scripts": {"test": "jest"}}'}, "npm test", None),
        ({"Makefile": "lint:\n\truff .\ntest: lint\n\tpytest\n"}, "make test", "make lint"),
        ({"go.mod": "module a.b/c\n"}, "go test ./...", "go vet ./..."),
        ({"pom.xml": "<project/>", "mvnw": ""}, "./mvnw -q test", None),
        ({"build.gradle": "", "gradlew": ""}, "./gradlew test", None),
        ({"Cargo.toml": "[package]\nname = 'x'\n"}, "cargo test", None),
        ({"composer.json": '{"require-dev": {"phpunit/phpunit": "*"}}'}, "vendor/bin/phpunit", None),
        ({"Gemfile": "gem 'rspec'\n", ".rubocop.yml": ""}, "bundle exec rspec", "bundle exec rubocop"),
        ({"App.sln": ""}, "dotnet test", None),
        ({".github/workflows/ci.yml": CI}, "make check", "flake8 src"),
        ({"test_sum.py": "import unittest\n\n\nclass SumTest(unittest.TestCase):\n    pass\n"},
         "python3 -m unittest discover", None),
        ({"tests/test_sum.py": "import unittest\n\n\nclass SumTest(unittest.TestCase):\n    pass\n"},
         "python3 -m unittest discover -s tests", None),
        ({"tests/test_sum.py": "def test_sum():\n    assert 1\n"}, "python3 -m pytest", None),
    ],
)  # fmt: skip
def test_commands_come_from_the_repositorys_own_files(
    workshop: Workshop, files: dict[str, str], test: str, lint: str | None
) -> None:
    found = commands_of(workshop, files)
    assert found["test"][0] == test
    assert (found["lint"] or [None])[0] == lint


@pytest.mark.parametrize(
    "files",
    [
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {"package.json": "{broken", "pyproject.toml": "[broken", "tox.ini": "broken", "composer.json": "[]"},
        {"package.json": "[]", "Makefile": "all:\n\techo\n"},
        {".github/workflows/ci.yml": "run: pytest ${{ secrets.TOKEN }}\n"},
        {"README.md": "run pytest"},
    ],
)
def test_no_test_command_is_invented(workshop: Workshop, files: dict[str, str]) -> None:
    assert commands_of(workshop, files)["test"] == []


def test_commands_of_the_candidates_language_come_first(workshop: Workshop) -> None:
    workshop.commit({"package.json": '{"scripts": {"test": "jest"}}', "pytest.ini": "[pytest]\n"})
    commands = discover_commands(RepositoryIndex.build(workshop.path, "main"))
    for language, expected in (("python", "python3 -m pytest"), ("typescript", "npm test")):
        tests = [c.command for c in for_language(commands, language) if c.kind == "test"]
        assert tests[0] == expected


def test_a_plan_names_file_symbol_message_line_tests_and_commands(shop: Workshop) -> None:
    plan = plan_of(shop, COUPON)
    assert plan.grounded == "evidence"
    assert plan.base_commit == shop.commits[-1]
    assert plan.candidate_files[0].path == "shop/cart.py"
    assert ("total_price", 8, 11) in {(s.name, s.start_line, s.end_line) for s in plan.candidate_files[0].symbols}
    assert any("shop/cart.py:10" in h.statement for h in plan.hypotheses)
    assert all(h.evidence_for and h.evidence_against and h.refuted_by for h in plan.hypotheses)
    assert plan.nearest_tests[0].path == "tests/test_cart.py"
    assert plan.nearest_tests[0].command == "python3 -m pytest tests/test_cart.py"
    assert plan.test_command == "python3 -m pytest"
    assert "cart.total_price(old_coupon)" in plan.reproduction
    assert "The coupon is ignored" in plan.reproduction


def test_a_regression_points_at_recent_commits_of_the_candidate(shop: Workshop) -> None:
    plan = plan_of(shop, COUPON)
    assert plan.suspect_commits[0].sha == shop.commits[2]
    assert plan.suspect_commits[0].files == ["shop/cart.py"]
    assert any(shop.commits[2][:10] in h.statement for h in plan.hypotheses)


def test_a_commit_named_in_the_report_is_the_first_suspect(shop: Workshop) -> None:
    plan = plan_of(shop, Report("Broken", f"Cart.total_price is wrong after {shop.commits[0][:12]}"))
    assert plan.suspect_commits[0].sha == shop.commits[0]


def test_old_commits_are_no_suspects_once_the_first_report_is_dated(shop: Workshop) -> None:
    index = RepositoryIndex.build(shop.path, "main")
    assert len(draft_plan(index, [COUPON], since=START + 2 * DAY).suspect_commits) >= 1
    shop.commits += [""] * 400
    shop.commit({"shop/mailer.py": "class Mailer:\n    pass\n"})
    later = draft_plan(RepositoryIndex.build(shop.path, "main"), [COUPON], since=START + 403 * DAY)
    assert all("shop/cart.py" not in s.files for s in later.suspect_commits)


def test_every_path_and_symbol_named_exists_at_the_base_commit(shop: Workshop) -> None:
    index = RepositoryIndex.build(shop.path, "main")
    plan = draft_plan(index, [COUPON])
    for candidate in plan.candidate_files:
        text = index.read(candidate.path)
        assert text is not None
        for symbol in candidate.symbols:
            assert symbol.name in text.split("\n")[symbol.start_line - 1]
    assert {t.path for t in plan.nearest_tests} <= set(index.files)
    assert {s.sha for s in plan.suspect_commits} <= set(shop.commits)


def test_many_reports_of_one_problem_make_one_plan(shop: Workshop) -> None:
    reports = [Report(f"Coupon trouble {n}", "total_price raises for an expired coupon") for n in range(40)]
    plan = plan_of(shop, *reports)
    assert plan.candidate_files[0].path == "shop/cart.py"
    assert plan.summary.startswith("40 reports say")
    assert len(plan.reports) == 40


def test_a_request_is_not_called_a_failure(shop: Workshop) -> None:
    plan = plan_of(shop, Report("Add gift wrapping to Cart", "It would be great to wrap lines."))
    assert "asks" in plan.summary
    assert "not there yet" in plan.hypotheses[0].statement


def test_a_report_that_matches_nothing_says_so(shop: Workshop) -> None:
    plan = plan_of(shop, Report("zzz qqq", ""))
    assert plan.confidence < 0.5
    assert plan.risks
    assert plan_of(shop).title == "Untitled report"


def test_a_fence_in_the_report_cannot_close_the_plans_fence(shop: Workshop) -> None:
    body = ">>> total_price()\n>>> ```\n>>> # Steps\n"
    assert plan_of(shop, Report("Broken total_price", body)).reproduction.count("```") == 2


def test_the_plan_as_text_and_json_hold_the_same_files(shop: Workshop) -> None:
    plan = plan_of(shop, COUPON)
    text = as_text(plan)
    document = json.loads(msgspec.json.encode(plan))
    for candidate in document["candidate_files"]:
        assert next(iter(candidate)) == "path"
        assert candidate["path"] in text
    for heading in ("Hypotheses", "Suspect commits", "Reproduction", "Steps", "Validation", "Risks", "Notes"):
        assert f"## {heading}" in text


def test_the_nearest_test_follows_name_imports_and_history(workshop: Workshop) -> None:
    source = "export function parseRow(row) {\n  return row;\n}\n"
    workshop.commit(
        {
            "src/csv/parser.js": source,
            "src/csv/writer.js": "export function writeRow(row) {\n  return row;\n}\n",
            "test/parser.test.js": "import { parseRow } from '../src/csv/parser';\n\nit('parses', () => {});\n",
            "test/writer.test.js": "import { writeRow } from '../src/csv/writer';\n\nit('writes', () => {});\n",
            "package.json": '{"scripts": {"test": "vitest run"}}',
        }
    )
    plan = plan_of(workshop, Report("parseRow drops empty cells", ""))
    assert plan.nearest_tests[0].path == "test/parser.test.js"
    assert plan.nearest_tests[0].command == "npx vitest run test/parser.test.js"


def test_a_bundle_name_leads_to_its_source(workshop: Workshop, tmp_path: Path) -> None:
    workshop.commit(
        {"src/checkout.ts": "export function pay() {\n  return 1;\n}\n", "src/a.ts": "export const b = 1;\n"}
    )
    trace = "Boom\nTypeError: x\n    at t (https://cdn.example.org/static/js/checkout.3fa9c1d2.min.js?v=2:1:20455)"
    plan = plan_of(workshop, Report("Boom", trace))
    assert plan.candidate_files[0].path == "src/checkout.ts"
