"""What a pull request and its commit say. Reports are hostile text: quoted, shortened, and unable to act on a forge."""

import html
import re
from typing import Final

from runner_core.review import RULE as REVIEW
from schemas.attempts import RunnerTask
from schemas.jobs import Check, Report, Usage, Verification

TITLE_LENGTH: Final = 120
_INVISIBLE: Final = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def marker(job_id: str) -> str:
    """The line by which the job's commit and pull request are known again."""
    return f"Soulcaster-Job: {job_id}"


def one_line(text: str, length: int = TITLE_LENGTH) -> str:
    """Text as a title: one line, nothing invisible, no mention, reference, HTML, image or link."""
    flat = " ".join(_CONTROL.sub(" ", _INVISIBLE.sub("", text)).split())
    flat = re.sub(r"@(?=\w)", "(at)", flat)
    flat = re.sub(r"#(?=\d)", "no. ", flat)
    flat = flat.replace("<", "‹").replace(">", "›").replace("![", "[").replace("](", "] (").replace("://", "[:]//")
    return flat if len(flat) <= length else flat[: length - 1] + "…"


def quoted(text: str, length: int = 2000) -> str:
    """Untrusted text as a Markdown quote: no HTML, images, links, mentions or issue references come alive."""
    clean = _CONTROL.sub("", _INVISIBLE.sub("", text))[:length].strip()
    clean = html.escape(clean, quote=False)
    clean = re.sub(r"([\\`*_\[\]!|~])", r"\\\1", clean)
    clean = re.sub(r"@(?=\w)", "@<!-- -->", clean)
    clean = re.sub(r"#(?=\d)", "#<!-- -->", clean)
    clean = re.sub(r"(?i)\b(https?|ftp|www)(?=[:.])", r"\1<!-- -->", clean)
    return "\n".join(f"> {line}" for line in clean.split("\n")) if clean else "> (nothing)"


def title(task: RunnerTask) -> str:
    """The pull request's title."""
    return "Fix: " + one_line(task.plan.title.removeprefix("Fix: ").removeprefix("Fix ") or task.cluster.title)


def commit_message(task: RunnerTask) -> str:
    """Subject, what it answers, and the job's marker as a trailer (git-interpret-trailers(1))."""
    cluster = task.cluster
    if (follow := task.follow_up) is not None:
        what = "Repair the failing checks" if follow.reason == "checks" else "Answer the review"
        return f"{what} of pull request {follow.number}\n\n{title(task)}\n\n{marker(task.job_id)}\n"
    answers = f"Answers {cluster.count} report(s) from {', '.join(cluster.sources) or 'people'}; cluster {cluster.id}."
    return f"{title(task)[:72]}\n\n{answers}\n\n{marker(task.job_id)}\n"


def body(task: RunnerTask, report: Report, usage: Usage) -> str:
    """The pull request's text; its first line says whether the defect was reproduced."""
    verification = report.verification
    parts = [_head(verification)]
    parts += ["", "## What users report", "", *_reports(task)]
    parts += ["## Plan", "", *_plan(task)]
    parts += ["## Verification", "", *[_check(check) for check in verification.checks]]
    if not verification.checks:
        parts.append("No test command is known for this repository.")
    parts += [*_rounds(report), "", "## Self-review", "", *_review(report)]
    parts += ["", "## Patch gate", "", *_gate(report)]
    parts += ["", "## Limits", "", *_limits(task, usage), *_resumed(report), "", "---", marker(task.job_id)]
    return "\n".join(parts) + "\n"


def _reports(task: RunnerTask) -> list[str]:
    cluster = task.cluster
    users = f", {cluster.users_affected} users" if cluster.users_affected else ""
    lines = [
        f"{cluster.count} report(s) from {', '.join(cluster.sources) or 'people'}{users}; written by: {cluster.trust}."
    ]
    lines += ["", quoted(cluster.title, 300), ""]
    lines += [f"- {item.source}: {one_line(item.title, 160)}" for item in cluster.evidence[:5]]
    return [*lines, ""]


def _plan(task: RunnerTask) -> list[str]:
    plan = task.plan
    origin = f"the model {plan.model}" if plan.grounded == "model" else "evidence alone"
    approved = f", approved by {one_line(plan.approved_by, 80)}" if plan.approved_by else ", not approved by a person"
    lines = [
        f"Version {plan.version}, from {origin}{approved}, at `{task.base_commit[:12]}` of `{task.base_branch}`.",
        "",
    ]
    lines += [quoted(plan.summary or plan.description), ""]
    lines += [f"- {one_line(h.statement, 300)} ({h.confidence:.0%})" for h in plan.hypotheses[:3]]
    lines += [f"- file `{one_line(file.path, 200)}`" for file in plan.candidate_files[:8]]
    return [*lines, ""]


def _check(check: Check) -> str:
    on = "base commit" if check.on == "base" else "this patch"
    on += " with this patch's tests" if check.with_tests else ""
    outcome = "passed" if check.passed else f"failed (exit code {check.exit_code})"
    outcome += f", flaky: {one_line(', '.join(check.flaky), 300)}" if check.flaky else ""
    command = check.command.replace("`", "'")
    return f"- on the {on}: {outcome} in {check.seconds:.1f} s: `{one_line(command, 300)}`"


def _head(verification: Verification) -> str:
    """The first line: whether a test shows the defect, and why not."""
    reason = one_line(verification.reason or "No tests were run.", 500)
    return f"**Reproduced.** {reason}" if verification.verdict == "reproduced" else f"**unreproduced**: {reason}"


def _rounds(report: Report) -> list[str]:
    times = "once" if report.rounds == 1 else f"{report.rounds} times"
    return [f"The agent was sent back {times} because tests failed."] if report.rounds else []


def _review(report: Report) -> list[str]:
    notes = [finding for finding in report.findings if finding.rule == REVIEW]
    lines = [f"- `{one_line(note.path, 200)}` {one_line(note.detail, 200)}".replace("- ``", "-") for note in notes]
    return lines or ["Nothing stood out against the plan."]


def _gate(report: Report) -> list[str]:
    lines = [f"{len(report.changed_files)} file(s), +{report.additions} -{report.deletions}."]
    lines += [
        f"- {f.verdict}: {f.rule} `{one_line(f.path, 200)}` {one_line(f.detail, 200)}"
        for f in report.findings
        if f.rule != REVIEW
    ]
    return lines


def _limits(task: RunnerTask, usage: Usage) -> list[str]:
    limits = task.limits
    tokens = usage.input_tokens + usage.output_tokens
    return [
        f"Attempt {task.attempt} by `{task.runner}`: {usage.requests} model requests, "
        f"{tokens} of {limits.tokens} tokens, "
        f"${usage.cost_usd:.2f} of ${limits.cost_usd:.2f}, "
        f"{usage.agent_seconds:.0f} of {limits.wall_seconds} s.",
        "The agent had no credentials and no network but the model endpoint. This pull request is a draft: review it.",
    ]


def _resumed(report: Report) -> list[str]:
    """That another attempt had begun the work."""
    if report.resumed_from is None:
        return []
    return [f"It went on from the work that attempt {report.resumed_from} had saved."]
