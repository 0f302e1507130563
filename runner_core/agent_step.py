"""The agent's part of an attempt: a sandbox filled with the source, the agent at work, its changes taken out."""

import asyncio
import secrets

from runner_core import artifacts
from runner_core.agent_run import AgentRun, Ran
from runner_core.bench import Bench
from runner_core.model_proxy import ModelProxy
from runner_core.outcomes import AttemptFailed, no_changes
from runner_core.prompt import prompt
from runner_core.protocols import Sandbox
from runner_core.saving import Saver
from runner_core.source import Base
from runner_core.workbench import prepare
from runtime.logs import logger

log = logger("runner.agent")


async def agent(bench: Bench, base: Base) -> tuple[bytes, str]:
    """The agent's run; the bundle of its changes and its last words. Cancelled, it saves what was done so far."""
    task, kit = bench.task, bench.kit
    assert kit.endpoint is not None
    key = f"run-{secrets.token_urlsafe(24)}"
    proxy = ModelProxy(kit.endpoint, key, bench.meter)
    seconds = min(task.limits.wall_seconds, bench.remaining() - kit.patience.reserve)
    async with proxy.listen(bench.folder / "model.sock"), bench.sandbox("agent", seconds + 600) as sandbox:
        await _fill(bench, sandbox, base)
        bench.enter("agent")
        await bench.pipe.system(f"{kit.agent.name} with {kit.endpoint.model}")
        saver = Saver(bench, base, sandbox)
        async with saver.saving():
            ran = await _run(bench, sandbox, proxy, key, max(seconds, 1.0))
            taken = await saver.last()
    summary = bench.needles.mask(ran.summary)
    if taken.bundle is None:
        raise AttemptFailed(no_changes(summary))
    if taken.incomplete:
        await bench.pipe.system("some files of the working tree could not be read and are left out")
    return taken.bundle, summary


async def _run(bench: Bench, sandbox: Sandbox, proxy: ModelProxy, key: str, seconds: float) -> Ran:
    task, kit = bench.task, bench.kit
    assert kit.endpoint is not None
    run = bench.run = AgentRun(kit.agent, sandbox, bench.pipe, proxy, kit.patience.stall)
    words = prompt(task, bench.resumed_from is not None)
    ran = await run(words, key, kit.endpoint.model, task.limits, seconds)
    if ran.failure is not None:
        raise AttemptFailed(ran.failure)
    return ran


async def _fill(bench: Bench, sandbox: Sandbox, base: Base) -> None:
    """Put the source in, and on top of it what an earlier attempt has saved."""
    data = await asyncio.to_thread(base.bundle.read_bytes)
    key = bench.task.resume_key
    earlier = await bench.kit.bus.objects().get(key) if key and artifacts.belongs(key, bench.task) else None
    if key is not None and earlier is not None:
        try:
            await prepare(sandbox, data, "work", earlier)
        except AttemptFailed as error:
            log.info("attempt.not_resumed", job_id=bench.task.job_id, reason=error.failure.reason)
            await bench.pipe.system("the earlier attempt's work does not fit this base; starting anew")
        else:
            bench.resumed_from = artifacts.attempt_of(key)
            await bench.pipe.system(f"going on from the work that attempt {bench.resumed_from} saved")
            return
    await prepare(sandbox, data)
