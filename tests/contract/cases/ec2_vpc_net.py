"""The contract of library/ec2_vpc_net.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-vpc"
ONE_RANGE = {"ministack": "ministack 1.5.33 knows no AssociateVpcCidrBlock"}
TAGS = {"Project": "tamma"}


def _vpc(aws: Aws) -> dict[str, Any]:
    wanted = [{"Name": "tag:Project", "Values": ["tamma"]}]
    found: dict[str, Any] = aws.client("ec2").describe_vpcs(Filters=wanted)["Vpcs"][0]
    return found


def _modify(aws: Aws, **change: bool) -> None:
    for name, value in change.items():
        aws.client("ec2").modify_vpc_attribute(VpcId=_vpc(aws)["VpcId"], **{name: {"Value": value}})


def _tag(aws: Aws, key: str) -> None:
    aws.client("ec2").create_tags(Resources=[_vpc(aws)["VpcId"]], Tags=[{"Key": key, "Value": "somebody"}])


def _untag(aws: Aws) -> None:
    aws.client("ec2").delete_tags(Resources=[_vpc(aws)["VpcId"]], Tags=[{"Key": "Name"}])


def _widen(aws: Aws) -> None:
    aws.client("ec2").associate_vpc_cidr_block(VpcId=_vpc(aws)["VpcId"], CidrBlock="10.30.0.0/16")


CASE = Case(
    module="ec2_vpc_net",
    present={
        "name": NAME,
        "cidr_block": "10.20.0.0/16",
        "secondary_cidr_blocks": [],
        "dns_support": True,
        "dns_hostnames": True,
        "tags": TAGS,
    },
    changed={
        "secondary_cidr_blocks": ["10.40.0.0/16"],
        "dns_hostnames": False,
        "tags": {"Project": "tamma", "Environment": "dev"},
    },
    drift=[
        Drift("dns_support", lambda aws: _modify(aws, EnableDnsSupport=False)),
        Drift("dns_hostnames", lambda aws: _modify(aws, EnableDnsHostnames=False)),
        Drift("secondary_cidr_blocks", _widen, why_not=ONE_RANGE),
        Drift("tags", lambda aws: _tag(aws, "Owner")),
        Drift("name", _untag, "name lost"),
    ],
    refused=[
        Refusal({"cidr_block": "10.21.0.0/16"}, "cidr_block cannot be changed from '10.20.0.0/16' to '10.21.0.0/16'"),
        Refusal({"cidr_block": "10.0.0.0/8"}, "choose /16 to /28", "too large"),
        Refusal({"cidr_block": "ten"}, "is no IPv4 range", "no range"),
        Refusal({"secondary_cidr_blocks": ["10.20.9.0/24"]}, "overlaps 10.20.0.0/16"),
        Refusal({"dns_support": False}, "dns_hostnames needs dns_support"),
        Refusal({"name": "other"}, f"is called {NAME}", "another name"),
        Refusal({"tags": {"Name": "other"}}, "leave the tag out", "tag Name"),
    ],
    why_not={"secondary_cidr_blocks@ministack": ONE_RANGE["ministack"]},
)
