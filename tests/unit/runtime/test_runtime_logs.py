"""Log lines are JSON with an action and an identity, and hide what is named a secret."""

import json
import subprocess
import sys
from collections.abc import Sequence

SCRIPT = """
import logging
from runtime import logs
logs.configure("planner", {level!r}, {fmt!r})
log = logs.logger("test").bind(job_id="J1")
{body}
"""


def lines(body: Sequence[str], level: str = "info", fmt: str = "json") -> list[str]:
    script = SCRIPT.format(level=level, fmt=fmt, body="\n".join(body))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_a_line_is_one_json_object_with_action_service_and_identity() -> None:
    (line,) = lines(['log.info("plan.made", files=3)'])
    event = json.loads(line)
    assert (event["event"], event["service"], event["job_id"], event["files"]) == ("plan.made", "planner", "J1", 3)
    assert (event["level"], event["component"]) == ("info", "test")


def test_values_named_as_secrets_are_masked() -> None:
    (line,) = lines(['log.info("x", github_token="ghp_1", api_key="sk-1", password="p", tokens=5)'])
    assert "ghp_1" not in line
    assert "sk-1" not in line
    assert json.loads(line)["tokens"] == 5


def test_lines_below_the_level_are_left_out_and_exceptions_are_kept_whole() -> None:
    body = ['log.debug("quiet")', "try:", "    1 / 0", "except ZeroDivisionError:", '    log.exception("loud")']
    (line,) = lines(body)
    assert "ZeroDivisionError" in json.loads(line)["exception"]


def test_the_standard_library_is_written_the_same_way() -> None:
    (line,) = lines(['logging.getLogger("nats").warning("%s happened", "something")'])
    assert json.loads(line)["event"] == "something happened"


def test_console_lines_are_for_people() -> None:
    (line,) = lines(['log.info("plan.made")'], fmt="console")
    assert "plan.made" in line
    assert not line.startswith("{")
