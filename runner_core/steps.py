"""The steps of an attempt, in order: source in, agent, patch out, tests, gate, pull request."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from messaging.ports import BusError
from runner_core import artifacts, gate, reporting
from runner_core.agent_run import AgentRun
from runner_core.git import Credentials
from runner_core.kit import Kit
from runner_core.lease import Lease
from runner_core.log_archive import LogArchive
from runner_core.logs import LogPipe
from runner_core.masking import Needles
from runner_core.metering import Meter
from runner_core.model_proxy import ModelProxy
from runner_core.outcomes import AttemptFailed, Outcome, no_changes
from runner_core.patch import Patch, PatchError, take_in
from runner_core.prompt import prompt
from runner_core.protocols import Sandbox, SandboxError, SandboxSpec, Tag
from runner_core.source import Base
from runner_core.verification import Bundles, verify
from runner_core.workbench import collect, prepare
from runtime.logs import logger
from schemas.attempts import RunnerTask
from schemas.errors import Failure
from schemas.jobs import Phase, Usage, Verification

log = logger("runner.steps")
BUNDLE_FACTOR = 4  # a bundle may weigh this much more than the patch may, before the gate says it better


@dataclass(slots=True)
class Bench:
    """What the steps of one attempt share. ``saving``: seconds to take the work out when the attempt is stopped."""

    kit: Kit
    task: RunnerTask
    lease: Lease
    meter: Meter
    folder: Path
    pipe: LogPipe
    archive: LogArchive
    needles: Needles
    token: str | None
    usage: Callable[[], Usage]
    saving: float = 0.0
    run: AgentRun | None = None

    @property
    def agent_seconds(self) -> float:
        return self.run.seconds if self.run else 0.0

    def enter(self, phase: Phase) -> None:
        self.pipe.phase = phase
        self.lease.enter(phase)

    def remaining(self) -> float:
        """Seconds until the job's deadline."""
        return max((self.task.deadline - datetime.now(UTC)).total_seconds(), 0.0)

    @property
    def own_token(self) -> str | None:
        """The user's token, else the runner's own for that host."""
        return self.token or self.kit.own_tokens.get(urlsplit(self.task.repo_url).hostname or "")


async def work(bench: Bench) -> Outcome:
    """The whole attempt. Errors that carry a ``failure`` end it; cancelled, it saves what the agent has done so far."""
    task, pipe = bench.task, bench.pipe
    await pipe.system(f"attempt {task.attempt} of job {task.job_id} on {bench.kit.instance}")
    if task.approve_patch is None and (problem := await bench.kit.problem()) is not None:
        raise AttemptFailed(problem)
    bench.enter("checkout")
    base = await _base(bench)
    if task.approve_patch is not None:
        bundle, summary = await _released(bench, task.approve_patch), "Released by a person."
    else:
        bundle, summary = await _agent(bench, base)
    patch = await _taken(bench, base, bundle)
    bench.enter("verifying")
    verification = await _verified(bench, base, bundle)
    bench.lease.report = reporting.report(patch, task.plan, verification, [], summary)
    if (failure := reporting.unverified(verification)) is not None:
        raise AttemptFailed(failure)
    return await _published(bench, base, patch, verification, summary)


async def _base(bench: Bench) -> Base:
    task = bench.task
    await bench.pipe.system(f"fetching {task.repo_url}, branch {task.base_branch}, commit {task.base_commit[:12]}")
    token = bench.own_token
    credentials = Credentials.write(bench.folder / "git", token) if token else None
    return await bench.kit.source.base(
        task.repo_url, task.base_branch, task.base_commit, scratch=bench.folder, credentials=credentials
    )


async def _released(bench: Bench, patch_key: str) -> bytes:
    """The bundle of a patch that the gate held and a person released."""
    key = artifacts.bundle_of(patch_key)
    bundle = await bench.kit.bus.objects().get(key) if artifacts.belongs(key, bench.task) else None
    if bundle is None:
        reason, action = "The released patch is no longer stored.", "Retry the job instead."
        raise AttemptFailed(Failure(kind="infrastructure", reason=reason, action=action))
    await bench.pipe.system(f"publishing the patch that a person released ({patch_key})")
    return bundle


async def _agent(bench: Bench, base: Base) -> tuple[bytes, str]:
    """The agent's run; the bundle of its changes and its last words."""
    task, kit = bench.task, bench.kit
    assert kit.endpoint is not None
    key = f"run-{secrets.token_urlsafe(24)}"
    proxy = ModelProxy(kit.endpoint, key, bench.meter)
    seconds = min(task.limits.wall_seconds, bench.remaining() - kit.patience.reserve)
    async with proxy.listen(bench.folder / "model.sock"), _sandbox(bench, "agent", seconds + 600) as sandbox:
        resumed = await _fill(bench, sandbox, base)
        bench.enter("agent")
        await bench.pipe.system(f"{kit.agent.name} with {kit.endpoint.model}")
        run = bench.run = AgentRun(kit.agent, sandbox, bench.pipe, proxy, kit.patience.stall)
        try:
            ran = await run(prompt(task, resumed), key, kit.endpoint.model, task.limits, max(seconds, 1.0))
        except asyncio.CancelledError:
            await _save(bench, base, sandbox)
            raise
        if ran.failure is not None:
            bench.saving = kit.patience.save
            await _save(bench, base, sandbox)
            raise AttemptFailed(ran.failure)
        taken = await collect(sandbox, _bundle_limit(task))
    summary = bench.needles.mask(ran.summary)
    if taken.bundle is None:
        raise AttemptFailed(no_changes(summary))
    if taken.incomplete:
        await bench.pipe.system("some files of the working tree could not be read and are left out")
    return taken.bundle, summary


