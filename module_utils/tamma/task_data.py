"""An ECS task definition: our option names and AWS's, in both directions."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.containers import normal
from ansible.module_utils.tamma.plan import State, given
from ansible.module_utils.tamma.shapes import prune

_TEXTS = {
    "cpu": "cpu",
    "memory": "memory",
    "network_mode": "networkMode",
    "execution_role_arn": "executionRoleArn",
    "task_role_arn": "taskRoleArn",
}
_LISTS = {
    "container_definitions": "containerDefinitions",
    "requires_compatibilities": "requiresCompatibilities",
    "volumes": "volumes",
}
_OTHERS = (
    *("ipcMode", "pidMode", "placementConstraints", "proxyConfiguration", "inferenceAccelerators"),
    "enableFaultInjection",
)
_PLATFORM = {"cpu_architecture": "cpuArchitecture", "operating_system_family": "operatingSystemFamily"}


def from_aws(found: dict[str, Any], pairs: list[dict[str, str]], shape: Any) -> State:
    """Return a revision in normal form; `shape` is botocore's model of the list of container definitions."""
    platform = found.get("runtimePlatform") or {}
    return {
        "arn": found["taskDefinitionArn"],
        "revision": found["revision"],
        **{ours: str(found[theirs]) if found.get(theirs) else None for ours, theirs in _TEXTS.items()},
        "container_definitions": normal(found["containerDefinitions"], shape, found.get("networkMode")),
        "requires_compatibilities": sorted(found.get("requiresCompatibilities") or []),
        "ephemeral_storage_gib": (found.get("ephemeralStorage") or {}).get("sizeInGiB"),
        "runtime_platform": {ours: platform.get(theirs) for ours, theirs in _PLATFORM.items()},
        "volumes": normal_volumes(found.get("volumes") or []),
        "other_settings": {name: found[name] for name in _OTHERS if found.get(name)},
        "tags": tags.to_dict(pairs),
    }


def to_aws(state: State) -> dict[str, Any]:
    """Return our properties as members of RegisterTaskDefinition."""
    names = {**_TEXTS, **_LISTS}
    request: dict[str, Any] = {theirs: state[ours] for ours, theirs in names.items() if ours in state}
    if "ephemeral_storage_gib" in state:
        request["ephemeralStorage"] = {"sizeInGiB": state["ephemeral_storage_gib"]}
    if "runtime_platform" in state:
        wanted = given(state["runtime_platform"])
        request["runtimePlatform"] = {_PLATFORM[name]: value for name, value in wanted.items()}
    if "other_settings" in state:
        request |= dict.fromkeys(_OTHERS, "")
    return request


def normal_volumes(volumes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return volumes by name, without the empty members that AWS adds (`host`)."""
    return sorted(prune(volumes), key=lambda volume: str(volume.get("name", "")))
