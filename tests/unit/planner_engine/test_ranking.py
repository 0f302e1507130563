"""What the issue says decides the order of files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from services.planner.grounding.spans import with_exact_symbols
from services.planner.localise import Frame, RepositoryIndex, rank
from services.planner.localise.frames import find_frames
from services.planner.localise.query import read_issue
from tests.unit.planner_engine.workshop import Workshop


def first(repository: Workshop, text: str, **options: object) -> str:
    index = RepositoryIndex.build(repository.path, "main")
    return rank(index, text, **options)[0].path  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wrong sum\nThe total is wrong, see shop/cart.py line 8.", "shop/cart.py"),
        ("Receipts are lost\n`Mailer.send_receipt` never returns.", "shop/mailer.py"),
        ("Crash at checkout\nshop.payment.charge_card fails", "shop/payment.py"),
        ("charge card twice\nThe card is charged two times", "shop/payment.py"),
        ("Cannot pay\nIt says: this coupon can no longer be redeemed here", "shop/cart.py"),
    ],
)
def test_a_path_a_symbol_a_dotted_name_words_or_a_message_find_the_file(
    shop: Workshop, text: str, expected: str
) -> None:
    assert first(shop, text) == expected


@pytest.mark.parametrize(
    "path",
    ["/app/shop/mailer.py", "/opt/venv/lib/python3.11/site-packages/shop/mailer.py", "C:\\build\\shop\\mailer.py"],
)
def test_frames_of_containers_virtualenvs_and_build_machines_find_the_file(shop: Workshop, path: str) -> None:
    trace = f'Boom\nTraceback (most recent call last):\n  File "{path}", line 3, in send_receipt\nKeyError: 1'
    candidates = rank(RepositoryIndex.build(shop.path, "main"), trace)
    assert candidates[0].path == "shop/mailer.py"
    assert candidates[0].evidence[0].kind == "stack_frame"
    assert "innermost" in candidates[0].evidence[0].detail


def test_frames_given_as_data_count_like_those_in_the_text(shop: Workshop) -> None:
    assert (
        first(shop, "Something broke", frames=[Frame("app:///shop/search.py", 2, "find_products")]) == "shop/search.py"
    )


@pytest.mark.parametrize(
    ("trace", "innermost", "function"),
    [
        ('  File "a.py", line 1, in one\n  File "b.py", line 2, in two', "b.py", "two"),
        ("~/x/b.py in two(x)\n      1 y\n----> 2 z", "b.py", "two"),
        ("\tat com.acme.B.two(B.java:2)\n\tat com.acme.A.one(A.java:1)", "B.java", "two"),
        ("    at two (/app/b.js:2:3)\n    at one (/app/a.js:1:1)", "b.js", "two"),
        ("two@webpack:///./src/b.ts:2:3\none@webpack:///./src/a.ts:1:1", "b.ts", "two"),
        ("x/y.(*B).two(0x1)\n\t/src/b.go:2 +0x1c\nmain.one()\n\t/src/a.go:1 +0x1", "b.go", "two"),
        (
            "   1: x::b::two\n             at ./src/b.rs:2:9\n   2: x::one\n             at ./src/a.rs:1:1",
            "b.rs",
            "two",
        ),
        ("lib/b.rb:2:in `two'\n\tfrom lib/a.rb:1:in `one'", "b.rb", "two"),
        ("#1 0x2 in two (n=3) at b.c:2\n#2 one () at a.c:1", "b.c", ""),
        ("   at N.B.two(Int32 x) in C:\\src\\B.cs:line 2\n   at N.A.one() in C:\\src\\A.cs:line 1", "B.cs", "two"),
        ("#0 /var/www/b.php(2): B->two('x')\n#1 /var/www/a.php(1): one()", "b.php", "two"),
        ("tests/a.py:1: in one\nsrc/b.py:2: ValueError", "b.py", ""),
    ],
)
def test_the_innermost_frame_is_last_whatever_the_language_prints(trace: str, innermost: str, function: str) -> None:
    frame = find_frames(trace)[-1]
    assert frame.path.endswith(innermost)
    assert (frame.line, frame.function) == (2, function)


def test_a_link_to_a_file_names_it_and_a_folder_called_src_does_not(shop: Workshop) -> None:
    assert read_issue("t\nsee https://example.org/o/r/blob/main/shop/cart.py#L8").paths == [("shop/cart.py", 8)]
    assert read_issue("t\nbuilt in /src/r/shop/x/").paths == []


def test_a_frame_of_another_installed_package_is_no_match(shop: Workshop) -> None:
    shop.commit({"shop/util/search.py": "def index():\n    return 1\n"})
    text = 'Boom\n  File "/usr/lib/python3/site-packages/other/search.py", line 2, in nothing\n'
    evidence = [e.kind for c in rank(RepositoryIndex.build(shop.path, "main"), text) for e in c.evidence]
    assert "stack_frame" not in evidence


def test_tests_are_not_candidates(shop: Workshop) -> None:
    paths = [c.path for c in rank(RepositoryIndex.build(shop.path, "main"), "test_total of Cart fails")]
    assert paths
    assert not [p for p in paths if p.startswith("tests/")]


def test_the_same_question_gives_the_same_bytes_with_and_without_a_cache(shop: Workshop, tmp_path: Path) -> None:
    text = "Coupons\nExpired coupons raise in total_price"
    answers = {
        msgspec.json.encode(rank(RepositoryIndex.build(shop.path, "main", cache), text))
        for cache in (None, tmp_path / "cache", tmp_path / "cache", None)
    }
    assert len(answers) == 1


def test_equal_scores_are_ordered_by_path(workshop: Workshop) -> None:
    workshop.commit({f"src/{name}.py": "value = 1\n" for name in "cba"})
    paths = [c.path for c in rank(RepositoryIndex.build(workshop.path, "main"), "unrelated words entirely")]
    assert paths == ["src/a.py", "src/b.py", "src/c.py"]


def test_nothing_newer_than_the_revision_is_read(shop: Workshop) -> None:
    old = shop.commits[-1]
    shop.commit({"shop/coupons.py": "def redeem_gift_voucher():\n    return 1\n"}, "Redeem gift vouchers")
    index = RepositoryIndex.build(shop.path, old)
    assert "shop/coupons.py" not in [c.path for c in rank(index, "redeem_gift_voucher fails")]
    assert all("voucher" not in commit.subject for commit in index.commits)


def test_past_commits_like_the_report_are_shown_as_evidence(shop: Workshop) -> None:
    candidates = rank(RepositoryIndex.build(shop.path, "main"), "Declined payments are retried for ever")
    assert candidates[0].path == "shop/payment.py"
    assert any(e.kind == "history" and "Retry declined payments" in e.detail for e in candidates[0].evidence)


def test_a_hidden_character_does_not_hide_a_name(shop: Workshop) -> None:
    assert first(shop, "Receipts\nsend\u200b_receipt is broken in Mai\u200bler") == "shop/mailer.py"


@pytest.mark.parametrize(
    ("path", "source", "question"),
    [
        ("w/basket.ts", "export class Basket {\n  addLine(line: Line): void {\n    return\n  }\n}\n", "addLine"),
        ("core/l.go", "package core\n\nfunc (l *Ledger) PostEntry(e int) error {\n\treturn nil\n}\n", "PostEntry"),
        ("src/Invoice.java", "class Invoice {\n  int sumLines() {\n    return 1;\n  }\n}\n", "sumLines"),
        ("src/queue.rs", "pub struct Queue;\nimpl Queue {\n    pub fn drain_all(&self) {}\n}\n", "drain_all"),
        ("lib/router.rb", "class Router\n  def match_route(path)\n    path\n  end\nend\n", "match_route"),
        ("src/heap.c", "static int heap_grow(struct heap *h, int n)\n{\n    return n;\n}\n", "heap_grow"),
        ("src/list.cpp", "void List::reverseOrder(int n) {\n  n++;\n}\n", "reverseOrder"),
        ("Src/Parser.cs", "class Parser {\n  public int ReadToken(int x) {\n    return x;\n  }\n}\n", "ReadToken"),
        ("src/Mail.php", "<?php\nclass Mail {\n  public function sendNow($to) {\n    return $to;\n  }\n}\n", "sendNow"),
    ],
)  # fmt: skip
def test_definitions_of_every_language_are_found_with_exact_spans(
    workshop: Workshop, path: str, source: str, question: str
) -> None:
    workshop.commit({path: source, "zz/other.py": "def unrelated():\n    return 0\n"})
    index = RepositoryIndex.build(workshop.path, "main")
    best = with_exact_symbols(index, rank(index, f"`{question}` returns the wrong value"))[0]
    assert best.path == path
    symbol = next(s for s in best.symbols if s.name == question)
    lines = source.split("\n")
    assert question in lines[symbol.start_line - 1]
    assert symbol.end_line >= symbol.start_line
    assert lines[symbol.end_line - 1].strip() in ("}", "end", lines[symbol.start_line - 1].strip())
