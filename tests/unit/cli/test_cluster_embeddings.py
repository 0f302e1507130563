"""``soulcaster cluster`` with an embedding endpoint: asked only when told to, patient, and never half done."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cli.__main__ import run
from cli.errors import Exit
from services.triage.engine import Report
from services.triage.offline_vectors import NoAnswer, vectors
from tests.support.embedding_server import (
    FINE,
    EmbeddingServer,
    Reply,
    Script,
    always,
    embedding_server,
    in_order,
    vector_of,
)

ROWS = [{"id": str(n), "source": "manual", "title": f"The cart loses item {n}", "body": "Again."} for n in range(70)]


@contextmanager
def serving(script: Script) -> Iterator[EmbeddingServer]:
    """The server in a thread of its own: the command has a loop of its own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    holder = embedding_server(script)
    server = asyncio.run_coroutine_threadsafe(holder.__aenter__(), loop).result(30)
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(holder.__aexit__(None, None, None), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(30)
        loop.close()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def command(source: Path, target: Path, server: EmbeddingServer) -> list[str]:
    given = ["--embeddings-url", server.url, "--embeddings-model", "double"]
    return ["cluster", "--input", str(source), "--output", str(target), *given]


def test_the_same_answers_give_the_same_bytes_and_the_key_comes_from_the_environment(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMBEDDINGS_API_KEY", "sk-1")
    with serving(always(FINE)) as server:
        targets = [tmp_path / "one.jsonl", tmp_path / "two.jsonl"]
        assert [run(command(source, target, server)) for target in targets] == [Exit.OK, Exit.OK]
        assert targets[0].read_bytes() == targets[1].read_bytes()
        assert sorted(server.texts[:70]) == sorted(server.texts[70:])
        assert len(server.texts) == 140
        assert set(server.keys) == {"sk-1"}


def test_nothing_is_asked_without_the_options_and_half_of_them_is_a_mistake(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(always(FINE)) as server:
        monkeypatch.setenv("EMBEDDINGS_URL", server.url)
        monkeypatch.setenv("EMBEDDINGS_MODEL", "double")
        plain = ["cluster", "--input", str(source), "--output", str(tmp_path / "out.jsonl")]
        assert run(plain) == Exit.OK
        assert run([*plain, "--embeddings-url", server.url]) == Exit.USAGE
        assert "go together" in capsys.readouterr().err
        assert server.requests == []


def test_an_endpoint_that_refuses_stops_the_command_with_nothing_written(
    source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(always(Reply(status=404, said="no such model"))) as server:
        assert run(command(source, tmp_path / "out.jsonl", server)) == Exit.UNAVAILABLE
        said = capsys.readouterr().err
        assert "Nothing was written" in said
        assert "HTTP 404: " in said
        assert not (tmp_path / "out.jsonl").exists()


def reports(count: int) -> list[Report]:
    return [Report(id=str(n), title=f"Trouble number {n}") for n in range(count)]


def test_a_busy_endpoint_is_waited_for_and_every_report_gets_its_vector() -> None:
    told: list[str] = []
    busy = Reply(status=429, headers=("Retry-After: 0",))
    with (
        serving(in_order(busy, Reply(fault="refuse"), Reply(raw=b"{}"), FINE)) as server,
        vectors(server.url, "double", "", told.append, first_pause=0.001) as embed,
    ):
        found = embed(reports(3))
        assert [list(one) for one in found if one is not None] == [vector_of(text) for text in server.texts[-3:]]
        assert len(found) == 3
        assert any("HTTP 429" in line for line in told)


def test_an_endpoint_that_stays_silent_ends_the_patience() -> None:
    with (
        serving(always(Reply(status=503))) as server,
        vectors(server.url, "double", "", lambda _: None, first_pause=0.001) as embed,
        pytest.raises(NoAnswer, match="HTTP 503"),
    ):
        embed(reports(3))
    assert len(server.requests) == 6


def test_a_text_that_the_server_cannot_take_goes_without() -> None:
    def script(texts: list[str], number: int) -> Reply:
        return Reply(status=400) if any("number 5" in text for text in texts) else FINE

    with (
        serving(script) as server,
        vectors(server.url, "double", "", lambda _: None, first_pause=0.001) as embed,
    ):
        assert [found is None for found in embed(reports(9))] == [n == 5 for n in range(9)]
        assert embed(reports(6)[5:]) == [None]
        assert embed([]) == []
