"""Against e2b itself, with E2B_API_KEY (costs cents). E2B_TEMPLATE chooses the template; it needs python3 and git."""

import os

from runner_core.protocols import SandboxError
from services.runner_sandbox.e2b_provider import Account, E2bProvider
from services.runner_sandbox.e2b_sandbox import Patience
from tests.support.sandboxes import ran, shell, spec


async def test_a_real_sandbox_keeps_the_main_promises() -> None:
    account = Account(key=os.environ["E2B_API_KEY"], template=os.environ.get("E2B_TEMPLATE", "soulcaster"))
    provider = E2bProvider(account, None, Patience())
    sandbox = await provider.create(spec("LIVE", runner="live_test"))
    try:
        data = bytes(range(256)) * 1000
        await sandbox.put(f"{sandbox.layout.inbox}/data", data)
        done = await shell(sandbox, f"cat {sandbox.layout.inbox}/data; echo err >&2; exit 7")
        assert (done.stdout, done.stderr, done.exit.code) == (data, b"err\n", 7)
        assert (await shell(sandbox, "sleep 60", timeout=2.0)).exit.why == "timeout"
        whoami = await shell(
            sandbox, "id -un; sudo -n true && echo root; echo x > /opt/soulcaster/inbox/data || echo closed"
        )
        assert whoami.stdout == b"user\nclosed\n"
        reach = "import socket; socket.create_connection(('1.1.1.1', 443), 5)"
        assert (await ran(sandbox, "python3", "-c", reach)).exit.code != 0
        assert [found.id for found in await provider.find_by_tag("live_test")] == [sandbox.id]
    finally:
        await sandbox.destroy()
    try:
        await sandbox.put(f"{sandbox.layout.inbox}/x", b"x")
    except SandboxError as error:
        gone = error.failure
    assert gone.kind == "infrastructure"
