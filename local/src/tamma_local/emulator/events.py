# ruff: noqa: SLF001 - ministack has no public names for any of this; contract.py checks the private ones.
"""The "ECS Task State Change" events that ministack does not send, in the shape that ECS gives them."""

import json
import time
from collections.abc import Callable
from typing import Any

from tamma_local.emulator.contract import Ministack

# What DescribeTasks answers and the events of ECS do not hold.
_NOT_IN_EVENTS = frozenset({"tags", "healthStatus", "containerInstanceArn"})
_CONTAINER_KEYS = (
    "containerArn", "exitCode", "lastStatus", "name", "reason", "image", "imageDigest", "runtimeId", "taskArn",
    "networkInterfaces", "cpu", "memory",
)  # fmt: skip


def scope_of(task_arn: str) -> tuple[str, str]:
    """Return account and region of a task's ARN."""
    _arn, _partition, _service, region, account, _resource = task_arn.split(":", 5)
    return account, region


def state_change(task: dict[str, Any], now: str) -> dict[str, Any]:
    """Return the `detail` of the event about a task record that holds no internal keys; absent values are left out."""
    detail = {key: value for key, value in task.items() if key not in _NOT_IN_EVENTS and value not in ("", None)}
    detail["containers"] = [
        {key: container[key] for key in _CONTAINER_KEYS if container.get(key) is not None}
        for container in task.get("containers", [])
    ]
    detail["updatedAt"] = now
    return detail


def send(ministack: Ministack, task: dict[str, Any]) -> None:
    """Put the event about the task as it is now on the account's default bus."""
    account, region = scope_of(task["taskArn"])
    detail = state_change(ministack.ecs._sanitize(task), ministack.responses.now_iso())
    with ministack.responses.request_scope(account, region):
        ministack.eventbridge._dispatch_event({
            "EventId": ministack.responses.new_uuid(),
            "Source": "aws.ecs",
            "DetailType": "ECS Task State Change",
            "Detail": json.dumps(detail),
            "EventBusName": "default",
            "Time": time.time(),
            "Resources": [task["taskArn"]],
            "Account": account,
            "Region": region,
        })  # fmt: skip


def announcing(ministack: Ministack, transition: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap a transition of a task so that it sends its event when it took place."""

    def wrapped(task_arn: str, task: dict[str, Any], *arguments: Any, **options: Any) -> bool:
        took_place = transition(task_arn, task, *arguments, **options)
        if took_place:
            send(ministack, task)
        return took_place

    return wrapped