async def _fill(bench: Bench, sandbox: Sandbox, base: Base) -> bool:
    """Put the source in; True when it holds the work of an earlier attempt."""
    data = await asyncio.to_thread(base.bundle.read_bytes)
    key = bench.task.resume_key
    earlier = await bench.kit.bus.objects().get(key) if key and artifacts.belongs(key, bench.task) else None
    if earlier is not None:
        try:
            await prepare(sandbox, data, "work", earlier)
        except AttemptFailed as error:
            log.info("attempt.not_resumed", job_id=bench.task.job_id, reason=error.failure.reason)
            await bench.pipe.system("the earlier attempt's work does not fit this base; starting anew")
        else:
            await bench.pipe.system("going on from the earlier attempt's work")
            return True
    await prepare(sandbox, data)
    return False


async def _save(bench: Bench, base: Base, sandbox: Sandbox) -> None:
    """Keep what the agent has done, for the next attempt and for people. Whatever goes wrong here hides nothing."""
    if bench.saving <= 0:
        return
    try:
        async with asyncio.timeout(bench.saving):
            taken = await collect(sandbox, _bundle_limit(bench.task), bench.saving)
            if taken.bundle is not None:
                await _taken(bench, base, taken.bundle)
    except (TimeoutError, AttemptFailed, SandboxError, PatchError, BusError) as error:
        log.warning("attempt.not_saved", job_id=bench.task.job_id, reason=str(error))


async def _taken(bench: Bench, base: Base, bundle: bytes) -> Patch:
    """Describe the patch, and store bundle and diff unless they hold a secret. Raises PatchError, AttemptFailed."""
    objects, keys = bench.kit.bus.objects(), artifacts.keys(bench.task)
    patch = await take_in(base, bundle, bench.task.limits)
    if found := gate.secrets_in(patch, bench.needles):
        bench.lease.report = reporting.report(patch, bench.task.plan, Verification(), found, "")
        raise AttemptFailed(reporting.blocked(found))
    await objects.put(keys.bundle, bundle)
    bench.lease.bundle_key = keys.bundle
    await objects.put(keys.patch, patch.diff)
    bench.lease.patch_key = keys.patch
    return patch


async def _verified(bench: Bench, base: Base, bundle: bytes) -> Verification:
    bundles = Bundles(await asyncio.to_thread(base.bundle.read_bytes), bundle)
    seconds = max(bench.remaining() - bench.kit.patience.reserve, 1.0)
    return await verify(bench.task.plan, bundles, lambda: _sandbox(bench, "check", seconds + 300), bench.pipe, seconds)


async def _published(bench: Bench, base: Base, patch: Patch, verification: Verification, summary: str) -> Outcome:
    """Gate, the right to publish, branch and pull request."""
    task = bench.task
    bench.enter("gating")
    findings = gate.judge(patch, task.plan, task.limits, bench.needles)
    report = bench.lease.report = reporting.report(patch, task.plan, verification, findings, summary)
    for finding in findings:
        await bench.pipe.system(f"gate: {finding.verdict} {finding.path} {finding.detail or finding.rule}")
    word = gate.verdict(findings)
    if word == "block":
        raise AttemptFailed(reporting.blocked(findings))
    if word == "hold" and task.approve_patch is None:
        return Outcome("needs_review", reporting.held(findings))
    await bench.pipe.flush()
    await bench.lease.publish()
    bench.pipe.phase = "publishing"
    published = await bench.kit.publisher.publish(
        task, base, patch, report, bench.usage(), bench.own_token, bench.folder, bench.pipe.system
    )
    await bench.pipe.system(f"branch {published.branch}, draft pull request {published.pull.url}")
    return Outcome("success", pr_url=published.pull.url, branch=published.branch)


def _bundle_limit(task: RunnerTask) -> int:
    return task.limits.patch_bytes * BUNDLE_FACTOR + 1024 * 1024


@asynccontextmanager
async def _sandbox(bench: Bench, purpose: str, lifetime: float) -> AsyncIterator[Sandbox]:
    sandbox = await bench.kit.provider.create(_spec(bench, purpose, lifetime))
    try:
        yield sandbox
    finally:
        await asyncio.shield(sandbox.destroy())


def _spec(bench: Bench, purpose: str, lifetime: float) -> SandboxSpec:
    task, agent = bench.task, purpose == "agent"
    return SandboxSpec(
        tag=Tag(task.runner, task.job_id, task.attempt, purpose),
        lifetime=lifetime,
        memory_bytes=task.limits.memory_bytes,
        processes=task.limits.processes,
        tools=bench.kit.agent.tools if agent else (),
        model_socket=bench.folder / "model.sock" if agent else None,
    )
