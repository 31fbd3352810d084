"""What RunTask is asked for one attempt: pure, and the same for the same attempt, since its client token is."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from settings import SettingsError, structure, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from job_message import JobMessage
    from settings import Settings

# After this many interruptions a job no longer runs on Spot: it would be interrupted again in the same hour.
INTERRUPTIONS_ON_SPOT = 2

# Task sizes of Fargate: CPU units → memory in MiB.
# Source: Amazon ECS Developer Guide, "Fargate task definition parameters", "Task CPU and memory".
FARGATE_MEMORY: dict[int, tuple[int, ...]] = {
    256: (512, 1024, 2048),
    512: tuple(range(1024, 4096 + 1, 1024)),
    1024: tuple(range(2048, 8192 + 1, 1024)),
    2048: tuple(range(4096, 16384 + 1, 1024)),
    4096: tuple(range(8192, 30720 + 1, 1024)),
    8192: tuple(range(16384, 61440 + 1, 4096)),
    16384: tuple(range(32768, 122880 + 1, 8192)),
}


@dataclass(frozen=True)
class Pipeline:
    """How one pipeline runs: family of the task definition, container to override, capacity provider strategies."""

    task_definition: str
    container: str
    strategy: list[dict[str, Any]]
    on_demand_strategy: list[dict[str, Any]]


@dataclass(frozen=True)
class Network:
    """Where tasks live; ids, looked up at start."""

    subnets: list[str]
    security_groups: list[str]
    assign_public_ip: str


@dataclass(frozen=True)
class Size:
    """A size for the whole task: CPU units and MiB."""

    cpu: int
    memory: int


@dataclass(frozen=True)
class History:
    """What earlier attempts of the job came to, as far as it changes where the next one runs."""

    interruptions: int = 0
    memory_failures: int = 0


def read_pipelines(environment: Mapping[str, str]) -> dict[str, Pipeline]:
    """Read PIPELINES. Raises SettingsError with one sentence when an entry is incomplete."""
    pipelines = {}
    for name, entry in structure(environment, "PIPELINES", dict).items():
        try:
            pipelines[name] = Pipeline(
                task_definition=entry["task_definition"],
                container=entry["container"],
                strategy=entry["strategy"],
                on_demand_strategy=entry["on_demand_strategy"],
            )
        except (KeyError, TypeError) as error:
            raise SettingsError(
                f"PIPELINES: the entry {name!r} is incomplete ({error}): correct role dispatch."
            ) from None
    return pipelines


def read_assign_public_ip(environment: Mapping[str, str]) -> str:
    """Read ASSIGN_PUBLIC_IP. Raises SettingsError when it is not one of the two values that ECS knows."""
    value = text(environment, "ASSIGN_PUBLIC_IP")
    if value not in {"ENABLED", "DISABLED"}:
        raise SettingsError(f"ASSIGN_PUBLIC_IP is {value!r}, and must be ENABLED or DISABLED.")
    return value


def worker_environment(settings: Settings) -> dict[str, str]:
    """Return what every task is told of time: the lease that it has to renew, and the factor when there is one."""
    factor = settings.time_scale.factor
    compressed = {} if factor == 1 else {"TAMMA_TIME_SCALE": f"{factor:g}"}
    return {"LEASE_SECONDS": str(settings.lease_seconds), **compressed}


def client_token(job_id: str, attempt: int) -> str:
    """Return what makes a second RunTask for the same attempt return the first one's task."""
    return hashlib.sha256(f"{job_id}:{attempt}".encode()).hexdigest()[:32]


def started_by(job_id: str) -> str:
    """Return a hint for people and for ListTasks: the job id in the 36 characters that ECS allows there."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", job_id)[:36]


def larger_size(current: Size) -> Size | None:
    """Return a Fargate size with at least twice the memory and no less CPU, None when there is none."""
    for cpu, sizes in sorted(FARGATE_MEMORY.items()):
        for memory in sizes:
            if cpu >= current.cpu and memory >= 2 * current.memory:
                return Size(cpu, memory)
    return None


def run_task_request(
    message: JobMessage,
    pipeline: Pipeline,
    history: History,
    *,
    cluster: str,
    network: Network,
    worker_environment: dict[str, str],
    size: Size | None,
) -> dict[str, Any]:
    """Return the parameters of RunTask; ``size`` replaces the task definition's, None keeps it."""
    on_demand = history.interruptions >= INTERRUPTIONS_ON_SPOT
    return {
        "cluster": cluster,
        "taskDefinition": pipeline.task_definition,
        "capacityProviderStrategy": pipeline.on_demand_strategy if on_demand else pipeline.strategy,
        "count": 1,
        "clientToken": client_token(message.job_id, message.attempt),
        "startedBy": started_by(message.job_id),
        "networkConfiguration": {
            "awsvpcConfiguration": {
                "subnets": network.subnets,
                "securityGroups": network.security_groups,
                "assignPublicIp": network.assign_public_ip,
            },
        },
        "overrides": _overrides(pipeline.container, message, worker_environment, size),
        "tags": [{"key": "job_id", "value": message.job_id}, {"key": "attempt", "value": str(message.attempt)}],
        # The environment's tags are on the task definition.
        "propagateTags": "TASK_DEFINITION",
    }


def _overrides(
    container: str, message: JobMessage, worker_environment: dict[str, str], size: Size | None
) -> dict[str, Any]:
    variables = {
        "JOB_ID": message.job_id,
        "S3_KEY": message.s3_key,
        "ATTEMPT": str(message.attempt),
        "PIPELINE": message.pipeline,
        **worker_environment,
    }
    if message.preset is not None:
        variables["PRESET"] = message.preset
    if message.overrides is not None:
        variables["PRESET_OVERRIDES"] = message.overrides
    environment = [{"name": name, "value": value} for name, value in variables.items()]
    overrides: dict[str, Any] = {"containerOverrides": [{"name": container, "environment": environment}]}
    if size is not None:
        overrides |= {"cpu": str(size.cpu), "memory": str(size.memory)}
    return overrides
