#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a VPC."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_vpc_net
short_description: Manage a VPC
description:
  - Creates, updates and deletes a VPC, found by its tag C(Name).
  - A VPC that has lost its tag C(Name) is found by its range and all of O(tags), and gets the tag back.
options:
  name:
    description: Name of the VPC; its tag C(Name).
    type: str
    required: true
  cidr_block:
    description: First address range, /16 to /28. Needed when O(state=present). Cannot be changed later.
    type: str
  secondary_cidr_blocks:
    description: All further address ranges; others are removed, IPv6 ranges too.
    type: list
    elements: str
  dns_support:
    description: Whether the resolver of AWS answers in the VPC.
    type: bool
  dns_hostnames:
    description: Whether instances get DNS names. Needs O(dns_support).
    type: bool
notes:
  - Exists because amazon.aws.ec2_vpc_net creates a second VPC when the range changes, and shows no diff.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the VPC exists
  ec2_vpc_net:
    name: tamma-dev-vpc
    cidr_block: 10.0.0.0/16
    secondary_cidr_blocks: []
    dns_support: true
    dns_hostnames: true
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The VPC in the names of this module's options, with its C(id).
  returned: success
  type: dict
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.module_utils.tamma import ec2, tags
from ansible.module_utils.tamma.ec2 import NamedResource, Vpc, other_tags, ranges_of, retag, specification
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import run
from ansible.module_utils.tamma.wait import poll

_ATTRIBUTES = {"dns_support": "enableDnsSupport", "dns_hostnames": "enableDnsHostnames"}


class VirtualNetwork(NamedResource):
    """A VPC."""

    kind = "VPC"
    spec: ClassVar = {
        "cidr_block": {"type": "str"},
        "secondary_cidr_blocks": {"type": "list", "elements": "str"},
        **{option: {"type": "bool"} for option in _ATTRIBUTES},
    }
    needed = ("cidr_block",)
    immutable: ClassVar = {"cidr_block": "keep the old range, or tear the VPC down with all that is in it first"}
    computed = ("id",)

    def desired(self) -> State:
        """Return the ranges as AWS writes them, and the name, which somebody may have taken away."""
        state = {"name": self.name, **super().desired()}
        state["cidr_block"] = str(ec2.network("cidr_block", state["cidr_block"]))
        if "secondary_cidr_blocks" in state:
            blocks = {str(ec2.network("secondary_cidr_blocks", block)) for block in state["secondary_cidr_blocks"]}
            state["secondary_cidr_blocks"] = sorted(blocks)
        return state

    def check(self, desired: State) -> None:
        """Refuse ranges that overlap, and DNS names without a resolver, as AWS does."""
        blocks = [desired["cidr_block"], *desired.get("secondary_cidr_blocks", [])]
        ranges = [ec2.network("cidr_block", block) for block in blocks]
        for at, block in enumerate(ranges):
            if overlapping := [str(other) for other in ranges[:at] if other.overlaps(block)]:
                raise RefusalError(f"{block} overlaps {overlapping[0]}; choose ranges that lie apart")
        if desired.get("dns_hostnames") and not desired.get("dns_support", True):
            raise RefusalError("dns_hostnames needs dns_support; set both or none")

    def find(self) -> State | None:
        """Return the VPC in normal form; each DNS attribute costs a call, so only those that were given are read."""
        vpc = self._read() or self._nameless()
        if vpc is None:
            return None
        return {
            "id": vpc["VpcId"],
            "name": tags.to_dict(vpc.get("Tags")).get("Name"),
            "cidr_block": vpc["CidrBlock"],
            "secondary_cidr_blocks": sorted(ranges_of(vpc).keys() - {vpc["CidrBlock"]}),
            **{option: self._attribute(vpc["VpcId"], option) for option in self._given_attributes()},
            "tags": other_tags(vpc),
        }

    def create(self, desired: State) -> None:
        """Create the VPC with its name, so that an interrupted run is found again, then set what differs."""
        self.ec2.create_vpc(CidrBlock=desired["cidr_block"], **specification("vpc", self.all_tags(desired)))
        poll(lambda: (self._read() or {}).get("State") == "available", what=f"creation of the VPC {self.name}")
        current = self.find() or {}
        self.update(current, {name: value for name, value in desired.items() if value != current[name]})

    def update(self, current: State, changes: State) -> None:
        """Change ranges, DNS attributes and tags in place."""
        if "secondary_cidr_blocks" in changes:
            self._set_ranges(current["id"], set(changes["secondary_cidr_blocks"]))
        self._set_attributes(current["id"], changes)
        if "name" in changes:
            self.ec2.create_tags(Resources=[current["id"]], Tags=tags.to_pairs({"Name": changes["name"]}))
        if "tags" in changes:
            retag(self.ec2, [current["id"]], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Delete the VPC with what AWS made in it."""
        ec2.delete_when_free(lambda: self.ec2.delete_vpc(VpcId=current["id"]))
        poll(lambda: self._read() is None, what=f"deletion of the VPC {self.name}")

    def _read(self) -> dict[str, Any] | None:
        return Vpc(self.ec2, self.name).described

    def _nameless(self) -> dict[str, Any] | None:
        """Return the VPC that has our range and tags and no name; RefusalError when it has another name."""
        if self.params["state"] == "absent" or not self.params["tags"]:
            return None
        desired = self.desired()
        marks = {f"tag:{key}": [value] for key, value in desired["tags"].items()}
        pages = self.ec2.get_paginator("describe_vpcs").paginate(
            Filters=ec2.filters({"cidr": [desired["cidr_block"]], **marks})
        )
        alike: list[dict[str, Any]] = pages.build_full_result()["Vpcs"]
        for vpc in alike:
            if name := tags.to_dict(vpc.get("Tags")).get("Name"):
                raise RefusalError(
                    f"{vpc['VpcId']} has the same range and tags and is called {name}; name it {self.name} if it is "
                    f"the one that is meant, or change its tags"
                )
        return alike[0] if alike else None

    def _given_attributes(self) -> list[str]:
        return [option for option in _ATTRIBUTES if self.params[option] is not None]

    def _attribute(self, vpc: str, option: str) -> bool:
        name = _ATTRIBUTES[option]
        answer = self.ec2.describe_vpc_attribute(VpcId=vpc, Attribute=name)
        return bool(answer[name[0].upper() + name[1:]]["Value"])

    def _set_attributes(self, vpc: str, changes: Mapping[str, Any]) -> None:
        # AWS refuses names without a resolver at any moment: it comes first and goes last.
        order = list(_ATTRIBUTES) if changes.get("dns_support", True) else [*reversed(_ATTRIBUTES)]
        for option in order:
            if option in changes:
                name = _ATTRIBUTES[option]
                setting = {name[0].upper() + name[1:]: {"Value": changes[option]}}
                self.ec2.modify_vpc_attribute(VpcId=vpc, **setting)

    def _set_ranges(self, vpc: str, wanted: set[str]) -> None:
        found = self._read() or {}
        present = {block: link for block, link in ranges_of(found).items() if block != found["CidrBlock"]}
        for block in sorted(wanted - present.keys()):
            self.ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock=block)
        for block in sorted(present.keys() - wanted):
            self.ec2.disassociate_vpc_cidr_block(AssociationId=present[block])


def main() -> None:
    """Run the module."""
    run(VirtualNetwork)


if __name__ == "__main__":
    main()
