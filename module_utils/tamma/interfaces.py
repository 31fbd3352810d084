"""Network interfaces: which of them nobody needs any more, and who stands behind the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.tamma import tags

Interface = Mapping[str, Any]

# How services describe the interfaces that they make, as seen in DescribeNetworkInterfaces.
_OF_FUNCTIONS, _OF_TASKS = ("AWS Lambda VPC ENI",), ("arn:aws:ecs:", "ECS ")
_OF_GATEWAYS = ("Interface for NAT Gateway", "VPC Endpoint Interface")
_OF_SERVICES = (*_OF_FUNCTIONS, *_OF_TASKS, *_OF_GATEWAYS)
_GO_WITH_THEIR_MAKER = ("nat_gateway", "vpc_endpoint", "gateway_load_balancer_endpoint")


def is_stray(found: Interface) -> bool:
    """Whether an interface is attached to nothing and is nobody's: a service left it, or it has no mark of anybody.

    One with a tag or an address of its own was made by a person who may want it back.
    """
    if found.get("Status") != "available" or _attachment(found):
        return False
    by_service = found.get("RequesterManaged") or str(found.get("Description", "")).startswith(_OF_SERVICES)
    return bool(by_service or not (tags.to_dict(found.get("TagSet")) or found.get("Association")))


def goes_with_another(found: Interface, own_tasks: set[str]) -> bool:
    """Whether an interface belongs to something that is judged by itself; `own_tasks` are those of our tasks."""
    if found.get("InterfaceType") in _GO_WITH_THEIR_MAKER or _attachment(found).get("InstanceId"):
        return True
    described = str(found.get("Description", ""))
    if described.startswith(_OF_TASKS):
        return str(found["NetworkInterfaceId"]) in own_tasks
    return described.startswith(_OF_GATEWAYS)


def words(found: Interface) -> str:
    """Say which interface it is."""
    described = str(found.get("Description") or "").strip()
    return f"{found['NetworkInterfaceId']}{f' ({described})' if described else ''}"


def _attachment(found: Interface) -> Mapping[str, Any]:
    attached = found.get("Attachment") or {}
    return attached if attached.get("Status") != "detached" else {}
