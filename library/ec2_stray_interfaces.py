#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: network interfaces that were left in a VPC."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_stray_interfaces
short_description: Delete the network interfaces that were left in a VPC
description:
  - Deletes the interfaces of a VPC that are attached to nothing and that a service (ECS, Lambda) left behind, or that
    have neither a tag nor an address of their own. Others are somebody's, and stay.
  - They keep a VPC, its subnets and security groups from being deleted.
options:
  vpc:
    description: Name of the VPC.
    type: str
    required: true
notes:
  - Only O(state=absent) is possible.
extends_documentation_fragment: [tamma_resource]
"""

EXAMPLES = r"""
- name: Ensure no interface is left behind
  ec2_stray_interfaces:
    vpc: tamma-dev-vpc
    state: absent
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: Nothing.
  returned: success
  type: dict
"""

from typing import Any, ClassVar

from ansible.module_utils.tamma.ec2 import Vpc, filters
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.interfaces import is_stray, words
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run
from botocore.exceptions import ClientError

_MISSING = "InvalidNetworkInterfaceID.NotFound"


class StrayInterfaces(Resource):
    """The interfaces of a VPC that nobody needs any more."""

    kind = "Network interfaces"
    identity: ClassVar = {"vpc": {"type": "str", "required": True}}
    spec: ClassVar = {}
    taggable = False

    @property
    def name(self) -> str:
        """Where they are."""
        return f"left in {self.params['vpc']}"

    def check(self, desired: State) -> None:
        """Refuse to make any."""
        del desired
        raise RefusalError("nobody wants interfaces that are left; set state: absent")

    def find(self) -> State | None:
        """Return their ids."""
        strays = self._strays()
        if not strays:
            return None
        return {"ids": [str(one["NetworkInterfaceId"]) for one in strays], "holds": ", ".join(map(words, strays))}

    def create(self, desired: State) -> None:
        """Do nothing: it is refused."""

    def update(self, current: State, changes: State) -> None:
        """Do nothing: it is refused."""

    def delete(self, current: State) -> None:
        """Delete them; what a service removed meanwhile is well."""
        for interface in current["ids"]:
            try:
                self.client("ec2").delete_network_interface(NetworkInterfaceId=interface)
            except ClientError as error:
                if not is_code(error, _MISSING):
                    raise

    def _strays(self) -> list[dict[str, Any]]:
        ec2 = self.client("ec2")
        vpc = Vpc(ec2, self.params["vpc"]).id
        if vpc is None:
            return []
        pages = ec2.get_paginator("describe_network_interfaces").paginate(Filters=filters({"vpc-id": [vpc]}))
        found = (one for page in pages for one in page["NetworkInterfaces"])
        # ministack 1.5.33 ignores the filter, so it is applied again.
        return [one for one in found if one["VpcId"] == vpc and is_stray(one)]


def main() -> None:
    """Run the module."""
    run(StrayInterfaces)


if __name__ == "__main__":
    main()
