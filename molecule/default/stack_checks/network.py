"""Row 1: VPC, subnets, ways out, S3 endpoint, security groups."""

from __future__ import annotations

from ipaddress import ip_network
from itertools import combinations
from typing import Any

from stack_checks.report import Report


def _name(resource: dict[str, Any]) -> str:
    return str({tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}.get("Name", ""))


def _in(vpc: str, name: str = "vpc-id") -> list[dict[str, Any]]:
    return [{"Name": name, "Values": [vpc]}]


def check(report: Report) -> None:
    """Check row 1."""
    stack, ec2 = report.stack, report.stack.client("ec2")
    with report.row("1 network"):
        named = [{"Name": "tag:Name", "Values": [f"{stack.prefix}-vpc"]}]
        vpc = report.only(f"VPC {stack.prefix}-vpc", ec2.describe_vpcs(Filters=named)["Vpcs"])
        _vpc(report, ec2, vpc)
        subnets = _subnets(report, ec2, vpc["VpcId"])
        gateway = _internet_gateway(report, ec2, vpc["VpcId"])
        nats = _nat_gateways(report, ec2, vpc["VpcId"], subnets)
        # With one NAT gateway every zone goes out through it.
        ways_out = {
            f"{stack.prefix}-private-{zone}": nats.get(zone, nats.get(stack.zones[0], "")) for zone in stack.zones
        }
        ways_out[f"{stack.prefix}-public"] = gateway
        tables = _route_tables(report, ec2, vpc["VpcId"], subnets, ways_out)
        _endpoint(report, ec2, vpc["VpcId"], tables)
        _security_groups(report, ec2, vpc["VpcId"])


def _vpc(report: Report, ec2: Any, vpc: dict[str, Any]) -> None:
    report.same("VPC: address range", vpc["CidrBlock"], "10.0.0.0/16")
    report.tags("VPC", vpc["Tags"])
    for attribute, key in (("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames")):
        answer = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute=attribute)
        report.same(f"VPC: {attribute}", answer[key]["Value"], True)


def _subnets(report: Report, ec2: Any, vpc: str) -> dict[str, dict[str, Any]]:
    stack = report.stack
    found = ec2.describe_subnets(Filters=_in(vpc))["Subnets"]
    subnets = {_name(subnet): subnet for subnet in found}
    expected = {f"{stack.prefix}-{kind}-{zone}": zone for kind in ("public", "private") for zone in stack.zones}
    report.same("subnets: names", sorted(_name(subnet) for subnet in found), sorted(expected))
    for name, subnet in sorted(subnets.items()):
        report.same(f"{name}: zone", subnet["AvailabilityZone"], expected.get(name))
        report.same(f"{name}: instances get no public address", subnet["MapPublicIpOnLaunch"], False)
        report.tags(name, subnet["Tags"])
        if "-private-" in name:
            report.same(f"{name}: size", ip_network(subnet["CidrBlock"]).prefixlen, 20)
    ranges = [ip_network(subnet["CidrBlock"]) for subnet in found]
    report.holds(
        "subnets: lie in the VPC and apart from each other",
        all(part.subnet_of(ip_network("10.0.0.0/16")) for part in ranges)  # type: ignore[arg-type]  # all are IPv4
        and not any(a.overlaps(b) for a, b in combinations(ranges, 2)),
        f"their ranges are {[str(part) for part in ranges]}",
    )
    return subnets


def _internet_gateway(report: Report, ec2: Any, vpc: str) -> str:
    found = ec2.describe_internet_gateways(Filters=_in(vpc, "attachment.vpc-id"))["InternetGateways"]
    gateway = report.only("internet gateway", found)
    report.same("internet gateway: name", _name(gateway), f"{report.stack.prefix}-igw")
    report.tags("internet gateway", gateway["Tags"])
    return str(gateway["InternetGatewayId"])


