"""A walk over the OpenAPI document with generated junk: every answer is a documented one, none is our fault."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from messaging.connection import connect
from messaging.provision import provision
from services.gateway import openapi
from services.gateway.settings import Settings
from tests.integration.gateway.builders import cluster, job, plan, publish_cluster, put_job, record
from tests.integration.gateway.conftest import ADMIN_KEY, SECRET_KEY, ScriptedTriage, started
from tests.support.nats_server import running

DOCUMENT = openapi.document()
SLOW = {"text/event-stream"}
OPERATIONS = [
    (method, path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if not any(kind in SLOW for answer in operation["responses"].values() for kind in answer.get("content", {}))
]
IDS = st.sampled_from(
    ["c1", "j1", "default", "nothing", "..", "%00", "a.b", "*", ">", "%2e%2e%2f", "%F0%9F%92%A3", "x" * 65]
)
TEXT = st.one_of(
    st.text(max_size=20), st.sampled_from(["", "\x00", "$(id)", "' OR 1=1 --", "\u202e", "../../etc/passwd"])
)
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), TEXT)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


def resolve(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema behind its reference."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return DOCUMENT["components"]["schemas"][name] if name else schema


def body_of(operation: dict[str, Any]) -> st.SearchStrategy[bytes]:
    """Bodies that are almost right: known fields with any value, or anything at all."""
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return st.just(b"")
    fields = list(resolve(content["application/json"]["schema"]).get("properties", {"x": {}}))
    almost = st.dictionaries(st.sampled_from(fields), JSON, max_size=len(fields)).map(msgspec.json.encode)
    return st.one_of(almost, almost, JSON.map(msgspec.json.encode), st.binary(max_size=40))


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, dict[str, Any], str, dict[str, str], dict[str, str], bytes]:
    """Any operation with any input."""
    method, path, operation = draw(st.sampled_from(OPERATIONS))
    url = re.sub(r"{\w+}", lambda _: draw(IDS), path)
    query = {
        one["name"]: draw(st.one_of(st.sampled_from(["1", "0", "-1", "default", "true"]), TEXT))
        for one in operation["parameters"]
        if one["in"] == "query" and draw(st.booleans())
    }
    headers = {
        one["name"]: draw(st.sampled_from(["", "x", '"v1"', "k1", "a" * 300, "9" * 30]))
        for one in operation["parameters"]
        if one["in"] == "header" and draw(st.booleans())
    }
    return method, path, operation, url, query, headers, draw(body_of(operation))


@pytest.fixture(scope="module")
def walker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A function that sends one request to a gateway that has one of everything."""
    with asyncio.Runner() as runner:
        stack = _house(tmp_path_factory.mktemp("walk"))
        client = runner.run(anext(stack))
        yield lambda *request: runner.run(_send(client, *request))
        runner.run(_finish(stack))


async def _finish(stack: Any) -> None:
    async for _ in stack:
        raise AssertionError("the house ends once")


async def _house(folder: Path) -> Any:
    house = Settings(
        admin_key=ADMIN_KEY,
        soulcaster_secret_key=SECRET_KEY,
        plan_wait_seconds=0.05,
        request_seconds=1.0,
        github_api_url="http://127.0.0.1:9",
    )
    async with running(folder) as server:
        await provision(server.url)
        bus = await connect(server.url, service="test")
        served = await bus.serve("triage.*", ScriptedTriage())
        async with started(house, bus) as (gateway, client):
            await publish_cluster(bus, cluster())
            await put_job(bus, job("j1", status="needs_review", patch_key="patches/default/j1/1.diff"))
            await gateway.plans.records.put("default.c1", record(plan()))
            yield client
        await served.stop()
        await bus.close()


async def _send(
    client: TestClient[Any, Any], method: str, url: str, query: dict[str, str], headers: dict[str, str], body: bytes
) -> tuple[int, str, bytes]:
    async with client.request(
        method, url, params=query, headers=headers, data=body or None, allow_redirects=False
    ) as answer:
        return answer.status, answer.headers.get("Content-Type", ""), await answer.read()


@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(request=requests())
def test_no_input_makes_the_gateway_fail_or_answer_what_is_not_documented(walker: Any, request: Any) -> None:
    method, path, operation, url, query, headers, body = request
    status, kind, data = walker(method.upper(), url, query, headers, body)
    documented = set(operation["responses"])
    assert status < 500 or status in (502, 503) or "trigger-agent" in path, (status, data)
    assert str(status) in documented or status in (404, 405), (status, data)
    if status >= 400:
        assert kind == "application/problem+json", (status, data)
        problem = msgspec.json.decode(data)
        assert problem["status"] == status
        assert problem["detail"]
        assert problem["request_id"]
