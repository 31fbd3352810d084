"""Container definitions of ECS in one normal form, so that equal ones compare equal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.shapes import fit, prune

Container = dict[str, Any]

# Lists whose order means nothing, and what their entries are told apart by.
_UNORDERED = {
    "environment": "name",
    "secrets": "name",
    "ulimits": "name",
    "dependsOn": "containerName",
    "resourceRequirements": "type",
    "systemControls": "namespace",
    "portMappings": "containerPort",
    "mountPoints": "containerPath",
}
# What ECS fills in when it is not given (API reference of ContainerDefinition and HealthCheck).
_DEFAULTS = {"cpu": 0, "essential": True}
_HEALTH_CHECK = {"interval": 30, "timeout": 5, "retries": 3}

# Task memory in MiB by CPU units on Fargate: smallest, largest, step ("Fargate task sizes" in the ECS developer guide,
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/fargate-tasks-services.html). The smallest size has three.
_FARGATE = {
    256: (512, 2048, 512),
    512: (1024, 4096, 1024),
    1024: (2048, 8192, 1024),
    2048: (4096, 16384, 1024),
    4096: (8192, 30720, 1024),
    8192: (16384, 61440, 4096),
    16384: (32768, 122880, 8192),
}
_FARGATE_NEVER = {(256, 1536)}


def normal(containers: list[Any], shape: Any, network_mode: str | None) -> list[Container]:
    """Return container definitions in normal form; RefusalError for members that ECS does not know.

    `shape` is botocore's model of the list. Values get the types of the model, what ECS fills in is filled in, empty
    members are dropped and lists without an order are sorted.
    """
    fitted = prune(fit(containers, shape, "container_definitions"))
    return [_normal(container, network_mode) for container in fitted]


def refuse_duplicates(containers: list[Container]) -> None:
    """Refuse containers without name or image, names used twice, and variables set twice; RefusalError says which."""
    names = [container.get("name") for container in containers]
    for at, container in enumerate(containers):
        for member in ("name", "image"):
            if not container.get(member):
                raise RefusalError(f"container_definitions[{at}] has no {member}; add it")
        variables = [entry.get("name") for entry in [*container.get("environment", []), *container.get("secrets", [])]]
        for variable in _twice(variables):
            raise RefusalError(
                f"the container {container['name']} sets {variable} twice; keep one (also among secrets)"
            )
    for name in _twice(names):
        raise RefusalError(f"two containers are called {name}; rename one")


def refuse_fargate_size(cpu: str | None, memory: str | None) -> None:
    """Refuse what Fargate has no size for; RefusalError names the sizes that fit."""
    if cpu is None or memory is None:
        raise RefusalError("Fargate needs cpu and memory of the task; give both")
    sizes = _FARGATE.get(_number("cpu", cpu))
    if sizes is None:
        raise RefusalError(f"Fargate has no size of {cpu} CPU units; use one of {', '.join(map(str, _FARGATE))}")
    smallest, largest, step = sizes
    mib = _number("memory", memory)
    if not smallest <= mib <= largest or (mib - smallest) % step or (int(cpu), mib) in _FARGATE_NEVER:
        raise RefusalError(
            f"Fargate has no {memory} MiB for {cpu} CPU units; use {smallest} to {largest} MiB in steps of {step}"
        )


def _normal(container: Container, network_mode: str | None) -> Container:
    result = {**_DEFAULTS, **container}
    for member, key in _UNORDERED.items():
        if member in result:
            result[member] = sorted(result[member], key=lambda entry: str(entry.get(key, "")))
    for mapping in result.get("portMappings", []):
        mapping.setdefault("protocol", "tcp")
        # Behind a bridge 0 lets the host choose; elsewhere both ports are one.
        mapping.setdefault("hostPort", mapping.get("containerPort", 0) if network_mode in ("awsvpc", "host") else 0)
    for point in [*result.get("mountPoints", []), *result.get("volumesFrom", [])]:
        point.setdefault("readOnly", False)
    if "healthCheck" in result:
        result["healthCheck"] = {**_HEALTH_CHECK, **result["healthCheck"]}
    if "secretOptions" in result.get("logConfiguration", {}):
        result["logConfiguration"]["secretOptions"].sort(key=lambda entry: str(entry.get("name", "")))
    return result


def _twice(items: list[Any]) -> Iterator[Any]:
    return (item for at, item in enumerate(items) if item in items[:at])


def _number(option: str, text: str) -> int:
    if not text.isdecimal():
        unit = {"cpu": "CPU units (1024 are one vCPU)", "memory": "MiB"}[option]
        raise RefusalError(f"{option} is {text}; give a whole number of {unit}")
    return int(text)
