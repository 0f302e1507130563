"""The demo's replay says one fixed thing, in OpenAI's wire format, and is told apart from a model."""

import json

import aiohttp

from cli.demo.replay import MODEL, replay_server, turn


def _request(answers: int) -> dict[str, object]:
    messages = [{"role": "system", "content": "Working directory: /workspace/repo\n"}]
    messages += [{"role": "tool", "content": "done"}] * answers
    return {"model": MODEL, "messages": messages, "tools": [{"type": "function"}], "stream": True}


def test_the_conversation_reads_edits_tests_and_ends() -> None:
    calls = [turn(_request(n))[1] for n in range(4)]
    assert [call and call["name"] for call in calls] == ["read", "edit", "bash", None]


def test_paths_follow_the_agents_working_directory() -> None:
    call = turn(_request(0))[1]
    assert call is not None
    assert call["arguments"]["filePath"] == "/workspace/repo/shop/pricing.py"


async def test_the_stream_is_server_sent_events_ending_with_done() -> None:
    async with (
        replay_server() as url,
        aiohttp.ClientSession() as session,
        session.post(f"{url}/chat/completions", json=_request(1)) as response,
    ):
        lines = [line for line in (await response.text()).split("\n") if line]
    assert lines[-1] == "data: [DONE]"
    chunks = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    assert chunks[-1]["usage"]["total_tokens"] > 0
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


async def test_other_paths_are_refused() -> None:
    async with replay_server() as url, aiohttp.ClientSession() as session, session.get(f"{url}/models") as response:
        assert response.status == 404
