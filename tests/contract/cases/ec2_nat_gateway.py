"""The contract of library/ec2_nat_gateway.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-nat-us-east-1a"
VPC = "tamma-dev-vpc"


def _named(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def _parents(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=_named("vpc", VPC))["Vpc"]["VpcId"]
    for at, name in enumerate(("a", "b")):
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{at}.0/24", TagSpecifications=_named("subnet", name))


def _tag(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    gateways = ec2.describe_nat_gateways(Filter=[{"Name": "state", "Values": ["available"]}])["NatGateways"]
    tags = [{"Key": "Owner", "Value": "somebody"}]
    ec2.create_tags(Resources=[gateways[0]["NatGatewayId"]], Tags=tags)


def _tag_address(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    for address in ec2.describe_addresses()["Addresses"]:
        if {"Key": "Name", "Value": NAME} in address.get("Tags", []):
            ec2.delete_tags(Resources=[address["AllocationId"]], Tags=[{"Key": "Project"}])


CASE = Case(
    module="ec2_nat_gateway",
    present={"name": NAME, "vpc": VPC, "subnet": "a", "tags": {"Project": "tamma"}},
    changed={"tags": {"Project": "tamma", "Environment": "dev"}},
    drift=[Drift("tags", _tag), Drift("address_tags", _tag_address)],
    refused=[Refusal({"subnet": "b"}, "cannot be changed")],
    parents=_parents,
)
