"""Things inside our VPC and our cluster that nobody of ours made: a person decides what becomes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.module_utils.tamma import holdings
from ansible.module_utils.tamma.ec2 import filters
from ansible.module_utils.tamma.errors import is_code
from ansible.module_utils.tamma.holdings import KINDS, Connect, Kind
from ansible.module_utils.tamma.interfaces import goes_with_another, is_stray, words
from botocore.exceptions import ClientError

# How each kind is listed by VPC; addresses and volumes show by what they are attached to.
_OF_VPC = {
    "subnet": "vpc-id",
    "route table": "vpc-id",
    "internet gateway": "attachment.vpc-id",
    "NAT gateway": "vpc-id",
    "VPC endpoint": "vpc-id",
    "security group": "vpc-id",
    "network ACL": "vpc-id",
    "network interface": "vpc-id",
}
# What a VPC can also hold, and no role makes: words, operation, items, identity, filter.
_OTHERS = (
    ("peering connection", "describe_vpc_peering_connections", "VpcPeeringConnections", "VpcPeeringConnectionId",
     "requester-vpc-info.vpc-id"),
    ("peering connection", "describe_vpc_peering_connections", "VpcPeeringConnections", "VpcPeeringConnectionId",
     "accepter-vpc-info.vpc-id"),
    ("VPN gateway", "describe_vpn_gateways", "VpnGateways", "VpnGatewayId", "attachment.vpc-id"),
    ("transit gateway attachment", "describe_transit_gateway_vpc_attachments", "TransitGatewayVpcAttachments",
     "TransitGatewayAttachmentId", "vpc-id"),
    ("flow log", "describe_flow_logs", "FlowLogs", "FlowLogId", "resource-id"),
)  # fmt: skip
_OVER = {"deleted", "deleting", "rejected", "failed", "expired"}
_UNKNOWN_CALLS = ("InvalidAction", "UnsupportedOperation")


def in_vpc(connect: Connect, vpc: str, names: Mapping[str, list[str]], own_tasks: set[str]) -> list[str]:
    """Return, in words, what is in a VPC that is neither ours by its name nor AWS's own."""
    found = []
    for kind in KINDS:
        if kind.words in _OF_VPC:
            found += [
                f"{kind.words} {_called(kind, item)}"
                for item in _listed(connect, kind, vpc)
                if not _belongs(kind, item, names.get(kind.module, []), own_tasks)
            ]
    for thing in holdings.instances(connect, {"Filters": filters({"vpc-id": [vpc]})}):
        # The group's instances have its tags and go with it; they are called like it.
        if thing.name not in names.get("autoscaling_group", []):
            found.append(str(thing))
    return [*found, *_others(connect("ec2"), vpc)]


def _listed(connect: Connect, kind: Kind, vpc: str) -> Iterator[Any]:
    argument = "Filter" if kind.words == "NAT gateway" else "Filters"
    wanted = {argument: filters({_OF_VPC[kind.words]: [vpc]})}
    for item in holdings.listed(connect("ec2"), kind.operation, kind.items, wanted):
        # ministack 1.5.33 lists the endpoints and interfaces of all VPCs.
        if not holdings.is_going(item) and item.get("VpcId", vpc) == vpc:
            yield item


def _belongs(kind: Kind, item: Mapping[str, Any], names: list[str], own_tasks: set[str]) -> bool:
    """Whether something is ours, made by AWS with the VPC, or a leftover that the teardown takes along."""
    if kind.words == "network interface":
        return is_stray(item) or goes_with_another(item, own_tasks)
    main = any(link.get("Main") for link in item.get("Associations", [])) and kind.words == "route table"
    default = item.get("IsDefault") or (kind.words == "security group" and item.get("GroupName") == "default")
    return bool(main or default or kind.name(item) in names)


def _called(kind: Kind, item: Mapping[str, Any]) -> str:
    if kind.words == "network interface":
        return words(item)
    name, known = kind.name(item), kind.token(item)
    return f"{name} ({known})" if name else known


def _others(ec2: Any, vpc: str) -> list[str]:
    found = []
    for what, operation, items, identity, by in _OTHERS:
        argument = "Filter" if operation == "describe_flow_logs" else "Filters"
        try:
            listed = holdings.listed(ec2, operation, items, {argument: filters({by: [vpc]})})
        except ClientError as error:
            if is_code(error, *_UNKNOWN_CALLS):
                continue  # an endpoint that does not know the kind holds none of it
            raise
        for item in listed:
            state = item.get("Status", {}).get("Code") if isinstance(item.get("Status"), dict) else item.get("State")
            if state not in _OVER and _is_in(item, by, vpc):
                found.append(f"{what} {item[identity]}")
    return list(dict.fromkeys(found))


def _is_in(item: Mapping[str, Any], by: str, vpc: str) -> bool:
    """Whether a thing is in the VPC: ministack 1.5.33 does not apply every filter."""
    places = {
        "requester-vpc-info.vpc-id": [item.get("RequesterVpcInfo", {}).get("VpcId")],
        "accepter-vpc-info.vpc-id": [item.get("AccepterVpcInfo", {}).get("VpcId")],
        "attachment.vpc-id": [link.get("VpcId") for link in item.get("VpcAttachments", [])],
        "vpc-id": [item.get("VpcId")],
        "resource-id": [item.get("ResourceId")],
    }
    return vpc in places[by]


def services_in(ecs: Any, cluster: str) -> list[str]:
    """Return the ECS services of a cluster, none of which is ours, in words."""
    arns = holdings.listed(ecs, "list_services", "serviceArns", {"cluster": cluster})
    return [f"ECS service {holdings.last(arn)}" for arn in arns]
