"""The page in a browser against a real instance: dashboard/e2e, run by Playwright with Debian's Chromium."""

import asyncio
import json
import os
import shutil
from pathlib import Path

import pytest

from tests.e2e.page_stack import page_stack

DASHBOARD = Path(__file__).resolve().parents[2] / "dashboard"


@pytest.mark.timeout(1700)
async def test_people_get_from_the_inbox_to_the_pull_request_in_a_browser(tmp_path: Path) -> None:
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert chromium, "Chromium is needed: apt-get install chromium, or set CHROMIUM to its path"
    assert (DASHBOARD / "dist" / "index.html").is_file(), "the page is not built: make setup"
    ready = tmp_path / "ready.json"
    async with page_stack(tmp_path / "data") as found:
        await asyncio.to_thread(ready.write_text, json.dumps(found))
        process = await asyncio.create_subprocess_exec(
            "npm",
            "run",
            "--silent",
            "e2e",
            cwd=DASHBOARD,
            env=os.environ | {"SOULCASTER_STACK": str(ready), "CHROMIUM": chromium, "FORCE_COLOR": "0"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await asyncio.wait_for(process.communicate(), 1500)
    assert process.returncode == 0, said.decode(errors="replace")[-8000:]
