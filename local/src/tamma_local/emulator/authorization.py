"""What a request is judged by, where ministack reads it otherwise than AWS does.

AWS's side of each point is in the Service Authorization Reference, on the pages for Amazon ECS, Amazon SQS and AWS
Systems Manager. Without these, policies that are right on AWS would be refused here, and would have to be widened.
"""

import ipaddress
import json
from collections.abc import Callable
from typing import Any

from tamma_local.emulator.contract import Ministack

# Batches are authorized by the action of one message.
_BATCHES = {
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
_TASK_ACTIONS = frozenset({"DescribeTasks", "RunTask", "StopTask"})


def action(original: Callable[..., str | None]) -> Callable[..., str | None]:
    """Wrap `extract_iam_action`, which names the action of a request."""

    def wrapped(*request: Any) -> str | None:
        found = original(*request)
        return _BATCHES.get(found, found) if found else found

    return wrapped


def resource(ministack: Ministack, original: Callable[..., str]) -> Callable[..., str]:
    """Wrap `extract_resource_arn`, which names the resource of a request.

    Parameters are read in lists: the first stands for all, so keep parameters that need different rights apart.
    """

    def wrapped(service: str, method: str, path: str, headers: dict[str, str], body: bytes,  # noqa: PLR0917 - theirs
                params: dict[str, Any], region: str, account: str) -> str:  # fmt: skip
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        data = _json(body)
        if service == "ssm" and data.get("Names"):
            return f"arn:aws:ssm:{region}:{account}:parameter/{str(data['Names'][0]).lstrip('/')}"
        if service == "ecs" and operation in _TASK_ACTIONS:
            return _task_resource(ministack, operation, data, f"arn:aws:ecs:{region}:{account}")
        return original(service, method, path, headers, body, params, region, account)

    return wrapped


def context(ministack: Ministack, original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Wrap `request_tag_context`, whose result holds the condition keys of a request: ECS knows the cluster."""

    def wrapped(service: str, iam_action: str, body: bytes, params: dict[str, Any]) -> dict[str, Any]:
        keys = original(service, iam_action, body, params)
        if service == "ecs" and iam_action.removeprefix("ecs:") in _TASK_ACTIONS:
            name = _cluster(_json(body))
            scope = f"{ministack.responses.get_region()}:{ministack.responses.get_account_id()}"
            keys = {**keys, "ecs:cluster": f"arn:aws:ecs:{scope}:cluster/{name}"}
        return keys

    return wrapped


def origin(original: Callable[[str, bool], None]) -> Callable[[str, bool], None]:
    """Wrap `pin_request_origin`: what never leaves the machine counts as encrypted transport.

    Buckets refuse plain HTTP on AWS and here; a certificate for a loopback address would protect nothing.
    """

    def wrapped(source_ip: str, secure_transport: bool) -> None:
        original(source_ip, secure_transport or ipaddress.ip_address(source_ip).is_loopback)

    return wrapped


def _task_resource(ministack: Ministack, operation: str, data: dict[str, Any], scope: str) -> str:
    if operation == "RunTask":
        reference = str(data.get("taskDefinition", ""))
        key = ministack.ecs._resolve_td_key(reference)  # noqa: SLF001 - checked in contract.py
        return f"{scope}:task-definition/{key or reference}"
    task = str(data.get("task") or next(iter(data.get("tasks") or []), "*"))
    return task if task.startswith("arn:") else f"{scope}:task/{_cluster(data)}/{task}"


def _cluster(data: dict[str, Any]) -> str:
    return str(data.get("cluster") or "default").rpartition("/")[2]


def _json(body: bytes) -> dict[str, Any]:
    try:
        data = json.loads(body) if body[:1] == b"{" else {}
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
