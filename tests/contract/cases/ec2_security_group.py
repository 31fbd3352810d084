"""The contract of library/ec2_security_group.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-worker-sg"
VPC = "tamma-dev-vpc"
TLS = {"protocol": "tcp", "from_port": 443, "cidr": "0.0.0.0/0", "description": "TLS"}
DNS = {"protocol": "17", "from_port": 53, "to_port": 53, "cidr": "10.20.0.2/16"}
FRIEND = {"protocol": "tcp", "from_port": 8000, "to_port": 8010, "security_group": "friend"}


def _parents(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    named = [{"ResourceType": "vpc", "Tags": [{"Key": "Name", "Value": VPC}]}]
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=named)["Vpc"]["VpcId"]
    ec2.create_security_group(GroupName="friend", Description="A friend", VpcId=vpc)


def _id(aws: Aws, name: str = NAME) -> str:
    wanted = [{"Name": "group-name", "Values": [name]}]
    return str(aws.client("ec2").describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"])


def _let_in(aws: Aws, **source: Any) -> None:
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **source}
    aws.client("ec2").authorize_security_group_ingress(GroupId=_id(aws), IpPermissions=[permission])


def _let_out(aws: Aws) -> None:
    permission = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}], "Ipv6Ranges": [{"CidrIpv6": "::/0"}]}
    aws.client("ec2").authorize_security_group_egress(GroupId=_id(aws), IpPermissions=[permission])


def _shut(aws: Aws) -> None:
    _change(aws, "revoke_security_group_egress", "TLS")


def _redescribe(aws: Aws) -> None:
    _shut(aws)
    _change(aws, "authorize_security_group_egress", "something else")


def _change(aws: Aws, call: str, description: str) -> None:
    ranges = [{"CidrIp": "0.0.0.0/0", "Description": description}]
    permission = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "IpRanges": ranges}
    getattr(aws.client("ec2"), call)(GroupId=_id(aws), IpPermissions=[permission])


def _tag(aws: Aws) -> None:
    tags = [{"Key": "Owner", "Value": "somebody"}, {"Key": "Project", "Value": "other"}]
    aws.client("ec2").create_tags(Resources=[_id(aws)], Tags=tags)


CASE = Case(
    module="ec2_security_group",
    present={
        "name": NAME,
        "vpc": VPC,
        "description": "Workers call out over TLS",
        "ingress": [],
        "egress": [TLS, DNS],
        "tags": {"Project": "tamma"},
    },
    changed={
        "ingress": [
            FRIEND,
            {"protocol": "tcp", "from_port": 22, "security_group": NAME},
            {"protocol": "icmp", "cidr": "192.0.2.0/24"},
            {"protocol": "all", "cidr": "2001:db8::/32", "description": "IPv6"},
        ],
        "egress": [{**TLS, "description": "Only TLS"}],
        "tags": {"Project": "tamma", "Environment": "dev"},
    },
    drift=[
        Drift("ingress", lambda aws: _let_in(aws, IpRanges=[{"CidrIp": "0.0.0.0/0"}]), "extra rule"),
        Drift(
            "ingress",
            lambda aws: _let_in(aws, IpRanges=[{"CidrIp": "192.0.2.0/24"}, {"CidrIp": "198.51.100.0/24"}]),
            "two ranges",
        ),
        Drift("ingress", lambda aws: _let_in(aws, UserIdGroupPairs=[{"GroupId": _id(aws, "friend")}]), "group"),
        Drift(
            "ingress",
            lambda aws: _let_in(aws, PrefixListIds=[{"PrefixListId": "pl-1"}]),
            "prefix list",
            why_not={"ministack": "AuthorizeSecurityGroupIngress of ministack 1.5.33 ignores prefix lists"},
        ),
        Drift("egress", _let_out, "everything"),
        Drift("egress", _shut, "rule removed"),
        Drift("egress", _redescribe, "rule described in another way"),
        Drift("tags", _tag),
    ],
    refused=[
        Refusal({"description": "Others"}, "description cannot be changed from 'Workers call out over TLS'"),
        Refusal({"egress": [{"protocol": "tcp", "from_port": 443}]}, "give exactly one", "no source"),
        Refusal({"egress": [{**FRIEND, "cidr": "0.0.0.0/0"}]}, "give exactly one", "two sources"),
        Refusal({"egress": [{"protocol": "tcp", "cidr": "0.0.0.0/0"}]}, "choose 0 to 65535", "no port"),
        Refusal({"egress": [{**FRIEND, "to_port": 80}]}, "ascending order", "ports reversed"),
        Refusal({"egress": [{**TLS, "protocol": "-1"}]}, "has no ports", "ports of all protocols"),
        Refusal({"egress": [{**TLS, "cidr": "everywhere"}]}, "is no network", "no network"),
        Refusal({"egress": [TLS, {**TLS, "description": "again"}]}, "twice; keep one", "rule twice"),
        Refusal({"name": "new", "description": None}, "needs a description", "no description"),
    ],
    parents=_parents,
)
