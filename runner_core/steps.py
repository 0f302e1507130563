"""The steps of an attempt, in order: source in, agent, patch out, tests, gate, pull request."""

import asyncio

from runner_core import artifacts, gate, reporting
from runner_core.agent_step import agent
from runner_core.bench import Bench
from runner_core.git import Credentials
from runner_core.outcomes import AttemptFailed, Outcome
from runner_core.patch import Patch
from runner_core.saving import store
from runner_core.source import Base
from runner_core.verification import Bundles, verify
from schemas.errors import Failure
from schemas.jobs import Verification


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
        bundle, summary = await agent(bench, base)
    patch = await store(bench, base, bundle)
    bench.enter("verifying")
    verification = await _verified(bench, base, bundle)
    bench.lease.report = reporting.report(patch, task.plan, verification, [], summary, bench.resumed_from)
    if (failure := reporting.unverified(verification)) is not None:
        raise AttemptFailed(failure)
    return await _published(bench, base, patch, verification, summary)


async def _base(bench: Bench) -> Base:
    task = bench.task
    await bench.pipe.system(f"fetching {task.repo_url}, branch {task.base_branch}, commit {task.base_commit[:12]}")
    token = await bench.credential("fetch")
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


async def _verified(bench: Bench, base: Base, bundle: bytes) -> Verification:
    bundles = Bundles(await asyncio.to_thread(base.bundle.read_bytes), bundle)
    seconds = max(bench.remaining() - bench.kit.patience.reserve, 1.0)
    return await verify(bench.task.plan, bundles, lambda: bench.sandbox("check", seconds + 300), bench.pipe, seconds)


async def _published(bench: Bench, base: Base, patch: Patch, verification: Verification, summary: str) -> Outcome:
    """Gate, the right to publish, branch and pull request."""
    task = bench.task
    bench.enter("gating")
    findings = gate.judge(patch, task.plan, task.limits, bench.needles)
    report = bench.lease.report = reporting.report(
        patch, task.plan, verification, findings, summary, bench.resumed_from
    )
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
    await bench.credential("publish")
    published = await bench.kit.publisher.publish(
        task, base, patch, report, bench.usage(), bench.own_token, bench.folder, bench.pipe.system
    )
    await bench.pipe.system(f"branch {published.branch}, draft pull request {published.pull.url}")
    return Outcome("success", pr_url=published.pull.url, branch=published.branch)
