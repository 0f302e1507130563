"""compose.yaml and deploy/kubernetes say what the code has: settings, entry points, ports, routes, secrets."""

import importlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from messaging.permissions import IDENTITIES
from messaging.topology import GIB, PROFILES, all_streams
from runtime.processes import nats_server_binary
from runtime.settings import describe

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
KUBERNETES = ROOT / "deploy" / "kubernetes"
MANIFESTS: list[dict[str, Any]] = [
    document
    for file in sorted(KUBERNETES.glob("*.yaml"))
    if file.name != "kustomization.yaml"
    for document in yaml.safe_load_all(file.read_text())
]
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())
WORKLOADS = [one for one in MANIFESTS if one["kind"] in ("Deployment", "StatefulSet", "Job")]
SERVICES = {name: service for name, service in COMPOSE["services"].items() if "command" in service and name != "nats"}
COMMON = dict(literal.split("=", 1) for literal in KUSTOMIZATION["configMapGenerator"][0]["literals"])


def variables(module: str) -> set[str]:
    """The environment variables that a service's settings read."""
    return {name for name, *_ in describe(importlib.import_module(f"{module}.settings").Settings)}


def runs(module: str) -> None:
    """``python -m <module>`` starts something."""
    spec = importlib.util.find_spec(f"{module}.__main__") if _package(module) else importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    assert '__name__ == "__main__"' in Path(spec.origin).read_text(), f"python -m {module} would do nothing"


def _package(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.submodule_search_locations is not None


def takes(module: str, arguments: list[str]) -> None:
    """The module knows every flag it is given."""
    flags = [argument for argument in arguments if argument.startswith("--")]
    if flags:
        done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=True)
        assert [flag for flag in flags if flag not in done.stdout] == []


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_of_compose_starts_with_settings_that_exist(name: str) -> None:
    service = SERVICES[name]
    module, *arguments = service["command"]
    runs(module)
    takes(module, arguments)
    if module.startswith("services."):
        assert set(service["environment"]) <= variables(module)
        creds = Path(service["environment"]["NATS_CREDS"]).name
        assert creds in {identity.name for identity in IDENTITIES}
        assert service["environment"]["HEALTH_PORT"] == "9000", "the port that the image's health check asks"


