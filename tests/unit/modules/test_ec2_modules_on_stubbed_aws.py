"""What no emulator shows of the EC2 modules: foreign routes, states in between, failures of AWS."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import ANY, StubbedAws

VPC = {"Vpcs": [{"VpcId": "vpc-1"}]}
NAMED = [{"Key": "Name", "Value": "t"}]


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


def _tagged(member: str, item: str, name: str) -> dict[str, Any]:
    return {member: item, "Tags": [{"Key": "Name", "Value": name}]}


# Route tables ------------------------------------------------------------------------------------------------------

FOREIGN = [
    {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "Origin": "CreateRouteTable", "State": "active"},
    {"DestinationPrefixListId": "pl-1", "GatewayId": "vpce-1", "Origin": "CreateRoute", "State": "active"},
    {
        "DestinationCidrBlock": "172.16.0.0/12",
        "GatewayId": "vgw-1",
        "Origin": "EnableVgwRoutePropagation",
        "State": "active",
    },
]


def _table(*routes: dict[str, Any]) -> dict[str, Any]:
    associations = [
        {"Main": True, "RouteTableAssociationId": "rtbassoc-main"},
        {"SubnetId": "subnet-1", "RouteTableAssociationId": "rtbassoc-1", "AssociationState": {"State": "associated"}},
    ]
    table = {"RouteTableId": "rtb-1", "Routes": [*FOREIGN, *routes], "Associations": associations, "Tags": NAMED}
    return {"RouteTables": [table]}


def test_routes_of_others_are_left_alone(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_route_tables", _table())
    aws.answers("ec2", "describe_subnets", {"Subnets": [_tagged("SubnetId", "subnet-1", "a")]})
    outcome = aws.run("ec2_route_table", {"name": "t", "vpc": "v", "routes": [], "subnets": ["a"]})
    assert not outcome.changed, outcome.message or outcome.after


def test_a_blackhole_is_replaced_and_other_targets_are_removed(aws: StubbedAws) -> None:
    dead = {"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "blackhole", "Origin": "CreateRoute"}
    peer = {"DestinationCidrBlock": "10.9.0.0/16", "VpcPeeringConnectionId": "pcx-1", "State": "active"}
    six = {"DestinationIpv6CidrBlock": "::/0", "EgressOnlyInternetGatewayId": "eigw-1", "State": "active"}
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_route_tables", _table(dead, peer, six))
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": [_tagged("NatGatewayId", "nat-2", "nat")]})
    aws.answers("ec2", "describe_subnets", {"Subnets": [_tagged("SubnetId", "subnet-1", "a")]})
    aws.answers(
        "ec2", "replace_route", {}, RouteTableId="rtb-1", DestinationCidrBlock="0.0.0.0/0", NatGatewayId="nat-2"
    )
    aws.answers("ec2", "delete_route", {}, RouteTableId="rtb-1", DestinationCidrBlock="10.9.0.0/16")
    aws.answers("ec2", "delete_route", {}, RouteTableId="rtb-1", DestinationIpv6CidrBlock="::/0")
    aws.answers("ec2", "describe_route_tables", _table())
    routes = [{"destination": "0.0.0.0/0", "nat_gateway": "nat"}]
    outcome = aws.run("ec2_route_table", {"name": "t", "vpc": "v", "routes": routes})
    assert outcome.changed, outcome.message
    assert {"destination": "0.0.0.0/0", "target": "nat-1 blackhole"} in outcome.before["routes"]


def test_a_missing_gateway_is_told_before_the_first_write(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_route_tables", {"RouteTables": []})
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": []})
    routes = [{"destination": "0.0.0.0/0", "nat_gateway": "nat"}]
    outcome = aws.run("ec2_route_table", {"name": "t", "vpc": "v", "routes": routes})
    assert "there is no NAT gateway called nat in VPC v; create it first" in outcome.message
    assert outcome.writes == []


@pytest.mark.parametrize("module", ["ec2_route_table", "ec2_nat_gateway"])
def test_two_vpcs_of_one_name_are_told_apart_by_a_person(aws: StubbedAws, module: str) -> None:
    aws.answers("ec2", "describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}, {"VpcId": "vpc-2"}]})
    outcome = aws.run(module, {"name": "t", "vpc": "v", "state": "absent"})
    assert "2 VPCs are called v (vpc-1, vpc-2)" in outcome.message


# NAT gateways ------------------------------------------------------------------------------------------------------


def _gateway(state: str) -> dict[str, Any]:
    return {"NatGateways": [{"NatGatewayId": "nat-1", "SubnetId": "subnet-1", "State": state, "Tags": NAMED}]}


ADDRESS = {"AllocationId": "eipalloc-1", "PublicIp": "192.0.2.1", "Tags": NAMED}
SUBNETS = {"Subnets": [_tagged("SubnetId", "subnet-1", "a")]}


def test_a_free_address_of_the_name_is_used_again_and_pending_is_waited_for(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": []})
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    aws.answers("ec2", "describe_subnets", SUBNETS)
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    aws.answers(
        "ec2",
        "create_nat_gateway",
        {"NatGateway": {"NatGatewayId": "nat-1"}},
        SubnetId="subnet-1",
        AllocationId="eipalloc-1",
        ConnectivityType="public",
        TagSpecifications=ANY,
    )
    aws.answers("ec2", "describe_nat_gateways", _gateway("pending"))
    aws.answers("ec2", "describe_nat_gateways", _gateway("available"))
    aws.answers("ec2", "describe_nat_gateways", _gateway("available"))
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    outcome = aws.run("ec2_nat_gateway", {"name": "t", "vpc": "v", "subnet": "a"})
    assert outcome.changed, outcome.message
    assert "ec2:AllocateAddress" not in outcome.calls


def test_the_reason_of_a_failed_gateway_is_told(aws: StubbedAws) -> None:
    failed = _gateway("failed")
    failed["NatGateways"][0]["FailureMessage"] = "Subnet has no route to the internet"
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": []})
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    aws.answers("ec2", "describe_subnets", SUBNETS)
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    aws.answers("ec2", "create_nat_gateway", {"NatGateway": {"NatGatewayId": "nat-1"}})
    aws.answers("ec2", "describe_nat_gateways", failed)
    outcome = aws.run("ec2_nat_gateway", {"name": "t", "vpc": "v", "subnet": "a"})
    assert "Subnet has no route to the internet; mend that and re-run" in outcome.message


def test_deletion_waits_and_then_releases_an_address_that_is_still_held(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_nat_gateways", _gateway("available"))
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    aws.answers("ec2", "describe_subnets", SUBNETS)
    aws.answers("ec2", "describe_nat_gateways", _gateway("available"))
    aws.answers("ec2", "delete_nat_gateway", {}, NatGatewayId="nat-1")
    aws.answers("ec2", "describe_nat_gateways", _gateway("deleting"))
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": []})
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    aws.refuses("ec2", "release_address", "InvalidIPAddress.InUse")
    aws.answers("ec2", "release_address", {}, AllocationId="eipalloc-1")
    assert aws.run("ec2_nat_gateway", {"name": "t", "vpc": "v", "state": "absent"}).changed


def test_an_address_that_was_left_behind_is_released(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": []})
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": []})
    aws.answers("ec2", "describe_nat_gateways", {"NatGateways": []})
    aws.answers("ec2", "describe_addresses", {"Addresses": [ADDRESS]})
    aws.answers("ec2", "release_address", {}, AllocationId="eipalloc-1")
    outcome = aws.run("ec2_nat_gateway", {"name": "t", "vpc": "v", "state": "absent"})
    assert outcome.changed, outcome.message
    assert outcome.before == {"addresses": ["192.0.2.1"]}


# VPC endpoints -----------------------------------------------------------------------------------------------------

ENDPOINT = {
    "VpcEndpointId": "vpce-1",
    "VpcEndpointType": "Gateway",
    "VpcId": "vpc-1",
    "ServiceName": "com.amazonaws.us-east-1.s3",
    "State": "available",
    "RouteTableIds": [],
    "Tags": NAMED,
}


def test_an_endpoint_on_its_way_out_is_not_the_endpoint(aws: StubbedAws) -> None:
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_vpc_endpoints", {"VpcEndpoints": [{**ENDPOINT, "State": "Deleting"}]})
    outcome = aws.run("ec2_vpc_endpoint", {"name": "t", "vpc": "v", "service": "s3"}, check=True)
    assert outcome.result["action"] == "create"


def test_what_aws_did_not_delete_is_told(aws: StubbedAws) -> None:
    failure = {"ResourceId": "vpce-1", "Error": {"Code": "InvalidParameter", "Message": "It is in use"}}
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_vpc_endpoints", {"VpcEndpoints": [ENDPOINT]})
    aws.answers("ec2", "delete_vpc_endpoints", {"Unsuccessful": [failure]}, VpcEndpointIds=["vpce-1"])
    outcome = aws.run("ec2_vpc_endpoint", {"vpc": "v", "service": "s3", "state": "absent"})
    assert "AWS did not delete vpce-1: It is in use" in outcome.message


# Launch templates --------------------------------------------------------------------------------------------------


def _version(number: int, **data: Any) -> dict[str, Any]:
    return {"LaunchTemplateId": "lt-1", "VersionNumber": number, "LaunchTemplateData": data}


def test_old_versions_are_deleted_and_foreign_data_is_kept(aws: StubbedAws) -> None:
    current = _version(7, InstanceType="a", KeyName="k", MetadataOptions={"State": "applied", "HttpTokens": "required"})
    aws.answers("ec2", "describe_launch_template_versions", {"LaunchTemplateVersions": [current]})
    aws.answers("ec2", "describe_tags", {"Tags": []})
    aws.answers("ec2", "describe_launch_template_versions", {"LaunchTemplateVersions": [current]})
    wanted = {"InstanceType": "b", "KeyName": "k", "MetadataOptions": {"HttpTokens": "required"}}
    aws.answers(
        "ec2",
        "create_launch_template_version",
        {"LaunchTemplateVersion": _version(8)},
        LaunchTemplateId="lt-1",
        LaunchTemplateData=wanted,
    )
    aws.answers("ec2", "modify_launch_template", {}, LaunchTemplateId="lt-1", DefaultVersion="8")
    versions = {"LaunchTemplateVersions": [_version(number) for number in (8, 7, 6, 5, 4, 3, 2)]}
    aws.answers("ec2", "describe_launch_template_versions", versions, LaunchTemplateId="lt-1")
    aws.answers("ec2", "delete_launch_template_versions", {}, LaunchTemplateId="lt-1", Versions=["2", "3"])
    aws.answers("ec2", "describe_launch_template_versions", {"LaunchTemplateVersions": [_version(8, InstanceType="b")]})
    aws.answers("ec2", "describe_tags", {"Tags": []})
    outcome = aws.run("ec2_launch_template", {"name": "gpu", "instance_type": "b"})
    assert outcome.changed, outcome.message
    assert outcome.resource["version"] == 8


# Auto Scaling groups -----------------------------------------------------------------------------------------------


def _group(**other: Any) -> dict[str, Any]:
    group = {
        "AutoScalingGroupName": "g",
        "AutoScalingGroupARN": "arn:aws:autoscaling:us-east-1:123456789012:autoScalingGroup:1:autoScalingGroupName/g",
        "MinSize": 0,
        "MaxSize": 1,
        "DesiredCapacity": 0,
        "DefaultCooldown": 300,
        "AvailabilityZones": [],
        "HealthCheckType": "EC2",
        "CreatedTime": 0,
        "LaunchTemplate": {"LaunchTemplateName": "template", "Version": "$Default"},
        "VPCZoneIdentifier": "subnet-1",
        "CapacityRebalance": False,
        **other,
    }
    return {"AutoScalingGroups": [group]}


PRESENT = {"name": "g", "launch_template": "template", "min_size": 0, "max_size": 1, "vpc": "v", "subnets": ["a"]}


def _script_group(aws: StubbedAws, **other: Any) -> None:
    aws.answers("autoscaling", "describe_auto_scaling_groups", _group(**other))
    aws.answers("ec2", "describe_vpcs", VPC)
    aws.answers("ec2", "describe_subnets", SUBNETS)


def test_the_tag_of_ecs_is_no_difference(aws: StubbedAws) -> None:
    marks = [{"Key": key, "Value": "", "PropagateAtLaunch": True} for key in ("AmazonECSManaged", "aws:something")]
    _script_group(aws, Tags=marks)
    outcome = aws.run("autoscaling_group", {**PRESENT, "tags": {}})
    assert not outcome.changed, outcome.after


def test_what_ecs_scales_is_left_alone(aws: StubbedAws) -> None:
    _script_group(aws, DesiredCapacity=1)
    assert not aws.run("autoscaling_group", PRESENT).changed


def test_capacity_rebalance_is_written(aws: StubbedAws) -> None:
    _script_group(aws)
    aws.answers("autoscaling", "update_auto_scaling_group", {}, AutoScalingGroupName="g", CapacityRebalance=True)
    aws.answers("autoscaling", "describe_auto_scaling_groups", _group(CapacityRebalance=True))
    assert aws.run("autoscaling_group", {**PRESENT, "capacity_rebalance": True}).resource["capacity_rebalance"] is True


def test_protected_instances_are_freed_before_a_forced_deletion(aws: StubbedAws) -> None:
    instances = [
        {
            "InstanceId": f"i-{number}",
            "AvailabilityZone": "us-east-1a",
            "LifecycleState": "InService",
            "HealthStatus": "Healthy",
            "ProtectedFromScaleIn": number != 2,
        }
        for number in range(1, 4)
    ]
    aws.answers("autoscaling", "describe_auto_scaling_groups", _group(Instances=instances))
    aws.answers("autoscaling", "describe_auto_scaling_groups", _group(Instances=instances))
    aws.answers(
        "autoscaling",
        "set_instance_protection",
        {},
        AutoScalingGroupName="g",
        InstanceIds=["i-1", "i-3"],
        ProtectedFromScaleIn=False,
    )
    aws.refuses("autoscaling", "delete_auto_scaling_group", "ScalingActivityInProgress")
    aws.answers("autoscaling", "delete_auto_scaling_group", {}, AutoScalingGroupName="g", ForceDelete=True)
    aws.answers("autoscaling", "describe_auto_scaling_groups", _group(Status="Delete in progress"))
    aws.answers("autoscaling", "describe_auto_scaling_groups", {"AutoScalingGroups": []})
    assert aws.run("autoscaling_group", {"name": "g", "state": "absent"}).changed
