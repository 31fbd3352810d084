"""What no emulator shows of VPCs, subnets, internet gateways and security groups: delays, doubles, what holds them."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import StubbedAws

NAMED = [{"Key": "Name", "Value": "t"}]
DESCRIBED = {
    "VpcId": "vpc-1",
    "CidrBlock": "10.0.0.0/16",
    "State": "available",
    "CidrBlockAssociationSet": [
        {"CidrBlock": "10.0.0.0/16", "AssociationId": "a-1", "CidrBlockState": {"State": "associated"}}
    ],
    "Tags": NAMED,
}
VPC = {"Vpcs": [DESCRIBED]}
NO_VPC: dict[str, Any] = {"Vpcs": []}


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let two minutes pass in a few calls."""
    ticks = itertools.count(step=70)
    monkeypatch.setattr(time, "sleep", lambda _: None)
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))


def _named(name: str = "t", **more: Any) -> dict[str, Any]:
    return {"Filters": [{"Name": "tag:Name", "Values": [name]}], **more}


# VPCs --------------------------------------------------------------------------------------------------------------


def _ranges(*blocks: tuple[str, str, str]) -> dict[str, Any]:
    links = [
        {"CidrBlock": block, "AssociationId": link, "CidrBlockState": {"State": is_}} for block, link, is_ in blocks
    ]
    six = {"Ipv6CidrBlock": "2001:db8::/56", "AssociationId": "a-6", "Ipv6CidrBlockState": {"State": "associated"}}
    sets = {"CidrBlockAssociationSet": links, "Ipv6CidrBlockAssociationSet": [six]}
    return {"Vpcs": [{**DESCRIBED, **sets}]}


def test_foreign_ranges_are_removed_and_those_on_their_way_out_are_not_seen(aws: StubbedAws) -> None:
    there = _ranges(
        ("10.0.0.0/16", "a-1", "associated"),
        ("10.1.0.0/16", "a-2", "associating"),
        ("10.2.0.0/16", "a-3", "disassociating"),
    )
    aws.answers("ec2", "describe_vpcs", there, **_named())
    aws.answers("ec2", "describe_vpcs", there)
    aws.answers("ec2", "associate_vpc_cidr_block", {}, VpcId="vpc-1", CidrBlock="10.3.0.0/16")
    aws.answers("ec2", "disassociate_vpc_cidr_block", {}, AssociationId="a-2")
    aws.answers("ec2", "disassociate_vpc_cidr_block", {}, AssociationId="a-6")
    aws.answers("ec2", "describe_vpcs", VPC)
    options = {"name": "t", "cidr_block": "10.0.0.0/16", "secondary_cidr_blocks": ["10.3.0.0/16"]}
    outcome = aws.run("ec2_vpc_net", options)
    assert outcome.changed, outcome.message
    assert outcome.before["secondary_cidr_blocks"] == ["10.1.0.0/16", "2001:db8::/56"]


