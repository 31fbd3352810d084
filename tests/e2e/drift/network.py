"""The network, changed by somebody else."""

from __future__ import annotations

from typing import Any

from tests.e2e.drift.mutation import PROJECT, Account, Mutation

VPC = f"{PROJECT}-vpc"
EVERYWHERE = "0.0.0.0/0"
_PRIVATE, _PUBLIC = (f"{PROJECT}-{side}-us-east-1" for side in ("private", "public"))

_PUBLIC_TABLE = (("Route table", f"{PROJECT}-public in {VPC}", "subnets"),)


def _named(aws: Account, listing: str, items: str, member: str, name: str) -> str:
    found = getattr(aws("ec2"), listing)(Filters=[{"Name": "tag:Name", "Values": [name]}])[items]
    return next(str(item[member]) for item in found if {"Key": "Name", "Value": name} in item["Tags"])


def vpc(aws: Account) -> str:
    return _named(aws, "describe_vpcs", "Vpcs", "VpcId", VPC)


def subnet(aws: Account, name: str) -> str:
    return _named(aws, "describe_subnets", "Subnets", "SubnetId", name)


def table(aws: Account, name: str) -> dict[str, Any]:
    wanted = [{"Name": "vpc-id", "Values": [vpc(aws)]}, {"Name": "tag:Name", "Values": [name]}]
    found: list[dict[str, Any]] = aws("ec2").describe_route_tables(Filters=wanted)["RouteTables"]
    return found[0]


def group(aws: Account, name: str) -> str:
    wanted = [{"Name": "vpc-id", "Values": [vpc(aws)]}, {"Name": "group-name", "Values": [name]}]
    return str(aws("ec2").describe_security_groups(Filters=wanted)["SecurityGroups"][0]["GroupId"])


def gateway(aws: Account) -> str:
    return _named(aws, "describe_internet_gateways", "InternetGateways", "InternetGatewayId", f"{PROJECT}-igw")


def nat(aws: Account) -> dict[str, Any]:
    found = aws("ec2").describe_nat_gateways(Filter=[{"Name": "vpc-id", "Values": [vpc(aws)]}])["NatGateways"]
    return next(item for item in found if item["State"] == "available")


def endpoint(aws: Account) -> str:
    found = aws("ec2").describe_vpc_endpoints()["VpcEndpoints"]
    return next(str(item["VpcEndpointId"]) for item in found if item["VpcId"] == vpc(aws))


def _tag(aws: Account, resource: str, key: str, value: str) -> None:
    aws("ec2").create_tags(Resources=[resource], Tags=[{"Key": key, "Value": value}])


def _untag(aws: Account, resource: str, key: str) -> None:
    aws("ec2").delete_tags(Resources=[resource], Tags=[{"Key": key}])


