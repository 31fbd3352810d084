"""The contract of library/ec2_internet_gateway.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

VPC = "tamma-dev-vpc"


def _parents(aws: Aws) -> None:
    named = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": VPC}]}]
    aws.client("ec2").create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=named)


def _gateway(aws: Aws) -> dict[str, Any]:
    wanted = [{"Name": "tag:Project", "Values": ["tamma"]}]
    found: dict[str, Any] = aws.client("ec2").describe_internet_gateways(Filters=wanted)["InternetGateways"][0]
    return found


def _detach(aws: Aws) -> None:
    gateway = _gateway(aws)
    vpc = gateway["Attachments"][0]["VpcId"]
    aws.client("ec2").detach_internet_gateway(InternetGatewayId=gateway["InternetGatewayId"], VpcId=vpc)


def _tag(aws: Aws) -> None:
    tags = [{"Key": "Owner", "Value": "somebody"}]
    aws.client("ec2").create_tags(Resources=[_gateway(aws)["InternetGatewayId"]], Tags=tags)


def _untag(aws: Aws) -> None:
    aws.client("ec2").delete_tags(Resources=[_gateway(aws)["InternetGatewayId"]], Tags=[{"Key": "Name"}])


CASE = Case(
    module="ec2_internet_gateway",
    present={"name": "tamma-dev-igw", "vpc": VPC, "tags": {"Project": "tamma"}},
    changed={"tags": {"Project": "tamma", "Environment": "dev"}},
    drift=[
        Drift("vpc", _detach, "detached"),
        Drift("tags", _tag),
        Drift("name", _untag, "name lost"),
    ],
    refused=[Refusal({"name": "other"}, "(tamma-dev-igw) and AWS allows one", "another gateway")],
    parents=_parents,
)
