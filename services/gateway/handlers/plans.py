"""Plans: read, made, edited, approved. The planner writes them; here they are asked for."""

from typing import Any

from runtime import ids
from schemas import subjects
from schemas.base import encode
from schemas.clusters import Cluster
from schemas.plans import Plan, PlanOutcome, PlanRequest
from schemas.projects import Project
from services.gateway import fixing, repositories
from services.gateway.problems import Problem, invalid, not_found, unavailable
from services.gateway.shapes import fixes as shapes
from services.gateway.table import Answer, Call, Route


def etag(plan: Plan) -> str:
    """The entity tag of a version."""
    return f'"v{plan.version}"'


def version_of(tag: str) -> int:
    """The version in an ``If-Match``; Problem 422."""
    text = tag.strip().removeprefix("W/").strip('"').removeprefix("v")
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise invalid("If-Match", 'must be the ETag of the plan, such as "v3"')
    return int(text)


async def get_plan(call: Call) -> Answer:
    """The current plan."""
    record = await call.gateway.plans.record(call.project_id, call.path("cluster_id"))
    if record is None or record.current is None:
        await fixing.cluster_of(call.gateway, call.project_id, call.path("cluster_id"))
        raise not_found("No plan found for this cluster", "no_plan")
    return Answer(record.current, headers={"ETag": etag(record.current)})


async def plan_versions(call: Call) -> dict[str, Any]:
    """Every version kept, newest first: its author, its time, and what it changed (``changed_fields``, ``diff``)."""
    found = await call.gateway.plans.all_versions(call.project_id, call.path("cluster_id"))
    if not found:
        await fixing.cluster_of(call.gateway, call.project_id, call.path("cluster_id"))
        raise not_found("No plan found for this cluster", "no_plan")
    return {"items": found, "next_cursor": None}


async def generate_plan(call: Call) -> Answer:
    """Make a plan and wait for it. 503 with the planner's reason when it cannot: an error is never a plan."""
    body: shapes.PlanWish = call.body
    project = await call.gateway.project(call.project_id)
    cluster = await fixing.cluster_of(call.gateway, call.project_id, call.path("cluster_id"))
    record = await call.gateway.plans.record(call.project_id, cluster.id)
    planned = record.current.repo_url if record and record.current else None
    repo_url = repositories.check(
        repositories.choose(body.repo_url, cluster.github_repo_url, planned, project.default_repo_url),
        local=call.gateway.settings.allows_local_repositories,
    )
    request = _request(call, project, cluster=cluster, repo_url=repo_url, base_branch=body.base_branch)
    plan = await _outcome(call, request)
    return Answer(plan, status=201 if plan.version == 1 else 200, headers={"ETag": etag(plan)})


async def edit_plan(call: Call) -> Answer:
    """Write fields of a plan as a new version. ``If-Match`` refuses to overwrite a version you have not seen."""
    body: shapes.PlanEdit = call.body
    changes = body.model_dump(exclude_unset=True)
    for field in changes:
        if changes[field] is None and field != "test_command":
            raise invalid(field, "must not be null")
    if not changes:
        raise invalid("body", "names nothing to change")
    return await _on_version(call, "edit", changes=changes)


async def approve_plan(call: Call) -> Answer:
    """Approve a version: it then travels with the fix."""
    body: shapes.Approval = call.body
    return await _on_version(call, "approve", version=body.version)


async def check_plan(call: Call) -> Answer:
    """Ask the planner now whether files of the plan have changed on its branch; the plan's ``stale`` says which.

    With ``reground`` a stale plan is made again at once, as a new version.
    """
    body: shapes.PlanCheck = call.body
    if not body.reground:
        return await _on_version(call, "check")
    return await _on_version(call, "check", reground=True, cluster=await _cluster(call))


async def _cluster(call: Call) -> Cluster:
    """With its reports: what a new version is made from."""
    return await fixing.cluster_of(call.gateway, call.project_id, call.path("cluster_id"))


async def _on_version(call: Call, action: str, *, version: int | None = None, **values: Any) -> Answer:
    project = await call.gateway.project(call.project_id)
    record = await call.gateway.plans.record(call.project_id, call.path("cluster_id"))
    if record is None or record.current is None:
        raise not_found("No plan found for this cluster", "no_plan")
    tag = call.request.headers.get("If-Match")
    expected = version_of(tag) if tag and tag.strip() != "*" else version or record.current.version
    if expected != record.current.version:
        raise _changed_meanwhile(record.current.version)
    plan = await _outcome(call, _request(call, project, action=action, expected_version=expected, **values))
    return Answer(plan, headers={"ETag": etag(plan)})


