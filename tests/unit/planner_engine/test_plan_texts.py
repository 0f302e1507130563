"""What a plan says, read as a person reads it."""

from services.planner.grounding.draft import draft_plan
from services.planner.grounding.model import PlanDraft, Report
from services.planner.localise import RepositoryIndex
from services.planner.localise.frames import Frame
from tests.unit.planner_engine.workshop import Workshop

TRACE = (
    'Traceback (most recent call last):\n  File "/srv/shop/checkout.py", line 3, in place_order\n'
    '  File "/srv/shop/cart.py", line 10, in total_price\nValueError: x\n'
)
AS_TEXT = "Stacktrace:\n  shop/checkout.py:3 in place_order\n  shop/cart.py:10 in total_price\n"
AS_DATA = [Frame("shop/checkout.py", 3, "place_order"), Frame("shop/cart.py", 10, "total_price")]


def planned(workshop: Workshop, report: Report, frames: list[Frame] | None = None) -> PlanDraft:
    return draft_plan(RepositoryIndex.build(workshop.path, "main"), [report], frames=frames or [])


def trace_of(plan: PlanDraft, path: str) -> str:
    evidence = next(c.evidence for c in plan.candidate_files if c.path == path)
    return next(e.detail for e in evidence if e.kind == "stack_frame")


def test_a_trace_that_came_as_data_and_as_text_is_told_once_with_its_names(shop: Workshop) -> None:
    plan = planned(shop, Report("Checkout fails", AS_TEXT), AS_DATA)
    expected = "in the stack trace at line 10 (`total_price`) (innermost frame of this repository)"
    assert trace_of(plan, "shop/cart.py") == expected


def test_frames_of_a_file_are_told_innermost_first(shop: Workshop) -> None:
    outer = '  File "/srv/shop/cart.py", line 6, in apply\n  File "/srv/shop/cart.py", line 10, in total_price\n'
    plan = planned(shop, Report("Checkout fails", TRACE.replace("ValueError", f"{outer}ValueError")))
    told = trace_of(plan, "shop/cart.py")
    assert told.startswith("in the stack trace at line 10 (`total_price`), line 6 (`apply`)"), told


def test_a_loggers_name_and_a_template_are_no_messages(shop: Workshop) -> None:
    shop.commit(
        {
            "shop/audit.py": 'NAME = "shop.handlers.coupon.health.active"\n'
            "\n\ndef audit():\n    # {#each items as item (item.id)}\n    return NAME\n"
        }
    )
    said = (
        '{"logger":"shop.handlers.coupon.health.active","msg":"x"}\n'
        "With `{#each items as item (item.id)}` the total is wrong.\n"
    )
    plan = planned(shop, Report("total_price is wrong", said))
    assert not [h for h in plan.hypotheses if h.statement.startswith("The message comes from")]


def test_a_plan_that_rests_on_words_alone_says_so_among_its_risks(workshop: Workshop) -> None:
    workshop.commit(
        {
            "src/parcel.py": "class Weigher:\n    def weigh(self, parcel):\n        return parcel.grams\n",
            "src/door.py": "class Door:\n    def open(self):\n        return True\n",
        }
    )
    plan = planned(workshop, Report("The parcel is weighed in grams", "Wrong weight is shown for a parcel."))
    assert any("words alone led there" in risk or "not sure of its first file" in risk for risk in plan.risks)


def test_the_reproduction_goes_where_the_first_candidate_is_tested(shop: Workshop) -> None:
    plan = planned(shop, Report("Cart.total_price ignores coupons", TRACE))
    assert "Add a failing test to `tests/test_cart.py`" in plan.reproduction


def test_evidence_reads_as_sentences_without_the_path_again(shop: Workshop) -> None:
    plan = planned(shop, Report("Cart.total_price ignores coupons", TRACE))
    for hypothesis in plan.hypotheses:
        for sentence in hypothesis.evidence_for:
            assert sentence[0].isupper() or sentence[0] == "`", sentence
            assert sentence.endswith(".")