def test_a_vpc_is_waited_for_before_its_attributes_are_set(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", NO_VPC)
    tags = [{"ResourceType": "vpc", "Tags": NAMED}]
    aws.answers("ec2", "create_vpc", {"Vpc": {}}, CidrBlock="10.0.0.0/16", TagSpecifications=tags)
    for answer in (NO_VPC, {"Vpcs": [{**DESCRIBED, "State": "pending"}]}, VPC, VPC):
        aws.answers("ec2", "describe_vpcs", answer)
    aws.answers("ec2", "describe_vpc_attribute", {"EnableDnsSupport": {"Value": True}})
    aws.answers("ec2", "describe_vpc_attribute", {"EnableDnsHostnames": {"Value": False}})
    aws.answers("ec2", "modify_vpc_attribute", {}, VpcId="vpc-1", EnableDnsHostnames={"Value": True})
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_vpc_attribute", {"EnableDnsSupport": {"Value": True}})
    aws.answers("ec2", "describe_vpc_attribute", {"EnableDnsHostnames": {"Value": True}})
    options = {"name": "t", "cidr_block": "10.0.0.0/16", "dns_support": True, "dns_hostnames": True}
    outcome = aws.run("ec2_vpc_net", options)
    assert outcome.changed, outcome.message


@pytest.mark.parametrize(
    ("wanted", "order"),
    [(True, ["EnableDnsSupport", "EnableDnsHostnames"]), (False, ["EnableDnsHostnames", "EnableDnsSupport"])],
)
def test_the_resolver_is_switched_on_first_and_off_last(aws: StubbedAws, wanted: bool, order: list[str]) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_vpc_attribute", {"EnableDnsSupport": {"Value": not wanted}})
    aws.answers("ec2", "describe_vpc_attribute", {"EnableDnsHostnames": {"Value": not wanted}})
    for name in order:
        aws.answers("ec2", "modify_vpc_attribute", {}, VpcId="vpc-1", **{name: {"Value": wanted}})
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_vpc_attribute", {"EnableDnsSupport": {"Value": wanted}})
    aws.answers("ec2", "describe_vpc_attribute", {"EnableDnsHostnames": {"Value": wanted}})
    options = {"name": "t", "cidr_block": "10.0.0.0/16", "dns_support": wanted, "dns_hostnames": wanted}
    assert aws.run("ec2_vpc_net", options).changed


def test_a_dns_attribute_that_is_not_managed_is_not_read(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    outcome = aws.run("ec2_vpc_net", {"name": "t", "cidr_block": "10.0.0.0/16"})
    assert outcome.result.get("action") == "none", outcome.message


def test_two_vpcs_of_one_name_are_told_apart_by_a_person(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", {"Vpcs": [DESCRIBED, {**DESCRIBED, "VpcId": "vpc-2"}]})
    outcome = aws.run("ec2_vpc_net", {"name": "t", "state": "absent"})
    assert "2 VPCs are called t (vpc-1, vpc-2); rename or delete all but one" in outcome.message


@pytest.mark.usefixtures("quick")
def test_what_holds_a_vpc_is_told_in_a_sentence(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    for _ in range(2):
        aws.refuses("ec2", "delete_vpc", "DependencyViolation", "The vpc 'vpc-1' has dependencies.")
    outcome = aws.run("ec2_vpc_net", {"name": "t", "state": "absent"})
    assert outcome.message == (
        "VPC t: something still uses it (The vpc 'vpc-1' has dependencies); remove that and re-run."
    )


# Subnets -----------------------------------------------------------------------------------------------------------


def _subnet(name: str = "t", **more: Any) -> dict[str, Any]:
    return {
        "SubnetId": "subnet-1",
        "CidrBlock": "10.0.0.0/24",
        "AvailabilityZone": "us-east-1a",
        "MapPublicIpOnLaunch": False,
        "State": "available",
        "Tags": [{"Key": "Name", "Value": name}],
        **more,
    }


SUBNET = {"name": "t", "vpc": "v", "cidr_block": "10.0.0.0/24", "availability_zone": "us-east-1a"}


def test_a_converged_subnet_costs_two_calls(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC, **_named("v"))
    aws.answers("ec2", "describe_subnets", {"Subnets": [_subnet("other"), _subnet()]})
    outcome = aws.run("ec2_subnet", SUBNET)
    assert outcome.result.get("action") == "none", outcome.message


def test_a_subnet_goes_when_the_last_interface_has_left_it(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_subnets", {"Subnets": [_subnet()]})
    aws.refuses("ec2", "delete_subnet", "DependencyViolation")
    aws.answers("ec2", "delete_subnet", {}, SubnetId="subnet-1")
    aws.answers("ec2", "describe_subnets", {"Subnets": []})
    assert aws.run("ec2_subnet", {"name": "t", "vpc": "v", "state": "absent"}).changed


def test_another_failure_of_a_deletion_is_told_as_it_is(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_subnets", {"Subnets": [_subnet()]})
    aws.refuses("ec2", "delete_subnet", "UnauthorizedOperation", "You may not")
    outcome = aws.run("ec2_subnet", {"name": "t", "vpc": "v", "state": "absent"})
    assert "DeleteSubnet was refused with UnauthorizedOperation: You may not; grant the missing" in outcome.message


def test_two_subnets_of_one_name_are_told_apart_by_a_person(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_subnets", {"Subnets": [_subnet(), _subnet(SubnetId="subnet-2")]})
    assert "several subnets have this name (subnet-1, subnet-2)" in aws.run("ec2_subnet", SUBNET).message


def test_a_subnet_may_lie_in_a_further_range(aws: StubbedAws) -> None:
    aws.answers(
        "ec2", "describe_vpcs", _ranges(("10.0.0.0/16", "a-1", "associated"), ("10.1.0.0/16", "a-2", "associated"))
    )
    aws.answers("ec2", "describe_subnets", {"Subnets": []})
    outcome = aws.run("ec2_subnet", {**SUBNET, "cidr_block": "10.1.7.0/24"}, check=True)
    assert outcome.result.get("action") == "create", outcome.message


# Internet gateways -------------------------------------------------------------------------------------------------


def _gateway(item: str, *vpcs: str, name: str = "t") -> dict[str, Any]:
    links = [{"VpcId": vpc, "State": "available"} for vpc in vpcs]
    tags = [{"Key": "Name", "Value": name}] if name else []
    return {"InternetGatewayId": item, "Attachments": links, "Tags": tags}


def _gateways(aws: StubbedAws, *found: dict[str, Any]) -> None:
    aws.answers("ec2", "describe_internet_gateways", {"InternetGateways": list(found)})


GATEWAY = {"name": "t", "vpc": "v"}


def test_a_converged_gateway_costs_two_calls_and_one_of_another_vpc_does_not_matter(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    _gateways(aws, _gateway("igw-2", "vpc-2"), _gateway("igw-1", "vpc-1"))
    outcome = aws.run("ec2_internet_gateway", GATEWAY)
    assert outcome.result.get("action") == "none", outcome.message
    assert outcome.resource["id"] == "igw-1"


def test_the_same_gateway_is_attached_again(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    _gateways(aws, _gateway("igw-1"))
    _gateways(aws)
    aws.answers("ec2", "attach_internet_gateway", {}, InternetGatewayId="igw-1", VpcId="vpc-1")
    for _ in range(2):
        _gateways(aws, _gateway("igw-1", "vpc-1"))
    outcome = aws.run("ec2_internet_gateway", GATEWAY)
    assert outcome.changed, outcome.message
    assert (outcome.before["vpc"], outcome.after["vpc"]) == (None, "v")


def test_two_free_gateways_of_one_name_are_told_apart_by_a_person(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    _gateways(aws, _gateway("igw-1"), _gateway("igw-2"))
    outcome = aws.run("ec2_internet_gateway", GATEWAY)
    assert "several gateways have this name (igw-1, igw-2); delete all but one" in outcome.message


def test_a_free_gateway_and_one_without_a_name_are_told_apart_by_a_person(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    _gateways(aws, _gateway("igw-1"))
    _gateways(aws, _gateway("igw-9", "vpc-1", name=""))
    outcome = aws.run("ec2_internet_gateway", GATEWAY)
    assert "v has the gateway igw-9 (without a name) and AWS allows one" in outcome.message


def test_a_gateway_whose_vpc_is_gone_is_deleted_too(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", NO_VPC)
    _gateways(aws, _gateway("igw-1"))
    aws.answers("ec2", "delete_internet_gateway", {}, InternetGatewayId="igw-1")
    _gateways(aws)
    outcome = aws.run("ec2_internet_gateway", {**GATEWAY, "state": "absent"})
    assert outcome.changed, outcome.message


def test_a_gateway_of_another_name_survives_a_deletion(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    _gateways(aws)
    _gateways(aws, _gateway("igw-9", "vpc-1", name="other"))
    outcome = aws.run("ec2_internet_gateway", {**GATEWAY, "state": "absent"})
    assert outcome.result.get("action") == "none", outcome.message


def test_a_gateway_is_detached_when_no_public_address_needs_it(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    _gateways(aws, _gateway("igw-1", "vpc-1"))
    aws.refuses("ec2", "detach_internet_gateway", "DependencyViolation", "vpc-1 has some mapped public address(es)")
    aws.answers("ec2", "detach_internet_gateway", {}, InternetGatewayId="igw-1", VpcId="vpc-1")
    aws.answers("ec2", "delete_internet_gateway", {}, InternetGatewayId="igw-1")
    _gateways(aws)
    _gateways(aws)
    assert aws.run("ec2_internet_gateway", {**GATEWAY, "state": "absent"}).changed


# Security groups ---------------------------------------------------------------------------------------------------


def _group(ingress: list[dict[str, Any]], egress: list[dict[str, Any]], name: str = "t") -> dict[str, Any]:
    group = {"GroupId": "sg-1", "GroupName": name, "Description": "d", "IpPermissions": ingress}
    return {"SecurityGroups": [{**group, "IpPermissionsEgress": egress}]}


def _rule(item: str, *, out: bool, **more: Any) -> dict[str, Any]:
    return {"SecurityGroupRuleId": item, "IsEgress": out, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **more}


def test_of_ranges_that_aws_groups_only_the_foreign_one_is_revoked(aws: StubbedAws) -> None:
    ranges = [{"CidrIp": "10.0.0.0/8"}, {"CidrIp": "0.0.0.0/0", "Description": "for a moment"}]
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": ranges}
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_security_groups", _group([permission], []))
    found = [
        _rule("sgr-1", out=False, CidrIpv4="10.0.0.0/8"),
        _rule("sgr-2", out=False, CidrIpv4="0.0.0.0/0", Description="for a moment"),
        _rule("sgr-3", out=True, CidrIpv4="0.0.0.0/0", Description="for a moment"),
    ]
    aws.answers("ec2", "describe_security_group_rules", {"SecurityGroupRules": found})
    aws.answers("ec2", "revoke_security_group_ingress", {}, GroupId="sg-1", SecurityGroupRuleIds=["sgr-2"])
    aws.answers("ec2", "describe_security_groups", _group([{**permission, "IpRanges": ranges[:1]}], []))
    rule = {"protocol": "tcp", "from_port": 22, "cidr": "10.0.0.0/8"}
    outcome = aws.run("ec2_security_group", {"name": "t", "vpc": "v", "ingress": [rule]})
    assert outcome.changed, outcome.message
    assert {"protocol": "tcp", "from_port": 22, "to_port": 22, "cidr": "0.0.0.0/0", "description": "for a moment"} in (
        outcome.before["ingress"]
    )


def test_groups_prefix_lists_and_numbers_of_protocols_are_read(aws: StubbedAws) -> None:
    pairs = [{"GroupId": "sg-1", "UserId": "1"}, {"GroupId": "sg-2", "UserId": "1"}, {"GroupId": "sg-9", "UserId": "2"}]
    ingress = [
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": pairs},
        {"IpProtocol": "47", "PrefixListIds": [{"PrefixListId": "pl-1"}]},
        {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "Ipv6Ranges": [{"CidrIpv6": "::/0"}]},
    ]
    groups = [{"GroupId": "sg-1", "GroupName": "t"}, {"GroupId": "sg-2", "GroupName": "friend"}]
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_security_groups", _group(ingress, []))
    aws.answers("ec2", "describe_security_groups", {"SecurityGroups": groups})
    web = {"protocol": "TCP", "from_port": 80}
    given = [
        {**web, "security_group": "sg-9"},  # one of another account goes by its id
        {**web, "security_group": "friend"},
        {**web, "security_group": "t"},
        {"protocol": "47", "prefix_list": "pl-1"},
        {"protocol": "1", "cidr": "::/0", "description": ""},
    ]
    outcome = aws.run("ec2_security_group", {"name": "t", "vpc": "v", "ingress": given})
    assert outcome.result.get("action") == "none", outcome.message or outcome.before


def test_a_missing_group_is_told_before_the_first_write(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    for _ in range(2):
        aws.answers("ec2", "describe_security_groups", {"SecurityGroups": []})
    rule = {"protocol": "tcp", "from_port": 22, "security_group": "friend"}
    options = {"name": "t", "vpc": "v", "description": "d", "ingress": [rule]}
    outcome = aws.run("ec2_security_group", options)
    assert "there is no security group called friend in VPC v; create it first" in outcome.message


@pytest.mark.usefixtures("quick")
def test_what_holds_a_group_is_told_in_a_sentence(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    for _ in range(2):
        aws.answers("ec2", "describe_security_groups", _group([], []))
    for _ in range(2):
        aws.refuses("ec2", "delete_security_group", "DependencyViolation", "resource sg-1 has a dependent object")
    outcome = aws.run("ec2_security_group", {"name": "t", "vpc": "v", "state": "absent"})
    assert "something still uses it (resource sg-1 has a dependent object); remove that and re-run." in outcome.message


def test_the_default_group_lets_go_of_a_group_that_is_deleted(aws: StubbedAws) -> None:
    friend = {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 80, "UserIdGroupPairs": [{"GroupId": "sg-1"}]}
    friend["IpRanges"] = [{"CidrIp": "10.0.0.0/8"}]
    groups = _group([], [])["SecurityGroups"] + _group([friend], [], name="default")["SecurityGroups"]
    groups[1]["GroupId"] = "sg-0"
    aws.answers("ec2", "describe_vpcs", VPC)
    for _ in range(2):
        aws.answers("ec2", "describe_security_groups", {"SecurityGroups": groups})
    only = {name: value for name, value in friend.items() if name != "IpRanges"}
    aws.answers("ec2", "revoke_security_group_ingress", {}, GroupId="sg-0", IpPermissions=[only])
    aws.answers("ec2", "delete_security_group", {}, GroupId="sg-1")
    aws.answers("ec2", "describe_security_groups", {"SecurityGroups": []})
    assert aws.run("ec2_security_group", {"name": "t", "vpc": "v", "state": "absent"}).changed


def test_an_interface_that_its_service_removes_meanwhile_is_well(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    left = {
        "NetworkInterfaceId": "eni-1",
        "Status": "available",
        "Description": "ECS task",
        "VpcId": DESCRIBED["VpcId"],
    }
    used = {**left, "NetworkInterfaceId": "eni-2", "Status": "in-use"}
    aws.answers("ec2", "describe_network_interfaces", {"NetworkInterfaces": [left, used]})
    aws.refuses("ec2", "delete_network_interface", "InvalidNetworkInterfaceID.NotFound")
    outcome = aws.run("ec2_stray_interfaces", {"vpc": "v", "state": "absent"})
    assert outcome.changed, outcome.message
    assert outcome.before["holds"] == "eni-1 (ECS task)"


def test_the_default_group_is_not_deleted(aws: StubbedAws) -> None:
    outcome = aws.run("ec2_security_group", {"name": "default", "vpc": "v", "state": "absent"})
    assert "AWS deletes it together with its VPC and nobody else can; delete the VPC instead" in outcome.message


def test_the_default_group_comes_with_its_vpc_alone(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", NO_VPC)
    outcome = aws.run("ec2_security_group", {"name": "default", "vpc": "v", "ingress": []})
    assert "there is no VPC called v; create it first" in outcome.message
