#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a route table of a VPC."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_route_table
short_description: Manage a route table, its routes and its subnets
description:
  - Creates, updates and deletes a route table, found by its tag C(Name) and its VPC.
options:
  name:
    description: Name of the route table; its tag C(Name).
    type: str
    required: true
  vpc:
    description: Name of the VPC.
    type: str
    required: true
  subnets:
    description: Names of the subnets that use this table; others are given back to the main table.
    type: list
    elements: str
  routes:
    description:
      - All routes of the table; others are removed.
      - The local route, those of gateway endpoints and propagated ones are not touched.
    type: list
    elements: dict
    suboptions:
      destination:
        description: Destination in CIDR notation.
        type: str
        required: true
      internet_gateway:
        description: Name of the internet gateway that the traffic goes to.
        type: str
      nat_gateway:
        description: Name of the NAT gateway that the traffic goes to.
        type: str
notes:
  - Exists because amazon.aws.ec2_vpc_route_table looks up a table by all its tags; a changed tag creates a second one.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the private route table exists
  ec2_route_table:
    name: tamma-dev-private
    vpc: tamma-dev-vpc
    subnets: [tamma-dev-private-us-east-1a, tamma-dev-private-us-east-1b]
    routes:
      - {destination: 0.0.0.0/0, nat_gateway: tamma-dev-nat}
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The route table in the names of this module's options, with its C(id).
  returned: success
  type: dict
