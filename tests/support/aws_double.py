"""AWS on loopback: moto's server, whose ECS is made to do what ECS does: tasks take their time to start, really run
the entry point, end with honest codes, and RunTask and StopTask go wrong on demand.

moto alone runs nothing, ignores clientToken, and never refuses (see its ``ecs/models.py``, 5.2.5).
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto.core.exceptions import JsonRESTError
from moto.ecs.responses import EC2ContainerServiceResponse
from moto.moto_api._internal import moto_api_backend
from moto.server import ThreadedMotoServer

from tests.support.aws_container import Container

REGION, CLUSTER, FAMILY, GROUP, BUCKET = "us-east-1", "soulcaster", "soulcaster-agent", "/ecs/soulcaster", "mailboxes"
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
}
STARTING = ["PROVISIONING", "PENDING", "ACTIVATING"]
Params = dict[str, Any]


@dataclass
class Run:
    """A task as ECS would tell of it."""

    told: Params
    environ: dict[str, str]
    subnet: str
    token: str
    path: list[str] = field(default_factory=lambda: [*STARTING, "RUNNING"])
    container: Container | None = None

    @property
    def status(self) -> str:
        return str(self.told["lastStatus"])

    def end(self, status_code: str, reason: str, code: int | None, inside: str = "") -> None:
        inner = self.told["containers"][0]
        self.told |= {"desiredStatus": "STOPPED", "stopCode": status_code, "stoppedReason": reason}
        inner |= {"lastStatus": "STOPPED"} | ({"exitCode": code} if code is not None else {})
        inner |= {"reason": inside} if inside else {}
        self.path = ["DEACTIVATING", "STOPPING", "DEPROVISIONING", "STOPPED"]


class AwsDouble:
    """``faults``: operation -> what shall happen at its next calls, in turn. ``calls``: every ECS call, with time.

    A fault is ``"throttle"``, ``"lost"`` (done, but the answer is a 500), ``"ignored"`` (answered, not done), a list
    of failures (RunTask), or an exception. ``full``: subnets without capacity; ``stuck``: where tasks never start.
    """

    def __init__(self, folder: Path, url: str, ports: list[int]) -> None:
        self.url, self._folder, self._ports = url, folder, ports
        self.faults: dict[str, list[Any]] = {}
        self.calls: list[tuple[str, Params, float]] = []
        self.full: set[str] = set()
        self.stuck: set[str] = set()
        self.unstartable = ""  # stoppedReason of every task
        self.runs: dict[str, Run] = {}
        self._lock = threading.RLock()
        self._launcher = ThreadPoolExecutor(
            1
        )  # PR_SET_PDEATHSIG means the thread that started a child, not the process
        session = boto3.Session(region_name=REGION)
        self._log, self._s3 = session.client("logs", endpoint_url=url), session.client("s3", endpoint_url=url)
        self.subnets, self.group = [f"subnet-{n}" for n in "abc"], "sg-tasks"
        self._s3.create_bucket(Bucket=BUCKET)
        self._log.create_log_group(logGroupName=GROUP)
        ecs = session.client("ecs", endpoint_url=url)
        ecs.create_cluster(clusterName=CLUSTER)
        options = {"awslogs-group": GROUP, "awslogs-stream-prefix": "agent", "awslogs-region": REGION}
        ecs.register_task_definition(
            family=FAMILY, networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="1024", memory="4096",
            containerDefinitions=[{
                "name": "coding-agent", "image": "agent:1", "memory": 4096,
                "logConfiguration": {"logDriver": "awslogs", "options": options},
            }],
        )  # fmt: skip

    def objects(self) -> list[str]:
        """Keys in the mailbox bucket."""
        found = self._s3.list_objects_v2(Bucket=BUCKET)
        return [item["Key"] for item in found.get("Contents", ())]

    def live(self) -> list[Run]:
        """Runs with a process."""
        return [run for run in self.runs.values() if run.container is not None and run.container.code is None]

    def asked(self, operation: str) -> list[Params]:
        return [params for name, params, _ in self.calls if name == operation]

    def end(self, run: Run, stop_code: str, reason: str, code: int | None, inside: str = "") -> None:
        """ECS ends a task."""
        with self._lock:
            self._kill(run)
            run.end(stop_code, reason, code, inside)

    def close(self) -> None:
        for run in self.runs.values():
            self._kill(run)
        self._launcher.shutdown()

    def run_task(self, params: Params) -> Params:
        with self._lock:
            token = str(params.get("clientToken"))
            if (known := next((run for run in self.runs.values() if run.token == token), None)) is not None:
                if known.environ != _environ(params):
                    raise JsonRESTError("ConflictException", "The clientToken was used with other parameters.")
                return {"tasks": [known.told], "failures": []}
            network = params["networkConfiguration"]["awsvpcConfiguration"]
            subnet = network["subnets"][0]
            if subnet in self.full:
                return {"tasks": [], "failures": [{"reason": "Capacity is unavailable at this time."}]}
            arn = f"arn:aws:ecs:{REGION}:123456789012:task/{CLUSTER}/{len(self.runs):032x}"
            told = {
                "taskArn": arn, "lastStatus": "PROVISIONING", "desiredStatus": "RUNNING",
                "startedBy": params["startedBy"], "tags": params["tags"], "launchType": params["launchType"],
                "containers": [{"name": "coding-agent", "lastStatus": "PENDING"}],
            }  # fmt: skip
            self.runs[arn] = Run(told, _environ(params), subnet, token)
            return {"tasks": [told], "failures": []}

    def describe_tasks(self, params: Params) -> Params:
        tasks, failures = [], []
        with self._lock:
            for asked in params["tasks"]:
                run = next((run for arn, run in self.runs.items() if arn.endswith(asked)), None)
                if run is None:
                    failures.append({"arn": asked, "reason": "MISSING"})
                    continue
                self._step(run)
                told = dict(run.told)
                if "TAGS" not in params.get("include", ()):
                    del told["tags"]
                tasks.append(told)
        return {"tasks": tasks, "failures": failures}

    def stop_task(self, params: Params) -> Params:
        with self._lock:
            run = next((run for arn, run in self.runs.items() if arn.endswith(params["task"])), None)
            if run is None:
                raise JsonRESTError("InvalidParameterException", "The referenced task was not found.")
            if run.told["desiredStatus"] != "STOPPED":
                ran = run.container is not None
                self._kill(run)
                run.end("UserInitiated", params.get("reason", ""), 143 if ran else None)
            return {"task": run.told}

    def list_tasks(self, params: Params) -> Params:
        with self._lock:
            wanted = params.get("desiredStatus", "RUNNING")
            arns = [
                arn
                for arn, run in self.runs.items()
                if run.told["desiredStatus"] == wanted and params.get("startedBy") in (None, run.told["startedBy"])
            ]
        return {"taskArns": arns}

    def answer(self, operation: str, params: Params) -> Params:
        """One call, with the fault that waits for it."""
        self.calls.append((operation, params, time.monotonic()))
        fault = self.faults[operation].pop(0) if self.faults.get(operation) else None
        if fault == "throttle":
            raise JsonRESTError("ThrottlingException", "Rate exceeded")
        if fault == "ignored":
            return {"task": self.runs[params["task"]].told}
        if isinstance(fault, list):
            return {"tasks": [], "failures": fault}
        if isinstance(fault, Exception):
            raise fault
        done: Params = getattr(self, operation)(params)
        if fault == "lost":
            raise JsonRESTError("ServerException", "Internal failure")
        return done

    def _step(self, run: Run) -> None:
        """One state further with each look, as ``path`` says."""
        if run.container is not None and run.container.code is not None and run.told["desiredStatus"] != "STOPPED":
            run.end("EssentialContainerExited", "Essential container in task exited", run.container.code)
        if len(run.path) == 1 or run.subnet in self.stuck:
            return
        run.path = run.path[1:]
        if run.path[0] == "RUNNING":
            if self.unstartable:
                run.end("TaskFailedToStart", self.unstartable, None)
                return
            self._start(run)
        run.told["lastStatus"] = run.path[0]

    def _start(self, run: Run) -> None:
        task = run.told["taskArn"].rpartition("/")[2]
        stream, made = f"agent/coding-agent/{task}", threading.Event()

        def said(line: str) -> None:
            with contextlib.suppress(self._log.exceptions.ClientError):
                if not made.is_set():
                    self._log.create_log_stream(logGroupName=GROUP, logStreamName=stream)
                    made.set()
                event = {"timestamp": int(time.time() * 1000), "message": line}
                self._log.put_log_events(logGroupName=GROUP, logStreamName=stream, logEvents=[event])

        launched = self._launcher.submit(Container, self._folder / task, self._ports, run.environ, said)
        run.container = launched.result()
        run.told["containers"][0]["lastStatus"] = "RUNNING"

    def _kill(self, run: Run) -> None:
        if run.container is not None and run.container.code is None:
            run.container.kill()


def _environ(params: Params) -> dict[str, str]:
    return {e["name"]: e["value"] for e in params["overrides"]["containerOverrides"][0].get("environment", ())}


@contextmanager
def aws_double(folder: Path, doors: list[int] | None = None) -> Iterator[AwsDouble]:
    """A fresh one. ``doors``: more ports of 127.0.0.1 that containers reach."""
    before = {name: os.environ.get(name) for name in ENVIRON}
    os.environ.update(ENVIRON)
    moto_api_backend.reset()
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    double = AwsDouble(folder, f"http://127.0.0.1:{port}", [port, *(doors or [])])
    operations = ("run_task", "describe_tasks", "stop_task", "list_tasks")
    originals = {name: getattr(EC2ContainerServiceResponse, name) for name in operations}
    for name in operations:
        setattr(EC2ContainerServiceResponse, name, _method(double, name))
    try:
        yield double
    finally:
        for name, original in originals.items():
            setattr(EC2ContainerServiceResponse, name, original)
        double.close()
        server.stop()
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _method(double: AwsDouble, name: str) -> Callable[[Any], str]:
    def method(self: Any) -> str:
        return json.dumps(double.answer(name, json.loads(self.body)))

    return method
