"""A project's data out into a file and in again, by the command."""

import json
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient

from tests.integration.gateway.conftest import ADMIN_KEY
from tests.support.embedded import command, environ
from tests.support.eventually import eventually

Client = TestClient[Any, Any]
WORDS = ("printer jams on labels", "login loops forever", "invoice lacks the tax line")


async def test_a_project_comes_back_whole_from_its_file_and_a_second_time_changes_nothing(
    client: Client,
    tmp_path: Path,
) -> None:
    address = str(client.make_url("")).rstrip("/")
    env = environ(SOULCASTER_GATEWAY=address, SOULCASTER_API_KEY=ADMIN_KEY, XDG_CONFIG_HOME=str(tmp_path))
    await client.post("/projects", json={"name": "Copy", "user_id": "copy"})
    for number in range(30):  # long ones: more than one request may hold
        text = f"{WORDS[number % 3]} {number}\n" + f"{WORDS[number % 3]} " * 1500
        assert (await client.post("/ingest/manual", json={"text": text, "title": WORDS[number % 3]})).status == 200

    async def stored() -> None:
        assert (await (await client.get("/stats")).json())["total_feedback"] == 30

    await eventually(stored, within=60)
    one = (await (await client.get("/clusters")).json())[-1]["id"]
    await client.patch(f"/clusters/{one}", json={"title": "Named by hand", "status": "resolved"})
    file = tmp_path / "data.jsonl"
    code, out, said = await command("export", str(file), env=env)
    assert (code, out) == (0, ""), said
    assert file.stat().st_size > 1_100_000
    assert {json.loads(line)["kind"] for line in file.read_text().splitlines()} >= {"cluster", "feedback", "history"}
    code, _, said = await command("import", str(file), "--project", "copy", env=env)
    assert (code, "30 reports" in said) == (0, True), said
    assert await told(client, "copy") == await told(client, "default")
    code, _, said = await command("import", str(file), "--project", "copy", env=env)
    assert (code, "0 reports and 0 clusters are new, 30 were there" in said) == (0, True), said
    assert await told(client, "copy") == await told(client, "default")


async def test_lines_that_are_none_are_named_and_the_others_taken_in(client: Client, tmp_path: Path) -> None:
    address = str(client.make_url("")).rstrip("/")
    env = environ(SOULCASTER_GATEWAY=address, SOULCASTER_API_KEY=ADMIN_KEY, XDG_CONFIG_HOME=str(tmp_path))
    file = tmp_path / "data.jsonl"
    good = {"kind": "feedback", "id": "x", "project_id": "p", "source": "manual", "external_id": "1", "title": "One",
            "created_at": "2026-11-20T08:00:00Z"}  # fmt: skip
    file.write_text(f'\n{{broken\n{json.dumps(good)}\n{{"kind": "what"}}\n')
    code, _, said = await command("import", str(file), env=env)
    assert (code, "1 reports" in said) == (1, True), said
    assert "line 2: " in said
    assert "line 4: " in said
    file.write_text("{broken\n")
    code, _, said = await command("import", str(file), env=env)
    assert (code, "line 1: " in said) == (1, True), said
    for name, wrong in (("none.jsonl", "cannot read"), ("empty.jsonl", "is empty")):
        (tmp_path / "empty.jsonl").touch()
        code, _, said = await command("import", str(tmp_path / name), env=env)
        assert (code, wrong in said) == (2, True), said


async def told(client: Client, project: str) -> list[Any]:
    """What a person sees of the project's clusters."""
    found = await (await client.get(f"/clusters?project_id={project}")).json()
    return sorted((one["title"], one["status"], one["count"], one["summary"]) for one in found)
