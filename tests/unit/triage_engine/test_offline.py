"""The engine over a file."""

import json
from pathlib import Path

import pytest

from services.triage.engine.offline import main
from tests.unit.triage_engine.streams import stream


def write(path: Path) -> None:
    rows = [
        {"id": r.id, "source": r.source, "title": r.title, "body": r.body, "created_at": str(r.created_at)}
        for r in stream(2)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n", encoding="utf-8")


def test_every_report_comes_back_with_a_cluster_and_earlier_candidates(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl")
    assert main(tmp_path / "in.jsonl", tmp_path / "out.jsonl") == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in rows] == [r.id for r in stream(2)]
    seen: set[str] = set()
    for row in rows:
        assert row["cluster"]
        assert len(row["candidates"]) <= 5
        assert set(row["candidates"]) <= seen
        seen.add(row["id"])


def test_two_runs_write_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl")
    main(tmp_path / "in.jsonl", tmp_path / "one.jsonl")
    main(tmp_path / "in.jsonl", tmp_path / "two.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not valid JSON"),
        ("[1]", "expected a JSON object"),
        ('{"title": "x"}', "id is missing"),
        ('{"id": "x", "title": 3}', "title must be text"),
        ('{"id": "ok"}', "already used on line 1"),
        ("\udcff", "not valid JSON"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_written(
    line: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, target = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_bytes(b'{"id": "ok"}\n' + line.encode("utf-8", "surrogateescape") + b"\n")
    assert main(source, target) == 2
    told = capsys.readouterr().err
    assert "line 2" in told
    assert said in told
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_a_missing_file_is_told_without_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(tmp_path / "none.jsonl", tmp_path / "out.jsonl") == 2
    assert "none.jsonl" in capsys.readouterr().err


@pytest.mark.parametrize("place", [".", "none/out.jsonl"])
def test_a_place_that_cannot_be_written_is_named_as_it_was_given(
    place: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "in.jsonl")
    assert main(tmp_path / "in.jsonl", tmp_path / place) == 2
    assert capsys.readouterr().err.startswith(f"{tmp_path / place}: ")
    assert [path.name for path in tmp_path.iterdir()] == ["in.jsonl"]


def test_an_output_is_as_readable_as_any_file_and_a_link_stays_one(tmp_path: Path) -> None:
    write(tmp_path / "in.jsonl")
    (tmp_path / "here").mkdir()
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "here" / "out.jsonl")
    assert main(tmp_path / "in.jsonl", tmp_path / "link.jsonl") == 0
    assert (tmp_path / "link.jsonl").is_symlink()
    (tmp_path / "plain").touch()
    assert (tmp_path / "here" / "out.jsonl").stat().st_mode == (tmp_path / "plain").stat().st_mode