def _nat_gateways(report: Report, ec2: Any, vpc: str, subnets: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return the id of the NAT gateway of each zone that has one."""
    stack = report.stack
    states = {"Name": "state", "Values": ["pending", "available"]}
    found = ec2.describe_nat_gateways(Filter=[*_in(vpc), states])["NatGateways"]
    zones = {"none": [], "single": stack.zones[:1], "per_az": stack.zones}[stack.nat]
    names = sorted(_name(nat) for nat in found)
    report.same("NAT gateways: names", names, [f"{stack.prefix}-nat-{zone}" for zone in zones])
    zone_of = {subnet["SubnetId"]: (name, subnet["AvailabilityZone"]) for name, subnet in subnets.items()}
    result = {}
    for nat in found:
        subnet, zone = zone_of.get(nat["SubnetId"], ("", ""))
        report.same(f"{_name(nat)}: subnet", subnet, f"{stack.prefix}-public-{_name(nat)[-len(stack.zones[0]) :]}")
        report.same(f"{_name(nat)}: state", nat["State"], "available")
        report.tags(_name(nat), nat["Tags"])
        result[zone] = nat["NatGatewayId"]
    return result


def _route_tables(
    report: Report, ec2: Any, vpc: str, subnets: dict[str, dict[str, Any]], ways_out: dict[str, str]
) -> list[str]:
    """Check where each table leads, `ways_out` being the target of each table's default route; return their ids."""
    found = ec2.describe_route_tables(Filters=_in(vpc))["RouteTables"]
    main = [table for table in found if any(link.get("Main") for link in table["Associations"])]
    ours = {_name(table): table for table in found if table not in main}
    report.same("route tables: names", sorted(ours), sorted(ways_out))
    for table in main:
        report.same("main route table: leads nowhere", _routes(table), {})
    for name, table in sorted(ours.items()):
        report.tags(f"route table {name}", table["Tags"])
        linked = sorted(link["SubnetId"] for link in table["Associations"] if "SubnetId" in link)
        # A private table has the name of its subnet; the public one serves all public subnets.
        members = [subnet for key, subnet in subnets.items() if key == name or key.startswith(f"{name}-")]
        report.same(f"route table {name}: subnets", linked, sorted(subnet["SubnetId"] for subnet in members))
        target = ways_out.get(name)
        report.same(f"route table {name}: routes", _routes(table), {"0.0.0.0/0": target} if target else {})
    return [table["RouteTableId"] for table in ours.values()]


def _routes(table: dict[str, Any]) -> dict[str, str]:
    """Return where each range leads, but for the VPC itself and AWS services behind gateway endpoints."""
    result = {}
    for route in table["Routes"]:
        target = route.get("NatGatewayId") or route.get("GatewayId") or "another target"
        if target != "local" and not target.startswith("vpce-"):
            result[str(route.get("DestinationCidrBlock") or route.get("DestinationIpv6CidrBlock"))] = target
    return result


def _endpoint(report: Report, ec2: Any, vpc: str, tables: list[str]) -> None:
    found = ec2.describe_vpc_endpoints(Filters=_in(vpc))["VpcEndpoints"]
    endpoint = report.only("S3 endpoint", [item for item in found if item["State"].lower() != "deleted"])
    report.same("S3 endpoint: service", endpoint["ServiceName"], f"com.amazonaws.{report.stack.region}.s3")
    report.same("S3 endpoint: type", endpoint["VpcEndpointType"], "Gateway")
    report.same("S3 endpoint: state", endpoint["State"].lower(), "available")
    report.same("S3 endpoint: name", _name(endpoint), f"{report.stack.prefix}-s3")
    report.same("S3 endpoint: route tables", sorted(endpoint["RouteTableIds"]), sorted(tables))
    report.tags("S3 endpoint", endpoint["Tags"])


def _security_groups(report: Report, ec2: Any, vpc: str) -> None:
    found = ec2.describe_security_groups(Filters=_in(vpc))["SecurityGroups"]
    groups = {group["GroupName"]: group for group in found}
    worker = f"{report.stack.prefix}-worker-sg"
    report.same("security groups: names", sorted(groups), sorted([worker, "default"]))
    for name in (worker, "default"):
        report.same(f"{name}: nobody calls in", groups[name]["IpPermissions"], [])
    report.same("default: nobody calls out", groups["default"]["IpPermissionsEgress"], [])
    report.tags(worker, groups[worker].get("Tags", []))
    egress = [
        (rule["IpProtocol"], rule.get("FromPort"), rule.get("ToPort"), [part["CidrIp"] for part in rule["IpRanges"]])
        for rule in groups[worker]["IpPermissionsEgress"]
    ]
    report.same(f"{worker}: calls out over TLS alone", egress, [("tcp", 443, 443, ["0.0.0.0/0"])])
