#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: the internet gateway of a VPC."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_internet_gateway
short_description: Manage the internet gateway of a VPC
description:
  - Creates, attaches and deletes an internet gateway, found by its tag C(Name), attached to its VPC or to none.
  - The gateway of the VPC that has lost its tag C(Name) gets it back. A VPC has one gateway at most.
options:
  name:
    description: Name of the gateway; its tag C(Name).
    type: str
    required: true
  vpc:
    description: Name of the VPC that it is attached to.
    type: str
    required: true
notes:
  - Exists because amazon.aws.ec2_vpc_igw creates a second gateway when the first was detached, and shows no diff.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the internet gateway exists
  ec2_internet_gateway:
    name: tamma-dev-igw
    vpc: tamma-dev-vpc
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The gateway in the names of this module's options, with its C(id); C(vpc) is null while it is detached.
  returned: success
  type: dict
"""

from collections.abc import Iterable
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.ec2 import VpcResource, delete_when_free, filters, other_tags, retag, specification
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import run
from ansible.module_utils.tamma.wait import poll

_ATTACHED = ("attaching", "attached", "available")


class InternetGateway(VpcResource):
    """The internet gateway of a VPC."""

    kind = "Internet gateway"
    identity: ClassVar = {"name": {"type": "str", "required": True}, "vpc": {"type": "str", "required": True}}
    spec: ClassVar = {}
    computed = ("id",)

    def desired(self) -> State:
        """Return the tags with the name and the VPC, both of which somebody may have taken away."""
        return {"name": self.params["name"], "vpc": self.params["vpc"], **super().desired()}

    def find(self) -> State | None:
        """Return the gateway in normal form, attached to the VPC or to none."""
        gateway = self._read()
        if gateway is None:
            return None
        return {
            "id": gateway["InternetGatewayId"],
            "name": _name(gateway),
            "vpc": self.params["vpc"] if _vpcs(gateway) else None,
            "tags": other_tags(gateway),
        }

    def create(self, desired: State) -> None:
        """Create the gateway with its name, so that an interrupted run is found again, and attach it."""
        vpc = self.vpc.need_id()
        named = specification("internet-gateway", self.all_tags(desired))
        gateway = self.ec2.create_internet_gateway(**named)["InternetGateway"]["InternetGatewayId"]
        self._attach(gateway, vpc)

    def update(self, current: State, changes: State) -> None:
        """Attach the gateway again, give it its name back, change its tags."""
        if "vpc" in changes:
            self._attach(current["id"], self.vpc.need_id())
        if "name" in changes:
            self.ec2.create_tags(Resources=[current["id"]], Tags=tags.to_pairs({"Name": changes["name"]}))
        if "tags" in changes:
            retag(self.ec2, [current["id"]], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Detach the gateway as soon as no public address of the VPC needs it, then delete it."""
        gateway = current["id"]
        if current["vpc"]:
            delete_when_free(
                lambda: self.ec2.detach_internet_gateway(InternetGatewayId=gateway, VpcId=self.vpc.need_id())
            )
        delete_when_free(lambda: self.ec2.delete_internet_gateway(InternetGatewayId=gateway))
        poll(lambda: self._read() is None, what=f"deletion of the internet gateway {self.name}")

    def _attach(self, gateway: str, vpc: str) -> None:
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
        poll(lambda: bool(_vpcs(self._read() or {})), what=f"attachment of the internet gateway {self.name}")

    def _describe(self, name: str, values: Iterable[str]) -> list[dict[str, Any]]:
        pages = self.ec2.get_paginator("describe_internet_gateways").paginate(Filters=filters({name: values}))
        found: list[dict[str, Any]] = pages.build_full_result()["InternetGateways"]
        return found

    def _read(self) -> dict[str, Any] | None:
        vpc = self.vpc.id
        named = self._describe("tag:Name", [self.params["name"]])
        here = [gateway for gateway in named if vpc in _vpcs(gateway)]
        if here:
            return here[0]
        free = [gateway for gateway in named if not _vpcs(gateway)]
        if len(free) > 1:
            ids = ", ".join(gateway["InternetGatewayId"] for gateway in free)
            raise RefusalError(f"several gateways have this name ({ids}); delete all but one")
        attached = self._describe("attachment.vpc-id", [vpc]) if vpc else []
        nameless = [gateway for gateway in attached if _name(gateway) is None]
        if self.params["state"] == "present" and attached and (free or not nameless):
            other = attached[0]["InternetGatewayId"]
            raise RefusalError(
                f"{self.vpc.name} has the gateway {other} ({_name(attached[0]) or 'without a name'}) and AWS allows "
                f"one; name it {self.params['name']} if it is the one that is meant, or detach it"
            )
        return next(iter([*free, *nameless]), None)


def _vpcs(gateway: dict[str, Any]) -> list[str]:
    return [item["VpcId"] for item in gateway.get("Attachments", []) if item.get("State") in _ATTACHED]


def _name(gateway: dict[str, Any]) -> str | None:
    return tags.to_dict(gateway.get("Tags")).get("Name")


def main() -> None:
    """Run the module."""
    run(InternetGateway)


if __name__ == "__main__":
    main()
