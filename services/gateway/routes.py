"""The whole surface: one table, in the order of the reference page."""

from services.gateway.handlers import (
    cluster_routes,
    config,
    events,
    feedback,
    fixes,
    github_sign_in,
    health,
    ingest,
    jobs,
    keys,
    members,
    ops,
    pages,
    plans,
    projects,
    sessions,
    sync,
    trigger,
)
from services.gateway.table import Route

TABLE: tuple[Route, ...] = (
    *ingest.ROUTES,
    *sync.ROUTES,
    *feedback.ROUTES,
    *cluster_routes.ROUTES,
    *plans.ROUTES,
    *fixes.ROUTES,
    *jobs.ROUTES,
    *events.ROUTES,
    *trigger.ROUTES,
    *projects.ROUTES,
    *members.ROUTES,
    *keys.ROUTES,
    *sessions.ROUTES,
    *github_sign_in.ROUTES,
    *config.ROUTES,
    *ops.ROUTES,
    *health.ROUTES,
    *pages.ROUTES,
)
