"""The steps of an attempt, in order: source in, agent, patch out, tests, gate, pull request."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from runner_core import artifacts, following, gate, reporting, repository
from runner_core.agent_step import Again, Done, agent
from runner_core.bench import Bench
from runner_core.gate import without_secrets
from runner_core.git import Credentials
from runner_core.outcomes import AttemptFailed, Outcome
from runner_core.patch import Patch
from runner_core.protocols import Sandbox
from runner_core.review import review
from runner_core.saving import store
from runner_core.source import Base
from runner_core.verification import Material, Verifier
from schemas.errors import Failure
from schemas.jobs import GateFinding, Report, Verification

SHORTEST_ROUND: Final = 10.0  # seconds of the agent's time that make sending it back worth while
VERIFYING_SECONDS: Final = 1_700.0  # the orchestrator gives this phase 1,800
FILES: Final = ("100644", "100755")


@dataclass(slots=True)
class Candidate:
    """A patch on its way to the gate."""

    patch: Patch
    verification: Verification
    summary: str


async def work(bench: Bench) -> Outcome:
    """The whole attempt. Errors that carry a ``failure`` end it; cancelled, it saves what the agent has done so far."""
    task, pipe = bench.task, bench.pipe
    await pipe.system(f"attempt {task.attempt} of job {task.job_id} on {bench.kit.instance}")
    if task.approve_patch is None and (problem := await bench.kit.problem(bench.agent)) is not None:
        raise AttemptFailed(problem)
    bench.enter("checkout")
    if task.follow_up is not None:
        bench.followed = await following.look(bench, task.follow_up)
    base = await _base(bench)
    if bench.followed is not None:
        if (before := await following.done_before(bench, base, bench.followed)) is not None:
            return before
        if (old := following.outdated(task, base)) is not None:
            raise AttemptFailed(old)
    await repository.look(bench, base)
    if task.approve_patch is not None:
        done = Done(await _released(bench, task.approve_patch), "Released by a person.")
    else:
        done = await agent(bench, base)
    return await _published(bench, base, await _checked(bench, base, done))


async def _base(bench: Bench) -> Base:
    task, url = bench.task, bench.source_url
    branch = bench.followed.target.branch if bench.followed else task.base_branch
    await bench.pipe.system(f"fetching {url}, branch {branch}, commit {task.base_commit[:12] or '(its newest)'}")
    token = await bench.credential("fetch")
    credentials = Credentials.write(bench.folder / "git", token) if token else None
    return await bench.kit.source.base(url, branch, task.base_commit, scratch=bench.folder, credentials=credentials)


async def _released(bench: Bench, patch_key: str) -> bytes:
    """The bundle of a patch that the gate held and a person released."""
    key = artifacts.bundle_of(patch_key)
    bundle = await bench.kit.bus.objects().get(key) if artifacts.belongs(key, bench.task) else None
    if bundle is None:
        reason, action = "The released patch is no longer stored.", "Retry the job instead."
        raise AttemptFailed(Failure(kind="infrastructure", reason=reason, action=action))
    await bench.pipe.system(f"publishing the patch that a person released ({patch_key})")
    return bundle


async def _checked(bench: Bench, base: Base, done: Done) -> Candidate:
    """The work, verified; the agent is sent back while tests fail and that may help. Raises AttemptFailed."""
    verifier = Verifier(bench.task.plan.test_command, bench.setup, lambda: _check_sandbox(bench), bench.pipe)
    while True:
        found = Candidate(await store(bench, base, done.bundle), Verification(), done.summary)
        bench.enter("verifying")
        found.verification = await _verified(bench, base, verifier, done.bundle, found.patch)
        bench.lease.report = _report(bench, found, [])
        failure = reporting.unverified(found.verification)
        if failure is None:
            return found
        failures = reporting.for_agent(found.verification)
        if not failures or not _may_return(bench):
            raise AttemptFailed(failure)
        bench.rounds += 1
        await bench.pipe.system(f"sending the agent back with the failures ({bench.rounds} of {bench.kit.rounds})")
        done = await agent(bench, base, Again(done.bundle, failures))


def _may_return(bench: Bench) -> bool:
    """Whether the agent may be sent back: so often, and as long as there is time and budget for it."""
    more = bench.rounds < bench.kit.rounds and bench.task.approve_patch is None
    return more and bench.agent_time() >= SHORTEST_ROUND and bench.meter.spent() is None


async def _verified(bench: Bench, base: Base, verifier: Verifier, bundle: bytes, patch: Patch) -> Verification:
    tests = tuple(change.path for change in patch.changes if change.new_mode in FILES and gate.is_test(change.path))
    material = Material(base, bundle, tests)
    return await verifier(material, _check_seconds(bench))


def _check_sandbox(bench: Bench) -> AbstractAsyncContextManager[Sandbox]:
    return bench.sandbox("check", _check_seconds(bench) + 300)


def _check_seconds(bench: Bench) -> float:
    return min(max(bench.remaining() - bench.kit.patience.reserve, 1.0), VERIFYING_SECONDS)


def _report(bench: Bench, found: Candidate, findings: list[GateFinding]) -> Report:
    told = reporting.report(found.patch, bench.task.plan, found.verification, findings, found.summary)
    return structs.replace(told, resumed_from=bench.resumed_from, rounds=bench.rounds)


async def _published(bench: Bench, base: Base, found: Candidate) -> Outcome:
    """Gate, the right to publish, branch and pull request."""
    task, patch = bench.task, found.patch
    bench.enter("gating")
    findings = gate.judge(patch, task.plan, task.limits, bench.needles, bench.protected)
    findings += [without_secrets(note, bench.needles) for note in review(patch, task.plan)]
    report = bench.lease.report = _report(bench, found, findings)
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
    publisher, tell = bench.kit.publisher, bench.tell
    if bench.followed is not None:
        published = await publisher.add(task, base, patch, bench.followed, bench.own_token, bench.folder, tell)
    else:
        published = await publisher.publish(
            task, base, patch, report, bench.usage(), bench.own_token, bench.folder, tell
        )
    await bench.pipe.system(f"branch {published.branch}, draft pull request {published.pull.url}")
    return Outcome("success", pr_url=published.pull.url, branch=published.branch)
