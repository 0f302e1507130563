"""The agent's part of an attempt: a sandbox filled with the source, the agent at work, its changes taken out."""

import secrets
from dataclasses import dataclass

from runner_core import artifacts
from runner_core.agent_run import AgentRun, Ran
from runner_core.bench import Bench
from runner_core.model_proxy import ModelProxy
from runner_core.outcomes import AttemptFailed, no_changes
from runner_core.prompt import prompt
from runner_core.protocols import Sandbox
from runner_core.saving import Saver
from runner_core.setting_up import network, set_up, tidy
from runner_core.source import Base
from runner_core.workbench import apply, prepare
from runtime.logs import logger

log = logger("runner.agent")


@dataclass(frozen=True, slots=True)
class Done:
    """The bundle of the agent's changes, and its last words."""

    bundle: bytes
    summary: str


@dataclass(frozen=True, slots=True)
class Again:
    """The agent is sent back: its own work so far, and what the tests said of it."""

    bundle: bytes
    failures: str


async def agent(bench: Bench, base: Base, again: Again | None = None) -> Done:
    """The agent's run. Cancelled, it saves what was done so far. Raises AttemptFailed, SandboxError."""
    kit = bench.kit
    assert kit.endpoint is not None
    key = f"run-{secrets.token_urlsafe(24)}"
    proxy = ModelProxy(kit.endpoint, key, bench.meter)
    seconds = max(bench.agent_time(), 1.0)
    async with proxy.listen(bench.folder / "model.sock"), bench.sandbox("agent", seconds + 600) as sandbox:
        await _fill(bench, sandbox, base, again)
        bench.enter("agent")
        unknown = "" if kit.prices else "; its price is not known (MODEL_PRICES): tokens are limited, money is not"
        await bench.pipe.system(f"{bench.agent.name} with {kit.endpoint.model}{unknown}")
        saver = Saver(bench, base, sandbox)
        async with saver.saving():
            ran = await _run(bench, sandbox, proxy, key, seconds, again)
            taken = await saver.last()
    summary = bench.needles.mask(ran.summary)
    if taken.bundle is None:
        raise AttemptFailed(no_changes(summary))
    if taken.incomplete:
        await bench.pipe.system("some files of the working tree could not be read and are left out")
    return Done(taken.bundle, summary)


async def _run(bench: Bench, sandbox: Sandbox, proxy: ModelProxy, key: str, seconds: float, again: Again | None) -> Ran:
    task, kit = bench.task, bench.kit
    assert kit.endpoint is not None
    run = AgentRun(bench.agent, sandbox, bench.pipe, proxy, kit.patience.stall)
    bench.begin(run)
    remarks = bench.followed.remarks if bench.followed else ()
    words = prompt(task, bench.resumed_from is not None, remarks, again.failures if again else "")
    ran = await run(words, key, kit.endpoint.model, task.limits, seconds)
    if ran.failure is not None:
        raise AttemptFailed(ran.failure)
    return ran


async def _fill(bench: Bench, sandbox: Sandbox, base: Base, again: Again | None) -> None:
    """The source, set up; on top of it the agent's own work so far, or what an earlier attempt has saved."""
    await _ready(bench, sandbox, base)
    if again is not None:
        return await apply(sandbox, "work", again.bundle)
    key = bench.task.resume_key
    earlier = await bench.kit.bus.objects().get(key) if key and artifacts.belongs(key, bench.task) else None
    if key is None or earlier is None:
        return
    try:
        await apply(sandbox, "work", earlier)
    except AttemptFailed as error:
        log.info("attempt.not_resumed", job_id=bench.task.job_id, reason=error.failure.reason)
        await bench.pipe.system("the earlier attempt's work does not fit this base; starting anew")
        await _ready(bench, sandbox, base)
    else:
        bench.resumed_from = artifacts.attempt_of(key)
        await bench.pipe.system(f"going on from the work that attempt {bench.resumed_from} saved")


async def _ready(bench: Bench, sandbox: Sandbox, base: Base) -> None:
    """The base commit, unpacked and set up."""
    await prepare(sandbox, base)
    async with network(bench.setup, bench.pipe):
        await set_up(sandbox, bench.setup, bench.pipe)
    await tidy(sandbox, bench.setup)
