#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a public NAT gateway and its Elastic IP address."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_nat_gateway
short_description: Manage a public NAT gateway together with its Elastic IP address
description:
  - Creates and deletes a NAT gateway, found by its tag C(Name) and its VPC, and the address that has the same name.
options:
  name:
    description: Name of the gateway and of its address; their tag C(Name).
    type: str
    required: true
  vpc:
    description: Name of the VPC.
    type: str
    required: true
  subnet:
    description: Name of the public subnet. Needed when O(state=present). Cannot be changed later.
    type: str
notes:
  - Exists because amazon.aws.ec2_vpc_nat_gateway leaves the address behind when the gateway is already gone.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the NAT gateway exists
  ec2_nat_gateway:
    name: tamma-dev-nat
    vpc: tamma-dev-vpc
    subnet: tamma-dev-public-us-east-1a
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The gateway in the names of this module's options, with its C(id) and the C(addresses) of its name.
  returned: success
  type: dict
"""

from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.ec2 import SUBNET, VpcResource, filters, other_tags, retag, specification
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import run
from ansible.module_utils.tamma.wait import poll, retry_on

_ALIVE = ["pending", "available"]
_SAME = "those of the gateway"
_TIMEOUT = 600  # seconds; AWS's own waiters for NAT gateways give up after ten minutes too
_RELEASE_TIMEOUT = 120  # seconds; the interface of a deleted gateway can hold the address a little longer


class NatGateway(VpcResource):
    """A public NAT gateway and the Elastic IP address of the same name."""

    kind = "NAT gateway"
    identity: ClassVar = {"name": {"type": "str", "required": True}, "vpc": {"type": "str", "required": True}}
    spec: ClassVar = {"subnet": {"type": "str"}}
    needed = ("subnet",)
    immutable: ClassVar = {"subnet": "delete the gateway first, or give the new one another name"}
    computed = ("id", "addresses")

    def desired(self) -> State:
        """Return the tags, for the address too."""
        state = super().desired()
        return {**state, "address_tags": _SAME} if "tags" in state else state

    def find(self) -> State | None:
        """Return the gateway in normal form; for a deletion also one that is going and an address that was left."""
        going = self.params["state"] == "absent"
        gateway = self._read([*_ALIVE, "deleting"] if going else _ALIVE)
        held = self._addresses(gateway)
        addresses = [str(address["PublicIp"]) for address in held]
        if gateway is None:
            return {"addresses": addresses} if going and addresses else None
        labels = tags.to_dict(held[0].get("Tags")) if held else {}
        # A gateway whose tags were changed says nothing about its address: that may still be as it shall be.
        right = [other_tags(gateway), super().desired().get("tags", {})]
        same = any(labels == self.all_tags({"tags": item}) for item in right)
        return {
            "id": gateway["NatGatewayId"],
            "addresses": addresses,
            "subnet": self.vpc.names(SUBNET).get(gateway["SubnetId"], gateway["SubnetId"]),
            "tags": other_tags(gateway),
            "address_tags": _SAME if same or not held else labels,
        }

    def create(self, desired: State) -> None:
        """Allocate an address, or take the free one of this name; create the gateway and wait until it works."""
        subnet, named = self.vpc.to_id(SUBNET, desired["subnet"]), self.all_tags(desired)
        free = [address for address in self._addresses() if "AssociationId" not in address]
        address = free[0] if free else self.ec2.allocate_address(Domain="vpc", **specification("elastic-ip", named))
        gateway = self.ec2.create_nat_gateway(
            SubnetId=subnet,
            AllocationId=address["AllocationId"],
            ConnectivityType="public",
            **specification("natgateway", named),
        )["NatGateway"]["NatGatewayId"]
        poll(lambda: self._works(gateway), what=f"creation of the NAT gateway {gateway}", timeout=_TIMEOUT)

    def update(self, current: State, changes: State) -> None:
        """Change the tags of the gateway and of its address."""
        if "tags" in changes:
            retag(self.ec2, [current["id"]], current["tags"], changes["tags"])
        wanted = self.all_tags({"tags": changes.get("tags", current["tags"])})
        for address in self._addresses(self._read(_ALIVE)):
            retag(self.ec2, [address["AllocationId"]], tags.to_dict(address.get("Tags")), wanted)

    def delete(self, current: State) -> None:
        """Delete the gateway, wait until it is gone, then release the addresses of its name."""
        if self._read(_ALIVE):
            self.ec2.delete_nat_gateway(NatGatewayId=current["id"])
        poll(lambda: self._read([*_ALIVE, "deleting"]) is None, what=f"deletion of {self.name}", timeout=_TIMEOUT)
        for address in self._addresses():
            self._release(address["AllocationId"])

    def _release(self, allocation: str) -> None:
        retry_on(
            lambda: self.ec2.release_address(AllocationId=allocation),
            "InvalidIPAddress.InUse",
            "AuthFailure",  # what EC2 answers while the gateway's interface is being removed
            timeout=_RELEASE_TIMEOUT,
        )

    def _works(self, gateway: str) -> bool:
        found = self.ec2.describe_nat_gateways(NatGatewayIds=[gateway])["NatGateways"][0]
        if found["State"] == "failed":
            reason = found.get("FailureMessage", "no reason given")
            raise RefusalError(f"AWS could not create it: {reason}; mend that and re-run")
        return bool(found["State"] == "available")

    def _read(self, states: list[str]) -> dict[str, Any] | None:
        if self.vpc.id is None:
            return None
        # All gateways of the VPC: one question, whichever of them is asked about.
        wanted = filters({"vpc-id": [self.vpc.id], "state": states})
        pages = self.ec2.get_paginator("describe_nat_gateways").paginate(Filter=wanted)
        named = [
            gateway
            for gateway in pages.build_full_result()["NatGateways"]
            if tags.to_dict(gateway.get("Tags")).get("Name") == self.params["name"]
        ]
        # One that works comes before one that is being deleted.
        found: list[dict[str, Any]] = sorted(named, key=lambda gateway: states.index(gateway["State"]))
        alive = [gateway["NatGatewayId"] for gateway in found if gateway["State"] in _ALIVE]
        if len(alive) > 1:
            raise RefusalError(f"several gateways have this name ({', '.join(alive)}); delete or rename all but one")
        return found[0] if found else None

    def _addresses(self, gateway: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return the addresses of this name, and that of the gateway when it lost its name."""
        held = {item.get("AllocationId") for item in (gateway or {}).get("NatGatewayAddresses", [])}
        found: list[dict[str, Any]] = self.ec2.describe_addresses()["Addresses"]
        named = [item for item in found if tags.to_dict(item.get("Tags")).get("Name") == self.params["name"]]
        return named or [item for item in found if item["AllocationId"] in held]


def main() -> None:
    """Run the module."""
    run(NatGateway)


if __name__ == "__main__":
    main()
