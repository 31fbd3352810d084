"""The contract of library/ec2_vpc_endpoint.py."""

import json
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

VPC = "tamma-dev-vpc"
POLICY_UNSEEN = "DescribeVpcEndpoints of ministack 1.5.33 returns no policy"


def _named(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def _parents(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=_named("vpc", VPC))["Vpc"]["VpcId"]
    for name in ("public", "private"):
        ec2.create_route_table(VpcId=vpc, TagSpecifications=_named("route-table", name))


def _policy(bucket: str) -> dict[str, Any]:
    allow = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{bucket}/*"}
    return {"Version": "2012-10-17", "Statement": [allow]}


def _endpoint(aws: Aws) -> dict[str, Any]:
    found: dict[str, Any] = aws.client("ec2").describe_vpc_endpoints()["VpcEndpoints"][0]
    return found


def _modify(aws: Aws, **change: Any) -> None:
    aws.client("ec2").modify_vpc_endpoint(VpcEndpointId=_endpoint(aws)["VpcEndpointId"], **change)


def _cut(aws: Aws) -> None:
    _modify(aws, RemoveRouteTableIds=_endpoint(aws)["RouteTableIds"][:1])


def _tag(aws: Aws, key: str) -> None:
    tags = [{"Key": key, "Value": "somebody"}]
    aws.client("ec2").create_tags(Resources=[_endpoint(aws)["VpcEndpointId"]], Tags=tags)


def _untag(aws: Aws) -> None:
    aws.client("ec2").delete_tags(Resources=[_endpoint(aws)["VpcEndpointId"]], Tags=[{"Key": "Name"}])


CASE = Case(
    module="ec2_vpc_endpoint",
    present={
        "name": "tamma-dev-s3",
        "vpc": VPC,
        "service": "s3",
        "route_tables": ["public", "private"],
        "policy": _policy("tamma-dev-raw"),
        "tags": {"Project": "tamma"},
    },
    changed={
        "name": "tamma-dev-storage",
        "route_tables": ["private"],
        "policy": _policy("tamma-dev-derived"),
        "tags": {"Project": "tamma", "Environment": "dev"},
    },
    drift=[
        Drift("route_tables", _cut),
        Drift(
            "policy",
            lambda aws: _modify(aws, PolicyDocument=json.dumps(_policy("*"))),
            why_not={"ministack": POLICY_UNSEEN},
        ),
        Drift("name", lambda aws: _tag(aws, "Name"), "renamed"),
        Drift("name", _untag, "name lost"),
        Drift("tags", lambda aws: _tag(aws, "Owner")),
    ],
    refused=[
        Refusal({"vpc_endpoint_type": "Interface"}, "no route tables"),
        Refusal({"vpc_endpoint_type": "Interface", "route_tables": []}, "cannot be changed", "another type"),
    ],
    parents=_parents,
    why_not={"policy@ministack": POLICY_UNSEEN},
)
