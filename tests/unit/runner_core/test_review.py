"""The look at a patch against its plan."""

import pytest
from msgspec import structs

from runner_core.patch import Change, Patch
from runner_core.review import review
from schemas.plans import CandidateFile, Plan
from tests.unit.runner_core.test_prompt import task


def told(*changes: Change) -> list[tuple[str, str]]:
    patch = Patch(commit="1" * 40, diff=b"", changes=changes, additions=0, deletions=0)
    return [(note.path, note.detail) for note in review(patch, plan())]


def plan() -> Plan:
    return structs.replace(task().plan, candidate_files=[CandidateFile(path="shop/pricing.py")])


def changed(path: str, added: str = "", status: str = "modified") -> Change:
    return Change(path, status, "100644", "100644", size=len(added), added_text=added)  # type: ignore[arg-type]


def test_a_patch_as_planned_with_a_new_test_has_nothing_to_tell() -> None:
    assert told(changed("shop/pricing.py", "return a + b"), changed("tests/test_new.py", "", "added")) == []


@pytest.mark.parametrize(
    ("path", "line", "word"),
    [
        ("shop/pricing.py", "    print('here', a)", "debug output"),
        ("shop/pricing.py", "    breakpoint()", "debug output"),
        ("web/cart.tsx", "  console.log(cart)", "debug output"),
        ("cmd/main.go", '\tfmt.Println("x")', "debug output"),
        ("src/lib.rs", "    dbg!(x);", "debug output"),
        ("shop/pricing.py", "# TO" + "DO: negative prices", "unfinished"),
    ],
)
def test_leftovers_are_told_with_the_line(path: str, line: str, word: str) -> None:
    notes = dict(told(changed(path, line)))
    assert word in notes[path]
    assert line.strip() in notes[path]


def test_debug_output_in_tests_and_words_in_prose_are_no_leftovers() -> None:
    notes = told(
        changed("shop/pricing.py"),
        changed("tests/test_x.py", "print(1)", "added"),
        changed("docs/a.md", "TO" + "DO list"),
    )
    assert notes == []


def test_what_the_plan_expected_and_tests_touched_or_missing_are_told() -> None:
    assert told(changed("shop/other.py")) == [
        ("", "The patch neither adds nor changes a test."),
        ("shop/pricing.py", "The plan expected a change here, and there is none."),
    ]
    assert told(changed("shop/pricing.py"), changed("tests/test_old.py")) == [
        ("tests/test_old.py", "An existing test is changed.")
    ]