def test_what_compose_mounts_is_there_and_what_it_asks_for_is_in_the_example() -> None:
    text = (ROOT / "compose.yaml").read_text()
    example = (ROOT / ".env.example").read_text()
    for name in re.findall(r"\$\{(\w+):\?", text):
        assert f"\n{name}=" in example, f"{name} must be set and .env.example does not tell of it"
    for service in COMPOSE["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert not source.startswith("./") or source.endswith("credentials") or (ROOT / source).exists()
        assert "image" in service or "build" in service


def test_the_images_health_check_asks_a_real_route() -> None:
    text = (ROOT / "deploy" / "docker" / "Dockerfile").read_text()
    assert "http://127.0.0.1:9000/readyz" in text
    assert "HEALTH_PORT=9000" in text
    for copied in re.findall(r"^COPY (?!--from)(\S+)", text, re.MULTILINE):
        assert (ROOT / copied).exists()


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: str(one["metadata"]["name"]))
def test_a_workload_is_confined_limited_and_asked_on_ports_it_has(workload: dict[str, Any]) -> None:
    template = workload["spec"]["template"]
    pod = template["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    for container in pod["containers"]:
        context = container["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            if workload["kind"] == "Job":
                continue
            asked = container[probe]["httpGet"]
            assert asked["port"] in ports
            assert asked["path"].partition("?")[0] in ("/livez", "/readyz", "/healthz")
        mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
        volumes = {volume["name"] for volume in pod.get("volumes", [])}
        volumes |= {claim["metadata"]["name"] for claim in workload["spec"].get("volumeClaimTemplates", [])}
        assert mounted == volumes
    if workload["kind"] != "Job":
        labels = workload["spec"]["selector"]["matchLabels"].items()
        assert labels <= template["metadata"]["labels"].items()


@pytest.mark.parametrize(
    "workload",
    [one for one in WORKLOADS if one["kind"] != "StatefulSet"],
    ids=lambda one: str(one["metadata"]["name"]),
)
def test_a_workload_starts_with_settings_that_exist_and_its_own_credentials_alone(workload: dict[str, Any]) -> None:
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    module, *arguments = container["args"]
    runs(module)
    takes(module, arguments)
    if workload["kind"] == "Job":
        return
    given = {entry["name"]: entry for entry in container["env"]}
    known = variables(module)
    assert set(given) <= known
    assert {"NATS_URL", "HEALTH_HOST", "HEALTH_PORT", "LOG_LEVEL"} <= known & set(COMMON)
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert str(ports["health"]) == COMMON["HEALTH_PORT"]
    (item,) = next(v["secret"]["items"] for v in pod["volumes"] if v["name"] == "credentials")
    assert given["NATS_CREDS"]["value"] == f"/run/credentials/{item['path']}"
    assert item["key"] in {identity.name for identity in IDENTITIES}


def test_every_secret_that_is_asked_for_is_told_of_in_the_how_to() -> None:
    text = (ROOT / "docs" / "how-to" / "kubernetes.md").read_text()
    keys = set(re.findall(r"secretKeyRef: \{ name: soulcaster, key: ([\w-]+)", _manifests()))
    assert len(keys) > 5
    assert [key for key in sorted(keys) if f"`{key}`" not in text and f"{key}=" not in text] == []


def _manifests() -> str:
    return "\n".join(file.read_text() for file in KUBERNETES.glob("*.yaml"))


def test_services_policies_and_budgets_choose_pods_that_exist() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in WORKLOADS]
    names = {one["app.kubernetes.io/name"] for one in labels}
    ports = {
        one["metadata"]["name"]: {
            port["name"] for container in one["spec"]["template"]["spec"]["containers"] for port in container["ports"]
        }
        for one in WORKLOADS
        if one["kind"] != "Job"
    }
    for one in MANIFESTS:
        if one["kind"] == "Service":
            name = one["spec"]["selector"]["app.kubernetes.io/name"]
            assert name in names
            assert {port.get("targetPort", port["name"]) for port in one["spec"]["ports"]} <= ports[name]
        if one["kind"] == "NetworkPolicy":
            for expression in one["spec"]["podSelector"].get("matchExpressions", []):
                assert set(expression["values"]) <= names
        if one["kind"] == "PodDisruptionBudget":
            assert one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] in names
    resources = {resource for resource in KUSTOMIZATION["resources"] if resource.endswith(".yaml")}
    assert resources == {file.name for file in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml"}


@pytest.mark.parametrize(
    ("file", "profile"),
    [
        ("embedded.conf", "embedded"),
        ("compose.conf", "embedded"),
        ("kubernetes.conf", "cluster"),
        ("cluster.conf", "cluster"),
    ],
)
def test_the_streams_of_a_profile_fit_into_what_the_broker_may_keep(file: str, profile: str) -> None:
    text = (ROOT / "deploy" / "nats" / file).read_text()
    room = {name: int(size) * GIB for name, size in re.findall(r"(max_file|max_mem): (\d+)GB", text)}
    for name, memory in (("max_file", False), ("max_mem", True)):
        wanted = sum(spec.max_bytes for spec in all_streams() if spec.memory is memory) // PROFILES[profile].shrink
        assert wanted <= room[name], (
            f"{name} of {file} is less than the {wanted / GIB:.0f} GiB that provisioning asks for"
        )


@pytest.mark.parametrize("file", ["embedded.conf", "compose.conf", "kubernetes.conf"])
def test_the_brokers_configuration_is_one_that_it_takes(file: str, tmp_path: Path) -> None:
    values = {identity.variable: "secret" for identity in IDENTITIES}
    values |= {"NATS_PROVISIONER_PASSWORD": "secret", "NATS_SYSTEM_PASSWORD": "secret"}
    values |= {"NATS_NAME": "nats-0", "NATS_STORE": str(tmp_path), "PATH": os.environ["PATH"]}
    line = [nats_server_binary(), "-t", "-c", ROOT / "deploy" / "nats" / file]
    done = subprocess.run(line, env=values, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
