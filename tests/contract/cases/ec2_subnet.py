"""The contract of library/ec2_subnet.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-private-us-east-1a"
VPC = "tamma-dev-vpc"


def _named(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def _parents(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=_named("vpc", VPC))["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.20.64.0/20", TagSpecifications=_named("subnet", "other"))


def _subnet(aws: Aws) -> str:
    wanted = [{"Name": "tag:Project", "Values": ["tamma"]}]
    return str(aws.client("ec2").describe_subnets(Filters=wanted)["Subnets"][0]["SubnetId"])


def _tag(aws: Aws) -> None:
    aws.client("ec2").create_tags(Resources=[_subnet(aws)], Tags=[{"Key": "Owner", "Value": "somebody"}])


def _untag(aws: Aws) -> None:
    aws.client("ec2").delete_tags(Resources=[_subnet(aws)], Tags=[{"Key": "Name"}])


def _open(aws: Aws) -> None:
    aws.client("ec2").modify_subnet_attribute(SubnetId=_subnet(aws), MapPublicIpOnLaunch={"Value": True})


CASE = Case(
    module="ec2_subnet",
    present={
        "name": NAME,
        "vpc": VPC,
        "cidr_block": "10.20.0.1/20",  # as AWS does, the address of the network is taken
        "availability_zone": "us-east-1a",
        "map_public_ip_on_launch": False,
        "tags": {"Project": "tamma"},
    },
    changed={"map_public_ip_on_launch": True, "tags": {"Project": "tamma", "Environment": "dev"}},
    drift=[
        Drift("map_public_ip_on_launch", _open),
        Drift("tags", _tag),
        Drift("name", _untag, "name lost"),
    ],
    refused=[
        Refusal({"cidr_block": "10.20.16.0/20"}, "cidr_block cannot be changed from '10.20.0.0/20' to '10.20.16.0/20'"),
        Refusal({"availability_zone": "us-east-1b"}, "availability_zone cannot be changed"),
        Refusal({"availability_zone": "eu-west-1a"}, "is not in us-east-1", "zone of another region"),
        Refusal({"cidr_block": "10.20.0.0/29"}, "choose /16 to /28", "too small"),
        Refusal({"name": "new", "cidr_block": "10.21.0.0/20"}, f"outside of {VPC} (10.20.0.0/16)", "outside"),
        Refusal(
            {"name": "new", "cidr_block": "10.20.65.0/24"}, "overlaps 10.20.64.0/20 of the subnet other", "overlap"
        ),
        Refusal({"name": "new"}, f"overlaps 10.20.0.0/20 of the subnet {NAME}", "range of another name"),
    ],
    parents=_parents,
)
