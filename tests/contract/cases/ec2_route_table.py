"""The contract of library/ec2_route_table.py."""

from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

NAME = "tamma-dev-private"
VPC = "tamma-dev-vpc"
PRESENT: dict[str, Any] = {
    "name": NAME,
    "vpc": VPC,
    "subnets": ["a", "b"],
    "routes": [
        {"destination": "0.0.0.0/0", "nat_gateway": "nat"},
        {"destination": "192.0.2.7/24", "internet_gateway": "igw"},
    ],
    "tags": {"Project": "tamma"},
}


def _named(kind: str, name: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def _parents(aws: Aws) -> None:
    ec2 = aws.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=_named("vpc", VPC))["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.20.{at}.0/24", TagSpecifications=_named("subnet", name))
        for at, name in enumerate(("a", "b", "c"))
    ]
    gateway = ec2.create_internet_gateway(TagSpecifications=_named("internet-gateway", "igw"))
    gateway_id = gateway["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway_id, VpcId=vpc)
    for name in ("nat", "nat2"):
        address = ec2.allocate_address(Domain="vpc")["AllocationId"]
        ec2.create_nat_gateway(
            SubnetId=subnets[0]["Subnet"]["SubnetId"],
            AllocationId=address,
            TagSpecifications=_named("natgateway", name),
        )
    ec2.create_route_table(VpcId=vpc, TagSpecifications=_named("route-table", "other"))


def _table(aws: Aws, name: str = NAME) -> dict[str, Any]:
    filters = [{"Name": "tag:Name", "Values": [name]}]
    found: dict[str, Any] = aws.client("ec2").describe_route_tables(Filters=filters)["RouteTables"][0]
    return found


def _internet_gateway(aws: Aws) -> str:
    filters = [{"Name": "tag:Name", "Values": ["igw"]}]
    gateways = aws.client("ec2").describe_internet_gateways(Filters=filters)["InternetGateways"]
    return str(gateways[0]["InternetGatewayId"])


def _extra_route(aws: Aws) -> None:
    aws.client("ec2").create_route(
        RouteTableId=_table(aws)["RouteTableId"],
        DestinationCidrBlock="198.51.100.0/24",
        GatewayId=_internet_gateway(aws),
    )


def _lead_to_the_internet(aws: Aws) -> None:
    aws.client("ec2").replace_route(
        RouteTableId=_table(aws)["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", GatewayId=_internet_gateway(aws)
    )


def _move_subnet(aws: Aws) -> None:
    association = next(item for item in _table(aws)["Associations"] if item.get("SubnetId"))
    aws.client("ec2").replace_route_table_association(
        AssociationId=association["RouteTableAssociationId"], RouteTableId=_table(aws, "other")["RouteTableId"]
    )


def _free_subnet(aws: Aws) -> None:
    association = next(item for item in _table(aws)["Associations"] if item.get("SubnetId"))
    aws.client("ec2").disassociate_route_table(AssociationId=association["RouteTableAssociationId"])


def _take_subnet(aws: Aws) -> None:
    subnets = aws.client("ec2").describe_subnets(Filters=[{"Name": "tag:Name", "Values": ["c"]}])["Subnets"]
    aws.client("ec2").associate_route_table(RouteTableId=_table(aws)["RouteTableId"], SubnetId=subnets[0]["SubnetId"])


def _tag(aws: Aws) -> None:
    tags = [{"Key": "Owner", "Value": "somebody"}, {"Key": "Project", "Value": "other"}]
    aws.client("ec2").create_tags(Resources=[_table(aws)["RouteTableId"]], Tags=tags)


CASE = Case(
    module="ec2_route_table",
    present=PRESENT,
    changed={
        "subnets": ["b", "c"],
        "routes": [{"destination": "0.0.0.0/0", "nat_gateway": "nat2"}],
        "tags": {"Project": "tamma", "Environment": "dev"},
    },
    drift=[
        Drift("routes", _extra_route, "extra route"),
        Drift("routes", _lead_to_the_internet, "route replaced"),
        Drift("subnets", _move_subnet, "subnet moved"),
        Drift("subnets", _free_subnet, "subnet freed"),
        Drift("subnets", _take_subnet, "subnet taken"),
        Drift("tags", _tag),
    ],
    refused=[
        Refusal({"routes": [{"destination": "0.0.0.0/0"}]}, "needs one of", "no target"),
        Refusal({"routes": [{"destination": "internet", "nat_gateway": "nat"}]}, "no network", "no network"),
        Refusal({"routes": [*PRESENT["routes"], PRESENT["routes"][0]]}, "two routes", "route twice"),
        Refusal({"tags": {"Name": "other"}}, "leave the tag out", "tag Name"),
    ],
    parents=_parents,
)
