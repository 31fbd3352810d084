#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a subnet of a VPC."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_subnet
short_description: Manage a subnet of a VPC
description:
  - Creates, updates and deletes a subnet, found by its tag C(Name) and its VPC.
  - A subnet that has lost its tag C(Name) is found by its range and gets the tag back.
options:
  name:
    description: Name of the subnet; its tag C(Name).
    type: str
    required: true
  vpc:
    description: Name of the VPC.
    type: str
    required: true
  cidr_block:
    description: Address range, /16 to /28. Needed when O(state=present). Cannot be changed later.
    type: str
  availability_zone:
    description: Name of the zone. Needed when O(state=present). Cannot be changed later.
    type: str
  map_public_ip_on_launch:
    description: Whether network interfaces get a public address when they are made here.
    type: bool
notes:
  - Exists because amazon.aws.ec2_vpc_subnet creates a second subnet when the range changes, and shows no diff.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the private subnet of the first zone exists
  ec2_subnet:
    name: tamma-dev-private-us-east-1a
    vpc: tamma-dev-vpc
    cidr_block: 10.0.0.0/20
    availability_zone: us-east-1a
    map_public_ip_on_launch: false
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The subnet in the names of this module's options, with its C(id).
  returned: success
  type: dict
"""

from ipaddress import IPv4Network
from typing import Any, ClassVar

from ansible.module_utils.tamma import ec2, tags
from ansible.module_utils.tamma.ec2 import VpcResource, filters, other_tags, retag, specification
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import run
from ansible.module_utils.tamma.wait import poll

_STEP = "keep the old one, or delete the subnet with all that is in it first"


class Subnet(VpcResource):
    """A subnet of a VPC."""

    kind = "Subnet"
    identity: ClassVar = {"name": {"type": "str", "required": True}, "vpc": {"type": "str", "required": True}}
    spec: ClassVar = {
        "cidr_block": {"type": "str"},
        "availability_zone": {"type": "str"},
        "map_public_ip_on_launch": {"type": "bool"},
    }
    needed = ("cidr_block", "availability_zone")
    immutable: ClassVar = {"cidr_block": _STEP, "availability_zone": _STEP}
    computed = ("id",)

    def desired(self) -> State:
        """Return the range as AWS writes it, and the name, which somebody may have taken away."""
        state = {"name": self.params["name"], **super().desired()}
        state["cidr_block"] = str(ec2.network("cidr_block", state["cidr_block"]))
        return state

    def check(self, desired: State) -> None:
        """Refuse a zone of another region."""
        region = self.ec2.meta.region_name
        if not desired["availability_zone"].startswith(region):
            raise RefusalError(f"the zone {desired['availability_zone']} is not in {region}; choose one that is")

    def plan(self) -> Plan:
        """Plan as usual; refuse a new subnet that has no room in its VPC."""
        plan = super().plan()
        if plan.action == "create" and self.vpc.id:
            self._refuse_misplaced(IPv4Network(plan.after["cidr_block"]))
        return plan

    def find(self) -> State | None:
        """Return the subnet in normal form."""
        subnet = self._read()
        if subnet is None:
            return None
        return {
            "id": subnet["SubnetId"],
            "name": _name(subnet),
            "cidr_block": subnet["CidrBlock"],
            "availability_zone": subnet["AvailabilityZone"],
            "map_public_ip_on_launch": subnet["MapPublicIpOnLaunch"],
            "tags": other_tags(subnet),
        }

    def create(self, desired: State) -> None:
        """Create the subnet with its name, so that an interrupted run is found again."""
        subnet = self.ec2.create_subnet(
            VpcId=self.vpc.need_id(),
            CidrBlock=desired["cidr_block"],
            AvailabilityZone=desired["availability_zone"],
            **specification("subnet", self.all_tags(desired)),
        )["Subnet"]
        poll(lambda: (self._read() or {}).get("State") == "available", what=f"creation of the subnet {self.name}")
        if desired.get("map_public_ip_on_launch") not in (None, subnet["MapPublicIpOnLaunch"]):
            self.update({"id": subnet["SubnetId"]}, {"map_public_ip_on_launch": desired["map_public_ip_on_launch"]})

    def update(self, current: State, changes: State) -> None:
        """Change the public addresses, the name and the tags in place."""
        if "map_public_ip_on_launch" in changes:
            setting = {"Value": changes["map_public_ip_on_launch"]}
            self.ec2.modify_subnet_attribute(SubnetId=current["id"], MapPublicIpOnLaunch=setting)
        if "name" in changes:
            self.ec2.create_tags(Resources=[current["id"]], Tags=tags.to_pairs({"Name": changes["name"]}))
        if "tags" in changes:
            retag(self.ec2, [current["id"]], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Delete the subnet as soon as the last network interface has left it."""
        ec2.delete_when_free(lambda: self.ec2.delete_subnet(SubnetId=current["id"]))
        poll(lambda: self._read() is None, what=f"deletion of the subnet {self.name}")

    def _all(self) -> list[dict[str, Any]]:
        """Return all subnets of the VPC: one call, whichever of them is asked about."""
        if self.vpc.id is None:
            return []
        pages = self.ec2.get_paginator("describe_subnets").paginate(Filters=filters({"vpc-id": [self.vpc.id]}))
        found: list[dict[str, Any]] = pages.build_full_result()["Subnets"]
        return found

    def _read(self) -> dict[str, Any] | None:
        self._others = self._all()
        named = [subnet for subnet in self._others if _name(subnet) == self.params["name"]]
        if len(named) > 1:
            ids = ", ".join(subnet["SubnetId"] for subnet in named)
            raise RefusalError(f"several subnets have this name ({ids}); delete or rename all but one")
        if named or self.params["cidr_block"] is None:
            return named[0] if named else None
        wanted = str(ec2.network("cidr_block", self.params["cidr_block"]))
        nameless = [item for item in self._others if _name(item) is None and item["CidrBlock"] == wanted]
        return nameless[0] if nameless else None

    def _refuse_misplaced(self, wanted: IPv4Network) -> None:
        ranges = self.vpc.ranges
        if not any(wanted.subnet_of(whole) for whole in ranges):
            whole = ", ".join(map(str, ranges))
            raise RefusalError(f"cidr_block {wanted} lies outside of {self.vpc.name} ({whole}); choose a part of that")
        for other in self._others:
            if wanted.overlaps(IPv4Network(other["CidrBlock"])):
                called = _name(other) or other["SubnetId"]
                raise RefusalError(
                    f"cidr_block {wanted} overlaps {other['CidrBlock']} of the subnet {called}; choose another range, "
                    f"or rename {other['SubnetId']} if it is the one that is meant"
                )


def _name(subnet: dict[str, Any]) -> str | None:
    return tags.to_dict(subnet.get("Tags")).get("Name")


def main() -> None:
    """Run the module."""
    run(Subnet)


if __name__ == "__main__":
    main()
