"""Every setting reaches its service by every way of starting it, or is left out there for a reason that stands here."""

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.embedded.layout import Layout
from cli.embedded.services import SERVICES, Instance, Model, environment

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
IN_IMAGE = set(
    re.findall(
        r"\b([A-Z_]+)=", "".join(re.findall(r"^ENV (.+)$", (ROOT / "deploy/docker/Dockerfile").read_text(), re.M))
    )
)
# runner_aws has no manifest: it runs beside the VPC that it was given (docs/how-to/aws.md, tests/unit/runner_aws).

FITS = "The default fits; who wants another adds it to an override file or a kustomize patch."
VENDOR = "An installation of one's own or a double; the vendor's own address is the default."
LEFT_OUT: dict[str, dict[str, set[str]]] = {
    "gateway": {
        FITS: {
            "CORS_ORIGINS", "DEFAULT_PROJECT", "INGEST_BURST", "INGEST_RATE", "LOG_FORMAT", "PLAN_WAIT_SECONDS",
            "QUOTA_FEEDBACK", "QUOTA_JOBS", "REQUEST_SECONDS",
        },
        VENDOR: {"GITHUB_OAUTH_URL"},
        "ADMIN_KEY is passed instead.": {"ADMIN_KEY_FILE"},
        "A fallback of the legacy route; a deployment has many repositories.": {"GITHUB_OWNER", "GITHUB_REPO"},
    },
    "orchestrator": {
        FITS: {
            "CANCEL_SECONDS", "CLAIM_SECONDS", "KNOWN_RUNNERS", "LEASE_SECONDS", "LOG_FORMAT", "MAX_ATTEMPTS",
            "PLAN_CHECK_MINUTES", "PLAN_CHECK_SECONDS", "PLAN_SECONDS", "PROJECT_CONCURRENCY", "PUBLISH_SECONDS",
            "QUEUE_SECONDS", "RUNNER_CONCURRENCY", "RUNNER_PROBLEM_SECONDS", "TICK_SECONDS",
        },
    },
    "planner": {
        FITS: {
            "GIT_SECONDS", "GROUND_SECONDS", "GROUND_SLOTS", "LOG_FORMAT", "MODEL_ANSWER_TOKENS",
            "MODEL_BACKOFF_SECONDS", "MODEL_PLAN_TOKENS", "MODEL_RETRIES", "MODEL_SECONDS", "MODEL_SILENCE_SECONDS",
            "MODEL_SLOTS", "PLANNER_ON_MODEL_FAILURE", "PLAN_SECONDS", "PLAN_SLOTS",
        },
        "GITHUB_APP_PRIVATE_KEY is passed instead.": {"GITHUB_APP_PRIVATE_KEY_FILE"},
    },
    "triage": {
        FITS: {
            "CLUSTERING_BATCH", "CLUSTERING_STRICT", "CLUSTERING_VECTORS", "EMBEDDINGS_BATCH", "EMBEDDINGS_PER_HOUR",
            "EMBEDDINGS_TIMEOUT", "LOG_FORMAT", "NAMING_CALLS_PER_HOUR", "NAMING_SECONDS",
        },
    },
    "collector": {
        FITS: {"COLLECTOR_CLAIM_SECONDS", "COLLECTOR_INTERVAL_SECONDS", "COLLECTOR_TICK_SECONDS", "LOG_FORMAT"},
        VENDOR: {"REDDIT_API_URL", "REDDIT_AUTH_URL", "REDDIT_PUBLIC_URL"},
    },
    "runner_sandbox": {
        FITS: {
            "AGENT_ROUNDS", "AGENT_STALL_SECONDS", "E2B_CONCURRENCY", "E2B_CREATES_PER_SECOND", "E2B_TEMPLATE",
            "E2B_TIMEOUT_SECONDS", "LOG_FORMAT", "MODEL_BACKOFF_SECONDS", "MODEL_CONTEXT", "MODEL_OUTPUT",
            "MODEL_RETRIES", "MODEL_SILENCE_SECONDS", "RUNNER_ID", "RUNNER_SLOTS", "SETUP_HOSTS", "WORK_SAVE_SECONDS",
        },
        VENDOR: {"E2B_API_URL", "E2B_DOMAIN", "E2B_SANDBOX_URL"},
        "Of local sandboxes and agents on this machine; a deployment has e2b's.": {
            "KILO_BINARY", "OPENCODE_BINARY", "SANDBOX_CGROUP", "SANDBOX_LOCAL_UNSAFE", "SANDBOX_TOOLCHAINS",
        },
        "GITHUB_APP_PRIVATE_KEY is passed instead.": {"GITHUB_APP_PRIVATE_KEY_FILE"},
    },
}  # fmt: skip
ONLY_COMPOSE = {"HEALTH_HOST": "The image's health check asks from inside."}
# `soulcaster up` decides what makes an instance one; everything else it hands on.
DECIDED_BY_UP = {"HEALTH_HOST", "HEALTH_PORT", "NATS_CREDS"} | {"ENVIRONMENT", "ADMIN_KEY_FILE"}


