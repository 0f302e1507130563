"""A runner process that never looks at its own clock: ``python -m tests.chaos.sleeper URL frozen|awake``.

It claims a task, is ``frozen`` on the spot (SIGSTOP, which cannot be caught or seen), and whenever it is woken it asks
for the rest of its attempt, as if no time had passed. It prints one answer a line.
"""

import asyncio
import os
import signal
import sys

from messaging.connection import connect
from tests.integration.orchestrator.house import Runner


async def main(url: str, how: str) -> None:
    bus = await connect(url, service="sleeper")
    runner = Runner(bus, "sleeper")
    await runner.present()
    task = await runner.take(within=30)
    say(await runner.answer("claim", task))
    if how == "frozen":
        os.kill(os.getpid(), signal.SIGSTOP)
    for operation, changes in (
        ("heartbeat", {"phase": "gating"}),
        ("publish", {"bundle_key": "bundles/late"}),
        ("finish", {"outcome": "success", "pr_url": "http://forge/late"}),
    ):
        say(await runner.answer(operation, task, **changes))
    await bus.close()


def say(answer: str) -> None:
    sys.stdout.write(answer + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