def _changed_meanwhile(version: int) -> Problem:
    return Problem(
        412,
        "plan_changed",
        f"The plan is at version {version} now; read it again and repeat the change.",
        headers={"ETag": f'"v{version}"'},
        version=version,
    )


def _request(call: Call, project: Project, **values: Any) -> PlanRequest:
    key = call.request.headers.get("Idempotency-Key")
    cluster_id = call.path("cluster_id")
    return PlanRequest(
        id=ids.derived("plan", project.id, cluster_id, key) if key else ids.new_id(),
        project_id=project.id,
        cluster_id=cluster_id,
        requested_by=call.who,
        left=fixing.left_of(call.gateway, project),
        created_at=call.gateway.clock.now(),
        **values,
    )


async def _outcome(call: Call, request: PlanRequest) -> Plan:
    """Publish and wait; the version that came of it."""
    desk = call.gateway.plans
    waiter = desk.expect(request.id)
    try:
        subject = subjects.plan_request(request.project_id, request.cluster_id)
        await call.gateway.publish(subject, encode(request), msg_id=request.id)
        outcome = await desk.settled(request, waiter, call.gateway.settings.plan_wait_seconds)
    finally:
        desk.release(request.id)
    if outcome is None:
        raise unavailable("planner", "The planner has not answered yet; the plan will appear when it is done.")
    return await _plan_of(call, request, outcome)


async def _plan_of(call: Call, request: PlanRequest, outcome: PlanOutcome) -> Plan:
    if outcome.status == "conflict":
        record = await call.gateway.plans.record(request.project_id, request.cluster_id)
        raise _changed_meanwhile(record.current.version if record and record.current else 0)
    if outcome.status != "done" or outcome.version is None:
        failure = outcome.failure
        reason = f"{failure.reason} {failure.action}".strip() if failure else "The planner gave no reason."
        if request.action != "generate" and failure is not None and failure.kind == "planning":
            raise Problem(422, "edit_refused", reason)
        raise Problem(503, "planning_failed", reason, kind=failure.kind if failure else "planning")
    plan = await call.gateway.plans.version(request.project_id, request.cluster_id, outcome.version)
    if plan is None:
        raise unavailable("planner", f"Version {outcome.version} of the plan was made but cannot be read yet.")
    return plan


ETAG = {"ETag": "The version, for If-Match."}
ROUTES = (
    Route(
        method="GET",
        path="/clusters/{cluster_id}/plan",
        handler=get_plan,
        summary="The plan of a cluster",
        tag="plans",
        role="viewer",
        answer=Plan,
        also=(404,),
        headers=ETAG,
    ),
    Route(
        method="POST",
        path="/clusters/{cluster_id}/plan",
        handler=generate_plan,
        summary="Make a plan",
        tag="plans",
        role="triager",
        body=shapes.PlanWish,
        body_optional=True,
        starts_work=True,
        answer=Plan,
        also=(404, 503),
        headers=ETAG,
    ),
    Route(
        method="PATCH",
        path="/clusters/{cluster_id}/plan",
        handler=edit_plan,
        summary="Edit the plan: a new version",
        tag="plans",
        role="triager",
        body=shapes.PlanEdit,
        takes=("If-Match",),
        answer=Plan,
        also=(404, 412, 503),
        headers=ETAG,
    ),
    Route(
        method="POST",
        path="/clusters/{cluster_id}/plan/approve",
        handler=approve_plan,
        summary="Approve a version of the plan",
        tag="plans",
        role="operator",
        body=shapes.Approval,
        takes=("If-Match",),
        body_optional=True,
        answer=Plan,
        also=(404, 412, 503),
        headers=ETAG,
    ),
    Route(
        method="POST",
        path="/clusters/{cluster_id}/plan/check",
        handler=check_plan,
        summary="Look whether the plan is stale, and make it again if wished",
        tag="plans",
        role="triager",
        body=shapes.PlanCheck,
        body_optional=True,
        takes=("If-Match",),
        answer=Plan,
        also=(404, 412, 503),
        headers=ETAG,
    ),
    Route(
        method="GET",
        path="/clusters/{cluster_id}/plan/versions",
        handler=plan_versions,
        summary="Every version of the plan",
        tag="plans",
        role="viewer",
        answer=shapes.PlanVersions,
        also=(404,),
    ),
)