def _let_in(aws: Account, name: str, **source: Any) -> None:
    permission = {"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, **source}
    aws("ec2").authorize_security_group_ingress(GroupId=group(aws, name), IpPermissions=[permission])


def _leave_table(aws: Account, name: str) -> None:
    links = [item for item in table(aws, name)["Associations"] if "SubnetId" in item]
    aws("ec2").disassociate_route_table(AssociationId=links[0]["RouteTableAssociationId"])


def _move_subnet(aws: Account) -> None:
    """Let a private subnet use the public table."""
    links = [item for item in table(aws, f"{_PRIVATE}b")["Associations"] if "SubnetId" in item]
    aws("ec2").replace_route_table_association(
        AssociationId=links[0]["RouteTableAssociationId"], RouteTableId=table(aws, f"{PROJECT}-public")["RouteTableId"]
    )


def _rule(port: int, **source: str) -> dict[str, Any]:
    return {"protocol": "tcp", "from_port": port, "to_port": port, **source}


def _address(aws: Account) -> str:
    found = aws("ec2").describe_addresses()["Addresses"]
    wanted = {"Key": "Name", "Value": f"{PROJECT}-nat-us-east-1a"}
    return next(str(item["AllocationId"]) for item in found if wanted in item.get("Tags", []))


def _replace_route(aws: Account) -> None:
    aws("ec2").replace_route(
        RouteTableId=table(aws, f"{_PRIVATE}a")["RouteTableId"], DestinationCidrBlock=EVERYWHERE, GatewayId=gateway(aws)
    )


def _set_hostnames(aws: Account) -> None:
    aws("ec2").modify_vpc_attribute(VpcId=vpc(aws), EnableDnsHostnames={"Value": False})


MUTATIONS = {
    "VPC without DNS names": Mutation(_set_hostnames, "VPC", VPC, "dns_hostnames", False, True),
    "VPC with a foreign tag": Mutation(
        lambda aws: _tag(aws, vpc(aws), "Owner", "x"), "VPC", VPC, "tags.Owner", "x", None
    ),
    "VPC with another tag": Mutation(
        lambda aws: _tag(aws, vpc(aws), "Environment", "x"), "VPC", VPC, "tags.Environment", "x", "dev"
    ),
    "subnet with public addresses": Mutation(
        lambda aws: aws("ec2").modify_subnet_attribute(
            SubnetId=subnet(aws, f"{_PRIVATE}a"), MapPublicIpOnLaunch={"Value": True}
        ),
        *("Subnet", f"{_PRIVATE}a in {VPC}", "map_public_ip_on_launch", True, False),
    ),
    "subnet with a foreign tag": Mutation(
        lambda aws: _tag(aws, subnet(aws, f"{_PUBLIC}b"), "kubernetes.io/role/elb", "1"),
        *("Subnet", f"{_PUBLIC}b in {VPC}", "tags[kubernetes.io/role/elb]", "1", None),
    ),
    "subnet without its name": Mutation(
        lambda aws: _untag(aws, subnet(aws, f"{_PUBLIC}c"), "Name"),
        *("Subnet", f"{_PUBLIC}c in {VPC}", "name", None, f"{_PUBLIC}c"),
        elsewhere=_PUBLIC_TABLE,
    ),
    "internet gateway without a tag": Mutation(
        lambda aws: _untag(aws, gateway(aws), "Project"),
        *("Internet gateway", f"{PROJECT}-igw in {VPC}", "tags.Project", None, "tamma"),
    ),
    "NAT gateway with another tag": Mutation(
        lambda aws: _tag(aws, nat(aws)["NatGatewayId"], "Environment", "prod"),
        *("NAT gateway", f"{PROJECT}-nat-us-east-1a in {VPC}", "tags.Environment", "prod", "dev"),
    ),
    "NAT gateway's address without a tag": Mutation(
        lambda aws: _untag(aws, _address(aws), "Project"),
        *("NAT gateway", f"{PROJECT}-nat-us-east-1a in {VPC}", "address_tags"),
        {"Name": f"{PROJECT}-nat-us-east-1a", "Environment": "dev", "ManagedBy": "ansible"},
        "those of the gateway",
    ),
    "extra route": Mutation(
        lambda aws: aws("ec2").create_route(
            RouteTableId=table(aws, f"{_PRIVATE}c")["RouteTableId"],
            DestinationCidrBlock="192.0.2.0/24",
            GatewayId=gateway(aws),
        ),
        *("Route table", f"{_PRIVATE}c in {VPC}", "routes[192.0.2.0/24]"),
        {"destination": "192.0.2.0/24", "internet_gateway": f"{PROJECT}-igw"},
        None,
    ),
    "route around NAT": Mutation(
        _replace_route,
        *("Route table", f"{_PRIVATE}a in {VPC}", f"routes[{EVERYWHERE}].nat_gateway", None),
        f"{PROJECT}-nat-us-east-1a",
        also=((f"routes[{EVERYWHERE}].internet_gateway", f"{PROJECT}-igw", None),),
    ),
    "route removed": Mutation(
        lambda aws: aws("ec2").delete_route(
            RouteTableId=table(aws, f"{PROJECT}-public")["RouteTableId"], DestinationCidrBlock=EVERYWHERE
        ),
        *("Route table", f"{PROJECT}-public in {VPC}", f"routes[{EVERYWHERE}]", None),
        {"destination": EVERYWHERE, "internet_gateway": f"{PROJECT}-igw"},
    ),
    "subnet without its table": Mutation(
        lambda aws: _leave_table(aws, f"{_PRIVATE}c"),
        *("Route table", f"{_PRIVATE}c in {VPC}", "subnets", [], [f"{_PRIVATE}c"]),
    ),
    "subnet in another table": Mutation(
        _move_subnet,
        *("Route table", f"{_PRIVATE}b in {VPC}", "subnets", [], [f"{_PRIVATE}b"]),
        elsewhere=_PUBLIC_TABLE,
    ),
    "endpoint not for a table": Mutation(
        lambda aws: aws("ec2").modify_vpc_endpoint(
            VpcEndpointId=endpoint(aws), RemoveRouteTableIds=[table(aws, f"{_PRIVATE}b")["RouteTableId"]]
        ),
        *("VPC endpoint", f"for s3 in {VPC}", "route_tables"),
        [f"{_PRIVATE}a", f"{_PRIVATE}c", f"{PROJECT}-public"],
        [f"{_PRIVATE}a", f"{_PRIVATE}b", f"{_PRIVATE}c", f"{PROJECT}-public"],
    ),
    "endpoint with a foreign tag": Mutation(
        lambda aws: _tag(aws, endpoint(aws), "Owner", "x"), "VPC endpoint", f"for s3 in {VPC}", "tags.Owner", "x", None
    ),
    "SSH from everywhere": Mutation(
        lambda aws: _let_in(aws, f"{PROJECT}-worker-sg", IpRanges=[{"CidrIp": EVERYWHERE}]),
        *("Security group", f"{PROJECT}-worker-sg in {VPC}", "ingress[0]", _rule(22, cidr=EVERYWHERE), None),
    ),
    "everything out": Mutation(
        lambda aws: aws("ec2").authorize_security_group_egress(
            GroupId=group(aws, f"{PROJECT}-worker-sg"),
            IpPermissions=[{"IpProtocol": "-1", "IpRanges": [{"CidrIp": EVERYWHERE}]}],
        ),
        *("Security group", f"{PROJECT}-worker-sg in {VPC}", "egress[1]"),
        {"protocol": "all", "cidr": EVERYWHERE},
        None,
    ),
    "default group opened": Mutation(
        lambda aws: _let_in(aws, "default", IpRanges=[{"CidrIp": "198.51.100.0/24"}]),
        *("Security group", f"default in {VPC}", "ingress[0]", _rule(22, cidr="198.51.100.0/24"), None),
    ),
    "group without a tag": Mutation(
        lambda aws: _untag(aws, group(aws, f"{PROJECT}-worker-sg"), "ManagedBy"),
        *("Security group", f"{PROJECT}-worker-sg in {VPC}", "tags.ManagedBy", None, "ansible"),
    ),
}
