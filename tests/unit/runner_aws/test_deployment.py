"""What stands in ``deploy/aws`` and in the how-to is what the code expects."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.runner_aws.service import KILOCODE_IN_IMAGE, OPENCODE_IN_IMAGE
from services.runner_aws.settings import Settings
from services.runner_aws.tasks import Place

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "aws"
INTRINSIC = ("AWS::Region", "AWS::AccountId", "AWS::Partition")


class Loader(yaml.SafeLoader):
    """Reads CloudFormation's short forms as ``{tag: value}``."""


def _short(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    assert isinstance(node, yaml.SequenceNode)
    return {suffix: loader.construct_sequence(node, deep=True)}


Loader.add_multi_constructor("!", _short)


@pytest.fixture(scope="module")
def stack() -> Any:
    return yaml.load((DEPLOY / "stack.yaml").read_text(), Loader)


def _walk(value: Any) -> Any:
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _walk(inner)


def test_every_name_that_the_stack_refers_to_is_in_it(stack: Any) -> None:
    known = {*stack["Resources"], *stack["Parameters"], *INTRINSIC}
    used = set()
    for value in _walk(stack):
        if isinstance(value, dict):
            used |= {value["Ref"]} if "Ref" in value else set()
            used |= {value["GetAtt"].partition(".")[0]} if "GetAtt" in value else set()
            used |= {name.partition(".")[0] for name in re.findall(r"\$\{([^}]+)\}", str(value.get("Sub", "")))}
    assert used <= known
    assert set(stack["Parameters"]) <= used


def test_tasks_have_no_role_no_secret_and_no_way_in(stack: Any) -> None:
    definition = stack["Resources"]["TaskDefinition"]["Properties"]
    (container,) = definition["ContainerDefinitions"]
    assert "TaskRoleArn" not in definition
    assert not {"Environment", "Secrets", "PortMappings"} & set(container)
    assert container["Name"] == next(field.default for field in fields(Place) if field.name == "container")
    group = stack["Resources"]["TaskGroup"]["Properties"]
    assert "SecurityGroupIngress" not in group
    assert all("0.0.0.0/0" not in str(rule) for rule in group["SecurityGroupEgress"])


def test_the_runner_may_do_what_its_code_calls_and_no_more(stack: Any) -> None:
    document = stack["Resources"]["RunnerPolicy"]["Properties"]["PolicyDocument"]
    allowed: set[str] = set()
    for statement in document["Statement"]:
        actions = statement["Action"]
        allowed |= {actions} if isinstance(actions, str) else set(actions)
    calls = {
        "run_task": "ecs:RunTask", "stop_task": "ecs:StopTask", "describe_tasks": "ecs:DescribeTasks",
        "list_tasks": "ecs:ListTasks", "describe_clusters": "ecs:DescribeClusters",
        "describe_task_definition": "ecs:DescribeTaskDefinition", "get_object": "s3:GetObject",
        "put_object": "s3:PutObject", "delete_objects": "s3:DeleteObject", "list_objects_v2": "s3:ListBucket",
        "get_log_events": "logs:GetLogEvents",
    }  # fmt: skip
    code = "".join(path.read_text() for path in (ROOT / "services" / "runner_aws").glob("*.py"))
    assert all(re.search(rf"\b{call}\b", code) for call in calls)
    assert allowed == {*calls.values(), "ecs:TagResource", "iam:PassRole"}


def test_the_image_puts_the_programs_where_they_are_looked_for() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text()
    assert f"/bin/ {KILOCODE_IN_IMAGE.parent}/" in dockerfile
    assert f"/bin/ {OPENCODE_IN_IMAGE.parent}/" in dockerfile
    for source in re.findall(r"^COPY (?!--)(\S+) ", dockerfile, re.M):
        assert source == "agents/package.json" or (ROOT / source).exists(), source
    assert '"/opt/soulcaster/entrypoint.py"]' in dockerfile


def test_every_variable_that_the_how_to_sets_exists() -> None:
    text = (ROOT / "docs" / "how-to" / "aws.md").read_text()
    start = text.partition("## 4.")[2].partition("```sh")[2].partition("```")[0]
    names = set(re.findall(r"\b([A-Z][A-Z0-9_]+)=", start)) - {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert names <= {field.upper() for field in Settings.__struct_fields__}
    assert {name for name in names if name.startswith("ECS_")} == {
        "ECS_CLUSTER_NAME", "ECS_TASK_DEFINITION", "ECS_SUBNET_IDS", "ECS_SECURITY_GROUP_IDS", "ECS_MAILBOX_BUCKET",
        "ECS_ASSIGN_PUBLIC_IP",
    }  # fmt: skip
