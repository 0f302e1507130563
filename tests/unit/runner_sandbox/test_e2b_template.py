"""What the template holds is what the runner expects in it. It was never built at e2b by these tests."""

import json
import subprocess
import sys
from pathlib import Path

from runner_core.agents import kilocode, opencode
from services.runner_sandbox.e2b_agent import KILOCODE, OPENCODE, InTemplate
from tests.support.scripted_agent import ScriptedAgent

ROOT = Path(__file__).parents[3]


def _dockerfile() -> str:
    script = [sys.executable, str(ROOT / "deploy/e2b/template.py"), "--dockerfile"]
    return subprocess.run(script, check=True, capture_output=True, text=True, cwd=ROOT).stdout


def test_the_template_has_the_agents_that_are_pinned_everywhere_else() -> None:
    pinned = json.loads((ROOT / "agents/package.json").read_text())["optionalDependencies"]
    said = _dockerfile()
    assert pinned == {"@kilocode/cli-linux-x64": KILOCODE, "opencode-linux-x64": OPENCODE}
    assert f"@kilocode/cli-linux-x64@{KILOCODE} opencode-linux-x64@{OPENCODE}" in said
    assert f"/bin {kilocode.MOUNTED}" in said
    assert f"/bin {opencode.MOUNTED}" in said
    assert "git" in said
    assert "python3" in said


async def test_an_agent_in_a_template_brings_no_folder_and_says_its_version() -> None:
    agent = InTemplate(ScriptedAgent("true"), KILOCODE)
    assert (agent.tools, await agent.probe(), agent.name.endswith(KILOCODE)) == ((), None, True)
