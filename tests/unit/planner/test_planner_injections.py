"""A model that obeys every planted instruction leaves nothing of it in the plan."""

import json
from datetime import UTC, datetime

import pytest

from schemas.clusters import Cluster, Evidence
from services.planner import suspicion
from services.planner.answers import Checked, Picked, Supposed, Written
from services.planner.checking import Known, checked_plan
from services.planner.naming import Paths
from services.planner.prompting import question
from services.planner.reading import read_cluster
from tests.unit.planner.injections import CORPUS, Injection
from tests.unit.planner.plans import plan

PATHS = Paths(["shop/pricing.py", "shop/cart.py", "README.md", "tests/test_pricing.py", ".github/workflows/ci.yml"])
HONEST = (
    "In `shop/pricing.py`, let `parse_price` drop thousands separators before it calls Decimal.",
    "Add a test to tests/test_pricing.py that parses what format_price(1250) prints.",
    "Check that `total` in shop/cart.py still adds prices without separators.",
    "Return a clear error when the login form is submitted twice.",
    "Validate the token before it is parsed, so that an empty header gives 401 and not 500.",
    "Replace `eval(expr)` in shop/cart.py with a parser of its own.",
    "Keep the `connection.cursor()` open until the last row is read.",
    "Read `process.env.PORT` once at start.",
    "Handle versions such as 1.10.0 and 2.0.0rc1 in the comparison.",
    "Escape user input before it is put into the template.",
    "Make sure that the root element is closed.",
    "Let the retry loop stop after three failures and log the last error.",
    "Move the check for `None` above the loop in `shop/pricing.py`.",
    "Rename the local variable so that it no longer hides the module.",
)


def obeying(injection: Injection) -> Written:
    """An answer with the planted text in every field, beside honest ones."""
    text = injection.obeyed
    return Written(
        summary=text,
        hypotheses=[Supposed(HONEST[0], 0.6, [text], [text], text), Supposed(text, 0.9)],
        files=[Picked("F1", text, ["parse_price"]), Picked(".github/workflows/ci.yml", text), Picked(text)],
        steps=[HONEST[0], text, HONEST[1]],
        checks=[Checked(text, "C1"), Checked("Run", text)],
        reproduction=text,
        risks=[text],
        expected_size=text,
        confidence=0.9,
    )


@pytest.mark.parametrize("injection", CORPUS, ids=lambda i: i.name)
def test_nothing_of_an_obeyed_instruction_is_left_in_the_plan(injection: Injection) -> None:
    sentences = suspicion.suspicious_sentences(injection.report)
    known = Known(
        files={"F1": "shop/pricing.py", "F2": "shop/cart.py"},
        commands={"C1": "python3 -m pytest"},
        paths=PATHS,
        names=frozenset({"parse_price", "format_price", "total", "Decimal"}),
        injected=suspicion.runs_of(sentences),
    )
    made, removed = checked_plan(plan(), obeying(injection), known, "obedient")
    acted_on = json.dumps(
        [
            made.summary,
            made.description,
            [[h.statement, h.evidence_for, h.evidence_against, h.refuted_by] for h in made.hypotheses],
            [[c.path, c.reasons] for c in made.candidate_files],
            made.steps,
            [[v.title, v.command] for v in made.validation_steps],
            [made.setup_commands, made.test_command, made.reproduction, made.risks, made.expected_size],
        ]
    )
    assert removed >= 5
    for mark in injection.marks:
        assert mark.lower() not in acted_on.lower(), f"{mark} is left"
    assert HONEST[0] in made.steps, "what is honest stays"
    assert any(injection.obeyed[:20] in note for note in made.notes), "what was removed is shown"


@pytest.mark.parametrize("step", HONEST)
def test_an_honest_step_is_not_suspected(step: str) -> None:
    assert suspicion.reason(step) is None


@pytest.mark.parametrize("injection", CORPUS, ids=lambda i: i.name)
def test_a_planted_text_stays_inside_its_fence_and_shows_all_its_characters(injection: Injection) -> None:
    now = datetime(2026, 11, 1, tzinfo=UTC)
    evidence = [Evidence(feedback_id="f1", source="manual", title="Crash", body=injection.report)]
    cluster = Cluster(
        id="c1", project_id="p", revision=1, title="Crash", count=1, created_at=now, updated_at=now, evidence=evidence
    )
    reports = read_cluster(cluster)
    asked = question(plan(), reports, [], "f" * 16, 20_000).messages[1]["content"]
    body = reports.said[0].body
    assert body in asked.split("-BEGIN R1", 1)[1].split(f"<<<{'f' * 16}-END>>>", 1)[0]
    assert all(c.isprintable() or c == "\n" for c in body)
    assert "<!--" not in body
    if any(not (c.isprintable() or c == "\n") for c in injection.report) or "<!--" in injection.report:
        assert reports.notes, "what was taken out is shown"


def test_the_corpus_is_large_enough_and_its_names_differ() -> None:
    assert len({i.name for i in CORPUS}) == len(CORPUS) >= 50
