"""The ids of the network, by the names that the roles gave it."""

from __future__ import annotations

from typing import Any

from planning import Network


class NetworkError(Exception):
    """A subnet or the security group does not exist; the message names it and the next step."""


def find_network(ec2: Any, subnet_names: list[str], security_group_name: str, assign_public_ip: str) -> Network:
    """Look up subnets by their tag Name and the security group by its name. Raises NetworkError."""
    subnets: dict[str, dict[str, Any]] = {}
    for page in ec2.get_paginator("describe_subnets").paginate(
        Filters=[{"Name": "tag:Name", "Values": subnet_names}],
    ):
        subnets |= {_name(subnet): subnet for subnet in page["Subnets"]}
    missing = sorted(set(subnet_names) - set(subnets))
    if missing:
        raise NetworkError(f"There is no subnet with the Name {missing[0]}: converge the role network.")
    # The group's name is unique only within a VPC.
    groups = ec2.describe_security_groups(
        Filters=[
            {"Name": "group-name", "Values": [security_group_name]},
            {"Name": "vpc-id", "Values": sorted({subnet["VpcId"] for subnet in subnets.values()})},
        ],
    )["SecurityGroups"]
    if not groups:
        raise NetworkError(f"There is no security group {security_group_name}: converge the role network.")
    return Network(
        subnets=[subnets[name]["SubnetId"] for name in subnet_names],
        security_groups=[groups[0]["GroupId"]],
        assign_public_ip=assign_public_ip,
    )


def _name(subnet: dict[str, Any]) -> str:
    return next((str(tag["Value"]) for tag in subnet.get("Tags", []) if tag["Key"] == "Name"), "")