def known(service: str) -> set[str]:
    settings = importlib.import_module(f"services.{service}.settings").Settings
    return {name.upper() for name in settings.__struct_fields__}


def by_compose(service: str) -> set[str]:
    return set(COMPOSE["services"][service]["environment"]) | IN_IMAGE


def by_kubernetes(service: str) -> set[str]:
    (workload,) = (
        one
        for one in yaml.safe_load_all((KUBERNETES / f"{service.replace('_', '-')}.yaml").read_text())
        if one["kind"] == "Deployment"
    )
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    shared = {literal.split("=", 1)[0] for literal in KUSTOMIZATION["configMapGenerator"][0]["literals"]}
    return {entry["name"] for entry in container["env"]} | shared | IN_IMAGE


@pytest.mark.parametrize("service", sorted(LEFT_OUT))
@pytest.mark.parametrize("way", [by_compose, by_kubernetes])
def test_a_setting_is_passed_or_left_out_by_intention(way: Any, service: str) -> None:
    left_out = {name for names in LEFT_OUT[service].values() for name in names}
    if way is by_compose:
        left_out |= set(ONLY_COMPOSE)
    passed = way(service) & known(service)
    assert known(service) - passed == left_out, "name it in the deployment, or here with the reason"


def test_both_deployments_know_every_service_that_an_instance_has() -> None:
    assert set(LEFT_OUT) == set(SERVICES)


def test_no_variable_that_all_pods_share_is_one_that_nobody_reads() -> None:
    shared = {literal.split("=", 1)[0] for literal in KUSTOMIZATION["configMapGenerator"][0]["literals"]}
    assert [name for name in sorted(shared) if not any(name in known(service) for service in SERVICES)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_soulcaster_up_hands_a_service_all_that_it_reads_and_nothing_else(service: str, tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    layout.prepare()
    everything = {name: "1" for each in SERVICES for name in known(each)} | {"AWS_SECRET_ACCESS_KEY": "s"}
    instance = Instance(layout, 4222, 8080, Model("http://127.0.0.1:9/v1", "k", "m"))
    given = environment(service, instance, everything)
    assert known(service) - set(given) <= DECIDED_BY_UP
    shared = set(environment("orchestrator", instance, {})) | {"LOG_LEVEL"}
    assert set(given) - shared <= known(service)


def test_what_compose_reads_from_env_stands_in_the_example() -> None:
    example = set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text(), re.M))
    read = set(re.findall(r"\$\{(\w+)[:}]", (ROOT / "compose.yaml").read_text()))
    assert read - example == {"GATEWAY_PORT", "MODEL_PROXY_PORT", "SOULCASTER_VERSION"}  # ports and tag of this machine
