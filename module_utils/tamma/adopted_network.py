"""A VPC that something else made, in the words of this project: the names and ranges that its parts have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.tamma import holdings
from ansible.module_utils.tamma.ec2 import Vpc, filters
from ansible.module_utils.tamma.errors import RefusalError

_ALIVE = ["pending", "available"]


@dataclass
class Network:
    """What was found; `names` has keys of naming_adopted_names, `variables` are inputs of the role network."""

    names: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    gateways: int = 0
    """How many NAT gateways there are."""


class _Parts:
    """What EC2 says about one VPC, each kind read once."""

    def __init__(self, ec2: Any, vpc: str) -> None:
        within = filters({"vpc-id": [vpc]})
        attached = filters({"attachment.vpc-id": [vpc]})

        def read(operation: str, items: str, **arguments: Any) -> list[dict[str, Any]]:
            found = holdings.listed(ec2, operation, items, arguments)
            # ministack 1.5.33 lists the endpoints of all VPCs.
            return [item for item in found if item.get("VpcId", vpc) == vpc]

        self.subnets = read("describe_subnets", "Subnets", Filters=within)
        self.tables = read("describe_route_tables", "RouteTables", Filters=within)
        self.gateways = read("describe_internet_gateways", "InternetGateways", Filters=attached)
        self.nats = read("describe_nat_gateways", "NatGateways", Filter=filters({"vpc-id": [vpc], "state": _ALIVE}))
        self.endpoints = read("describe_vpc_endpoints", "VpcEndpoints", Filters=within)
        self.groups = read("describe_security_groups", "SecurityGroups", Filters=within)

    def table_of(self, subnet: Mapping[str, Any]) -> dict[str, Any]:
        """Return the route table that a subnet uses: its own, or the main one."""
        main: dict[str, Any] = {}
        for table in self.tables:
            for link in table.get("Associations", []):
                if link.get("SubnetId") == subnet["SubnetId"]:
                    return table
                main = table if link.get("Main") else main
        return main

    def is_public(self, subnet: Mapping[str, Any]) -> bool:
        """Whether a subnet has a way to an internet gateway."""
        return any(
            str(route.get("GatewayId", "")).startswith("igw-") for route in self.table_of(subnet).get("Routes", [])
        )

    def by_zone(self, *, public: bool) -> dict[str, dict[str, Any]]:
        """Map zones to their public or private subnet; of several the one that is called so, then the first range."""
        word = "public" if public else "private"
        wanted = [subnet for subnet in self.subnets if self.is_public(subnet) is public]
        wanted.sort(key=lambda one: (word not in holdings.named(one), one["CidrBlock"]), reverse=True)
        return {str(subnet["AvailabilityZone"]): subnet for subnet in wanted}


def survey(ec2: Any, vpc: Vpc, worker_group: str) -> Network:
    """Return what the VPC's parts are called; nothing when there is no VPC, or nothing in it.

    RefusalError when its subnets are none that this project can work with.
    """
    if vpc.id is None:
        return Network()
    parts = _Parts(ec2, vpc.id)
    if not parts.subnets:
        return Network(variables={"network_vpc_cidr": (vpc.described or {})["CidrBlock"]})
    public, private = parts.by_zone(public=True), parts.by_zone(public=False)
    zones = sorted(public.keys() & private.keys(), key=lambda zone: (not _nats_in(parts, zone, public), zone))
    if not zones:
        raise RefusalError(
            f"no zone of {vpc.name} has both a public and a private subnet (a public one has a route to an internet "
            "gateway); add what is missing, or rename the VPC so that a new one is made"
        )
    network = Network(_names(parts, vpc.name, zones, public, private), gateways=len(parts.nats))
    network.variables = {
        "network_vpc_cidr": (vpc.described or {})["CidrBlock"],
        "network_public_cidrs": [public[zone]["CidrBlock"] for zone in zones],
        "network_private_cidrs": [private[zone]["CidrBlock"] for zone in zones],
    }
    if parts.nats:
        network.variables["network_nat"] = "single" if len(parts.nats) == 1 else "per_az"
    for group in parts.groups:
        if group["GroupName"] == worker_group:
            network.variables["network_worker_description"] = group["Description"]
    return network


def _names(
    parts: _Parts, vpc: str, zones: list[str], public: Mapping[str, Any], private: Mapping[str, Any]
) -> dict[str, Any]:
    nats = {zone: next(iter(_nats_in(parts, zone, public)), {}) for zone in zones}
    names: dict[str, Any] = {
        "zones": zones,
        "public_subnets": [_called("subnet", public[zone], "SubnetId") for zone in zones],
        "private_subnets": [_called("subnet", private[zone], "SubnetId") for zone in zones],
        "private_route_tables": [holdings.named(parts.table_of(private[zone])) for zone in zones],
        "public_route_table": holdings.named(parts.table_of(public[zones[0]])),
        "internet_gateway": next(map(holdings.named, parts.gateways), ""),
        "s3_endpoint": next((holdings.named(one) for one in parts.endpoints if _is_s3(one)), ""),
    }
    if parts.nats:
        names["nat_gateways"] = [holdings.named(nats[zone]) or f"{vpc}-{zone}" for zone in zones]
    # What has no name is found in another way, or made anew: a table without one may be the main table.
    return {key: value for key, value in names.items() if value and (isinstance(value, str) or all(value))}


def _nats_in(parts: _Parts, zone: str, public: Mapping[str, Any]) -> list[dict[str, Any]]:
    place = public.get(zone, {}).get("SubnetId")
    return [nat for nat in parts.nats if nat["SubnetId"] == place]


def _is_s3(endpoint: Mapping[str, Any]) -> bool:
    return endpoint.get("VpcEndpointType") == "Gateway" and str(endpoint["ServiceName"]).endswith(".s3")


def _called(what: str, item: Mapping[str, Any], identity: str) -> str:
    name = holdings.named(item)
    if not name:
        raise RefusalError(f"the {what} {item[identity]} has no tag Name, by which it is found; give it one and re-run")
    return name
