"""The test command on the base commit, there with the patch's own tests, and on the patch; each in a fresh sandbox.

A check that fails is repeated once in its sandbox, so that a flaky test is named as one and neither shows a defect nor
stands in the way of a fix.
"""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from runner_core.checking import ABSENT, Runs, judge, tail, twice
from runner_core.failing import FailingTests
from runner_core.logs import LogPipe
from runner_core.outcomes import AttemptFailed
from runner_core.protocols import Sandbox
from runner_core.setting_up import SetUp, network, set_up
from runner_core.shell import how, shell
from runner_core.source import Base
from runner_core.workbench import Variant, apply, prepare
from schemas.errors import Failure
from schemas.jobs import Check, Verification

CHECK_SECONDS = 600.0
TAIL = 4_000
ON = {"base": "on the base commit", "tests": "on the base commit with the patch's tests", "work": "on the patch"}
MakeSandbox = Callable[[], AbstractAsyncContextManager[Sandbox]]


@dataclass(frozen=True, slots=True)
class Material:
    """What the sandboxes are filled with, and the test files that the work adds or changes."""

    base: Base
    work: bytes
    tests: tuple[str, ...] = ()


class Verifier:
    """Of one attempt: what the base commit does is looked at once, however often the agent is sent back."""

    def __init__(self, command: str | None, setup: SetUp, make: MakeSandbox, pipe: LogPipe) -> None:
        self._command, self._setup, self._make, self._pipe = command, setup, make, pipe
        self._base: tuple[Check, str] | None = None

    async def __call__(self, material: Material, seconds: float) -> Verification:
        """All checks within ``seconds`` together, judged. Raises AttemptFailed when a sandbox fails us."""
        if not self._command:
            return Verification(verdict="not_run", reason="No test command is known for this repository.")
        until, each = time.monotonic() + seconds, min(CHECK_SECONDS, seconds / 3)
        if self._base is None:
            self._base = await self._check(material, "base", each)
        on_base, troubled = self._base
        on_patch, _ = await self._check(material, "work", each)
        with_tests = None
        if on_base.passed and on_patch.passed and material.tests:
            with_tests, _ = await self._check(material, "tests", min(each, max(until - time.monotonic(), 1.0)))
        verification = judge(Runs(on_base, with_tests, on_patch, material.tests, troubled))
        await self._pipe.system(f"verification: {verification.verdict}. {verification.reason}")
        return verification

    async def _check(self, material: Material, variant: Variant, seconds: float) -> tuple[Check, str]:
        """The test command's run, and what went wrong with the set-up before it (empty: nothing)."""
        until = time.monotonic() + seconds
        await self._pipe.system(f"{ON[variant]}: {self._command}")
        async with self._make() as sandbox:
            await prepare(sandbox, material.base)
            async with network(self._setup, self._pipe):
                troubled = await set_up(sandbox, self._setup, self._pipe, seconds / 2)
            if variant != "base":
                await apply(sandbox, variant, material.work, material.tests)
            check, again = await self._test(sandbox, variant, max(until - time.monotonic(), seconds / 3))
            if again and check.seconds < until - time.monotonic():
                await self._pipe.system("once more, to see whether that is certain")
                second, _ = await self._test(sandbox, variant, until - time.monotonic())
                check = twice(check, second)
        return check, troubled

    async def _test(self, sandbox: Sandbox, variant: Variant, seconds: float) -> tuple[Check, bool]:
        """One run, and whether repeating it could tell more."""
        failing = FailingTests()
        exit, said = await shell(sandbox, self._command or "", self._pipe, seconds, failing=failing)
        if exit.why == "gone":
            raise AttemptFailed(Failure(kind="infrastructure", reason="The sandbox ended under the tests."))
        passed = exit.code == 0
        await self._pipe.system(f"{'passed' if passed else 'failed'} with {how(exit)} after {exit.seconds:.1f} s")
        check = Check(
            command=self._command or "",
            on="patch" if variant == "work" else "base",
            with_tests=variant == "tests",
            exit_code=exit.code,
            passed=passed,
            seconds=round(exit.seconds, 2),
            output_tail=tail(said, TAIL),
            failing=[] if passed else sorted(self._pipe.mask(name) for name in failing.close()),
        )
        return check, not passed and exit.why == "exited" and exit.code not in ABSENT
