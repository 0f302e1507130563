"""The smaller pure parts: cleaning, naming, refs, dialects, forecasts, staleness."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner_core.git import GitError
from runtime.untrusted import clean, invisible
from schemas.clusters import Cluster
from schemas.jobs import FixRequest, Job, Usage
from services.planner.answers import Unreadable, read_answer
from services.planner.forecasting import forecast
from services.planner.naming import Paths, files_in, names_in, unknown_files, unknown_names
from services.planner.openai_model import Dialect, parameters, retry_after, simpler_dialect
from services.planner.repositories import RepositoryProblem, checked_address, chosen_branch, read_refs, unreachable
from services.planner.staleness import staleness, told
from tests.unit.planner.plans import NOW, plan

A, B = "a" * 40, "b" * 40


@given(st.text(max_size=400))
def test_cleaned_text_holds_nothing_invisible_and_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean(text)
    assert not any(invisible(c) for c in once.text)
    assert clean(once.text).text == once.text or "[image" in once.text or "<" in once.text


@pytest.mark.parametrize("text", ["<a " * 30_000, "![" * 30_000, "<img " * 20_000, "<!--" * 20_000, "[x]: (" * 9_000])
@pytest.mark.timeout(30)  # what is not linear takes minutes here
def test_hostile_markup_is_cleaned_in_bounded_time(text: str) -> None:
    assert len(clean(text).text) <= len(text) + 200


def test_ordinary_text_and_emoji_survive_cleaning() -> None:
    text = "Prix affiché : 1 250,00 € ❤️\n\tcode()\n日本語"
    assert clean(text).text == text
    assert clean(text).findings == []


def test_files_and_names_of_a_sentence_are_found() -> None:
    text = "Let `parse_price()` in shop/pricing.py and `shop/cart` call Decimal.quantize() (see https://x.test/a.py)."
    assert files_in(text) == ["shop/pricing.py", "shop/cart"]
    assert names_in(text) == ["parse_price", "Decimal.quantize"]


def test_only_what_is_not_in_the_repository_is_unknown() -> None:
    paths = Paths(["src/shop/pricing.py", "docs/a.md"])
    assert unknown_files("`src/shop`, shop/pricing.py, pricing.py, a.md, lib/x.py, e.g. and/or", paths) == ["lib/x.py"]
    assert unknown_names("`parse_price` and `other_name`", {"parse_price"}) == ["other_name"]


def test_the_default_branch_is_what_head_points_to() -> None:
    refs = read_refs(f"ref: refs/heads/next\tHEAD\n{A}\tHEAD\n{A}\trefs/heads/next\n{B}\trefs/heads/main\n")
    assert chosen_branch(refs, None, "x") == ("next", A)
    assert chosen_branch(refs, "main", "x") == ("main", B)


def test_a_detached_head_means_the_branch_at_its_commit_and_a_dangling_one_the_usual_name() -> None:
    assert read_refs(f"{B}\tHEAD\n{A}\trefs/heads/main\n{B}\trefs/heads/dev\n")["HEAD"] == "dev"
    assert read_refs(f"{A}\trefs/heads/main\n{B}\trefs/heads/dev\n")["HEAD"] == "main"
    with pytest.raises(RepositoryProblem, match="no default branch"):
        chosen_branch(read_refs(f"{A}\trefs/heads/x\n{B}\trefs/heads/y\n"), None, "x")


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("fatal: could not read Username for 'https://github.com': terminal prompts disabled", "private"),
        ("fatal: repository 'https://x/' not found", "no git repository"),
        ("fatal: detected dubious ownership in repository at '/x'", "another user"),
        ("fatal: unable to access: Could not resolve host", "does not clone"),
    ],
)
def test_gits_failures_are_told_in_words_with_what_to_do(detail: str, said: str) -> None:
    problem = unreachable("https://x/", GitError("fetch", detail, 128))
    assert said in problem.reason
    assert problem.action
    assert "in time" in unreachable("x", GitError("fetch", "no end", None)).reason


def test_local_repositories_can_be_switched_off() -> None:
    with pytest.raises(RepositoryProblem, match="switched off"):
        checked_address("/srv/shop", local=False)
    assert checked_address("https://github.com/a/b", local=False) == "https://github.com/a/b"


def test_a_dialect_gets_simpler_by_the_parameter_that_was_refused() -> None:
    first = Dialect()
    assert simpler_dialect(first, 400, "Use 'max_completion_tokens'") == Dialect(limit="max_completion_tokens")
    assert simpler_dialect(first, 422, "stream_options not permitted") == Dialect(usage=False)
    assert simpler_dialect(first, 400, "json_schema unsupported") == Dialect(format="json_object")
    assert simpler_dialect(Dialect(format="json_object"), 400, "what") == Dialect(format="none")
    assert simpler_dialect(Dialect(format="none"), 400, "what") is None
    for status in (401, 404, 429, 500):
        assert simpler_dialect(first, status, "no") is None
    assert simpler_dialect(first, 400, "maximum context length") is None
    assert "tools" not in parameters(first, "m", 10, {})
    assert [retry_after(v) for v in ("2", "-1", "Wed, 21 Oct", None)] == [2.0, 0.0, None, None]


@pytest.mark.parametrize(
    "text", ["", "no", "{", "[]", "{}", '{"steps": []}', '{"steps": ["x"], "hypotheses": 3}', "{" * 5000]
)
def test_an_answer_that_is_not_the_asked_for_json_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        read_answer(text)


def test_an_answer_is_found_behind_prose_and_other_objects() -> None:
    text = 'So {"a": 1}. ```json\n{"hypotheses": [{"statement": "s"}], "steps": ["do"], "more": 1}\n```'
    assert read_answer(text).steps == ["do"]


def job(number: int, **values: Any) -> Job:
    cluster = Cluster(id="c", project_id="p", revision=1, title="t", count=1, created_at=NOW, updated_at=NOW)
    asked = FixRequest(
        job_id=f"j{number}", project_id="p", cluster_id="c", cluster=cluster, repo_url="/x", created_at=NOW
    )
    given: dict[str, Any] = {
        "id": f"j{number}", "project_id": "p", "cluster_id": "c", "request": asked, "status": "success",
        "phase_deadline": NOW, "deadline": NOW, "created_at": NOW, "updated_at": NOW, "started_at": NOW,
        "finished_at": NOW + timedelta(minutes=number),
        "usage": Usage(requests=3, input_tokens=1000 * number, output_tokens=10, cost_usd=0.1 * number),
    }  # fmt: skip
    return Job(**(given | values))


def test_a_forecast_is_the_median_of_jobs_that_used_a_model_and_says_how_many() -> None:
    found = forecast([job(1), job(2), job(9), job(5, usage=Usage())])
    assert (found.tokens, found.cost_usd, found.minutes) == (2010, 0.2, 2.0)
    assert "3 finished jobs" in found.basis
    assert forecast([job(1)]).tokens is None


def test_a_plan_is_stale_when_one_of_its_files_changed() -> None:
    made = plan(nearest_tests=["tests/test_pricing.py"])
    fresh = told(staleness(made, B, {"README.md"}), "main")
    assert (fresh.stale, fresh.note) == (False, "")
    assert "shop/cart.py" in told(staleness(made, B, {"shop/cart.py", "x"}), "main").note
    assert "tests/test_pricing.py" in told(staleness(made, B, {"tests/test_pricing.py"}), "main").note
    gone = told(staleness(made, B, None), "main")
    assert gone.stale
    assert "no longer part of main" in gone.note
