"""What a fix will probably cost, from the finished jobs of the same project. Pure."""

from collections.abc import Sequence
from statistics import median

from schemas.jobs import Job
from schemas.plans import Forecast

ENOUGH = 3


def forecast(jobs: Sequence[Job]) -> Forecast:
    """Medians over jobs that an agent worked on; fewer than three give no numbers, and ``basis`` says so.

    tokens: input and output together; cost_usd: as metered; minutes: start to end of the job.
    """
    worked = [job for job in jobs if job.finished_at and job.started_at and job.usage.requests > 0]
    if len(worked) < ENOUGH:
        return Forecast(basis=f"no forecast: {len(worked)} finished jobs of this project, {ENOUGH} are needed")
    minutes = [
        (job.finished_at - job.started_at).total_seconds() / 60 for job in worked if job.finished_at and job.started_at
    ]
    costs = [job.usage.cost_usd for job in worked]
    succeeded = sum(job.status == "success" for job in worked)
    return Forecast(
        tokens=round(median(job.usage.input_tokens + job.usage.output_tokens for job in worked)),
        cost_usd=round(median(costs), 4) if any(costs) else None,
        minutes=round(median(minutes), 1),
        basis=f"median of {len(worked)} finished jobs of this project, {succeeded} of them successful",
    )