"""

from ipaddress import ip_network
from typing import Any, ClassVar

from ansible.module_utils.tamma import ec2, tags
from ansible.module_utils.tamma.ec2 import INTERNET_GATEWAY, NAT_GATEWAY, SUBNET, VpcResource, filters, other_tags
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import run

_GATEWAYS = {
    "internet_gateway": (INTERNET_GATEWAY, "GatewayId"),
    "nat_gateway": (NAT_GATEWAY, "NatGatewayId"),
}
_DESTINATIONS = ("DestinationCidrBlock", "DestinationIpv6CidrBlock", "DestinationPrefixListId")
_NOT_A_TARGET = {*_DESTINATIONS, "State", "Origin", "InstanceOwnerId", "OdbNetworkArn"}


class RouteTable(VpcResource):
    """A route table with its routes and subnets."""

    kind = "Route table"
    identity: ClassVar = {"name": {"type": "str", "required": True}, "vpc": {"type": "str", "required": True}}
    spec: ClassVar = {
        "subnets": {"type": "list", "elements": "str"},
        "routes": {
            "type": "list",
            "elements": "dict",
            "options": {
                "destination": {"type": "str", "required": True},
                **{gateway: {"type": "str"} for gateway in _GATEWAYS},
            },
        },
    }
    computed = ("id",)

    def desired(self) -> State:
        """Return subnets and routes in order, destinations as AWS writes them."""
        state = super().desired()
        if "subnets" in state:
            state["subnets"] = sorted(set(state["subnets"]))
        for route in state.get("routes", []):
            route["destination"] = _network(route["destination"])
        state.get("routes", []).sort(key=lambda route: route["destination"])
        return state

    def check(self, desired: State) -> None:
        """Refuse a route without a target or with two, and two routes to one destination."""
        destinations = [route["destination"] for route in desired.get("routes", [])]
        for route in desired.get("routes", []):
            if len(_GATEWAYS.keys() & route.keys()) != 1:
                raise RefusalError(f"the route to {route['destination']} needs one of {' or '.join(_GATEWAYS)}")
            if destinations.count(route["destination"]) > 1:
                raise RefusalError(f"there are two routes to {route['destination']}; keep one")

    def find(self) -> State | None:
        """Return the table in normal form, without the routes that are not ours to manage."""
        table = self._read()
        if table is None:
            return None
        routes = [self._route(route) for route in table["Routes"] if not _is_foreign(route)]
        return {
            "id": table["RouteTableId"],
            "subnets": self.vpc.to_names(SUBNET, _subnets(table)),
            "routes": sorted(routes, key=lambda route: route["destination"]),
            "tags": other_tags(table),
        }

    def create(self, desired: State) -> None:
        """Create the table, then its routes, then let the subnets use it."""
        calls = {route["destination"]: self._target(route) for route in desired.get("routes", [])}
        subnets = [self.vpc.to_id(SUBNET, name) for name in desired.get("subnets", [])]
        table = self.ec2.create_route_table(
            VpcId=self.vpc.need_id(), **ec2.specification("route-table", self.all_tags(desired))
        )["RouteTable"]
        for destination, target in calls.items():
            self.ec2.create_route(RouteTableId=table["RouteTableId"], **_destination(destination), **target)
        self._use(table["RouteTableId"], subnets)

    def update(self, current: State, changes: State) -> None:
        """Change routes first, so that a subnet that is added meets the right ones."""
        if "routes" in changes:
            self._reroute(current, changes["routes"])
        if "subnets" in changes:
            wanted = [self.vpc.to_id(SUBNET, name) for name in changes["subnets"]]
            table = self._read() or {}
            used = _subnets(table)
            self._use(current["id"], [subnet for subnet in wanted if subnet not in used])
            for subnet in set(used) - set(wanted):
                self.ec2.disassociate_route_table(AssociationId=used[subnet])
        if "tags" in changes:
            ec2.retag(self.ec2, [current["id"]], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Give the subnets back to the main table, then delete this one."""
        for association in _subnets(self._read() or {}).values():
            self.ec2.disassociate_route_table(AssociationId=association)
        self.ec2.delete_route_table(RouteTableId=current["id"])

    def _read(self) -> dict[str, Any] | None:
        if self.vpc.id is None:
            return None
        # All tables of the VPC: one question, whichever of them is asked about.
        pages = self.ec2.get_paginator("describe_route_tables").paginate(Filters=filters({"vpc-id": [self.vpc.id]}))
        tables: list[dict[str, Any]] = [
            table
            for table in pages.build_full_result()["RouteTables"]
            if tags.to_dict(table.get("Tags")).get("Name") == self.params["name"]
        ]
        if len(tables) > 1:
            ids = ", ".join(table["RouteTableId"] for table in tables)
            raise RefusalError(f"several tables have this name ({ids}); delete or rename all but one")
        return tables[0] if tables else None

    def _route(self, route: dict[str, Any]) -> dict[str, str]:
        destination = next(str(route[name]) for name in _DESTINATIONS if name in route)
        for option, (kind, member) in _GATEWAYS.items():
            name = self.vpc.names(kind).get(route[member]) if member in route else None
            if name and route.get("State") != "blackhole":
                return {"destination": destination, option: name}
        targets = [str(value) for key, value in sorted(route.items()) if key not in _NOT_A_TARGET]
        return {"destination": destination, "target": " ".join([*targets, str(route.get("State", ""))]).strip()}

    def _target(self, route: dict[str, str]) -> dict[str, str]:
        option = next(name for name in _GATEWAYS if name in route)
        kind, member = _GATEWAYS[option]
        return {member: self.vpc.to_id(kind, route[option])}

    def _reroute(self, current: State, routes: list[dict[str, str]]) -> None:
        before = {route["destination"]: route for route in current["routes"]}
        after = {route["destination"]: route for route in routes}
        targets = {to: self._target(route) for to, route in after.items() if before.get(to) != route}
        for to, target in targets.items():
            call = self.ec2.replace_route if to in before else self.ec2.create_route
            call(RouteTableId=current["id"], **_destination(to), **target)
        for to in sorted(before.keys() - after.keys()):
            self.ec2.delete_route(RouteTableId=current["id"], **_destination(to))

    def _use(self, table: str, subnets: list[str]) -> None:
        if not subnets:
            return
        wanted = filters({"association.subnet-id": subnets})
        others = self.ec2.get_paginator("describe_route_tables").paginate(Filters=wanted).build_full_result()
        elsewhere = {subnet: where for other in others["RouteTables"] for subnet, where in _subnets(other).items()}
        for subnet in subnets:
            if subnet in elsewhere:
                self.ec2.replace_route_table_association(AssociationId=elsewhere[subnet], RouteTableId=table)
            else:
                self.ec2.associate_route_table(RouteTableId=table, SubnetId=subnet)


def _subnets(table: dict[str, Any]) -> dict[str, str]:
    return {
        item["SubnetId"]: item["RouteTableAssociationId"]
        for item in table.get("Associations", [])
        if "SubnetId" in item and item.get("AssociationState", {}).get("State") != "disassociated"
    }


def _is_foreign(route: dict[str, Any]) -> bool:
    target = route.get("GatewayId", "")
    endpoint = "DestinationPrefixListId" in route and target.startswith("vpce-")
    return target == "local" or endpoint or route.get("Origin") == "EnableVgwRoutePropagation"


def _destination(text: str) -> dict[str, str]:
    ipv4, ipv6, prefix_list = _DESTINATIONS
    return {prefix_list if text.startswith("pl-") else ipv6 if ":" in text else ipv4: text}


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise RefusalError(f"the destination {text} is no network; write it like 0.0.0.0/0") from None


def main() -> None:
    """Run the module."""
    run(RouteTable)


if __name__ == "__main__":
    main()
