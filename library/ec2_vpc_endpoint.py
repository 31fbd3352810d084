#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a VPC endpoint for a service of AWS."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_vpc_endpoint
short_description: Manage a VPC endpoint for a service of AWS
description:
  - Creates, changes in place and deletes a VPC endpoint, found by its service and its VPC.
options:
  name:
    description: Name of the endpoint; its tag C(Name). Needed when O(state=present).
    type: str
  vpc:
    description: Name of the VPC.
    type: str
    required: true
  service:
    description: Short name of the service, for example C(s3); completed with the region.
    type: str
    required: true
  vpc_endpoint_type:
    description: Kind of endpoint. Cannot be changed later.
    type: str
    choices: [Gateway, Interface]
    default: Gateway
  route_tables:
    description: Names of all route tables that lead to a gateway endpoint.
    type: list
    elements: str
  policy:
    description: What may be done through the endpoint. AWS allows everything when none is given at creation.
    type: dict
notes:
  - Exists because amazon.aws.ec2_vpc_endpoint cannot change an endpoint; other route tables create a second one.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure S3 is reached without NAT
  ec2_vpc_endpoint:
    name: tamma-dev-s3
    vpc: tamma-dev-vpc
    service: s3
    route_tables: [tamma-dev-public, tamma-dev-private-us-east-1a]
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The endpoint in the names of this module's options, with its C(id).
  returned: success
  type: dict
"""

import json
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.ec2 import ROUTE_TABLE, VpcResource, filters, other_tags, retag, specification
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.policy import canonical
from ansible.module_utils.tamma.resource import run
from ansible.module_utils.tamma.wait import poll

_GONE = ("deleting", "deleted", "rejected", "failed", "expired")


class VpcEndpoint(VpcResource):
    """A VPC endpoint for a service of AWS."""

    kind = "VPC endpoint"
    identity: ClassVar = {"vpc": {"type": "str", "required": True}, "service": {"type": "str", "required": True}}
    spec: ClassVar = {
        "name": {"type": "str"},
        "vpc_endpoint_type": {"type": "str", "choices": ["Gateway", "Interface"], "default": "Gateway"},
        "route_tables": {"type": "list", "elements": "str"},
        "policy": {"type": "dict"},
    }
    needed = ("name",)
    immutable: ClassVar = {"vpc_endpoint_type": "delete the endpoint first; its traffic takes another way meanwhile"}
    computed = ("id",)

    @property
    def name(self) -> str:
        """What the endpoint is called in messages."""
        return f"for {self.params['service']} in {self.params['vpc']}"

    def desired(self) -> State:
        """Return the route tables in order and the policy in canonical form."""
        state = super().desired()
        if "route_tables" in state:
            state["route_tables"] = sorted(set(state["route_tables"]))
        if "policy" in state:
            state["policy"] = canonical(state["policy"])
        return state

    def check(self, desired: State) -> None:
        """Refuse route tables for an interface endpoint."""
        if desired["vpc_endpoint_type"] == "Interface" and desired.get("route_tables"):
            raise RefusalError("an interface endpoint has no route tables; leave route_tables out")

    def find(self) -> State | None:
        """Return the endpoint in normal form, also when its tag `Name` was lost."""
        endpoint = self._read()
        if endpoint is None:
            return None
        # AWS always returns a policy, ministack 1.5.33 never: what cannot be seen is taken to be as it was asked for.
        unseen = self.desired().get("policy")
        return {
            "id": endpoint["VpcEndpointId"],
            "name": tags.to_dict(endpoint.get("Tags")).get("Name"),
            "vpc_endpoint_type": endpoint["VpcEndpointType"],
            "route_tables": self.vpc.to_names(ROUTE_TABLE, endpoint.get("RouteTableIds", [])),
            "policy": canonical(endpoint["PolicyDocument"]) if "PolicyDocument" in endpoint else unseen,
            "tags": other_tags(endpoint),
        }

    def create(self, desired: State) -> None:
        """Create the endpoint and wait until it is available."""
        request: dict[str, Any] = {}
        if desired.get("route_tables"):
            request["RouteTableIds"] = self._table_ids(desired["route_tables"])
        if "policy" in desired:
            request["PolicyDocument"] = json.dumps(desired["policy"])
        self.ec2.create_vpc_endpoint(
            VpcId=self.vpc.need_id(),
            ServiceName=self._service,
            VpcEndpointType=desired["vpc_endpoint_type"],
            **request,
            **specification("vpc-endpoint", self.all_tags(desired)),
        )
        poll(lambda: (self._read() or {}).get("State") == "available", what=f"creation of the endpoint {self.name}")

    def update(self, current: State, changes: State) -> None:
        """Change route tables, policy and tags in place."""
        request: dict[str, Any] = {}
        if "route_tables" in changes:
            wanted, present = self._table_ids(changes["route_tables"]), (self._read() or {}).get("RouteTableIds", [])
            request["AddRouteTableIds"] = [item for item in wanted if item not in present]
            request["RemoveRouteTableIds"] = [item for item in present if item not in wanted]
        if "policy" in changes:
            request["PolicyDocument"] = json.dumps(changes["policy"])
        request = {name: value for name, value in request.items() if value}
        if request:
            self.ec2.modify_vpc_endpoint(VpcEndpointId=current["id"], **request)
        if "name" in changes:
            self.ec2.create_tags(Resources=[current["id"]], Tags=tags.to_pairs({"Name": changes["name"]}))
        if "tags" in changes:
            retag(self.ec2, [current["id"]], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Delete the endpoint and wait until its routes are gone."""
        answer = self.ec2.delete_vpc_endpoints(VpcEndpointIds=[current["id"]])
        for failure in answer.get("Unsuccessful", []):
            reason = failure.get("Error", {}).get("Message", "no reason given")
            raise RefusalError(f"AWS did not delete {current['id']}: {reason}")
        poll(lambda: self._read(gone=("deleted",)) is None, what=f"deletion of the endpoint {self.name}")

    @property
    def _service(self) -> str:
        return f"com.amazonaws.{self.ec2.meta.region_name}.{self.params['service']}"

    def _table_ids(self, names: list[str]) -> list[str]:
        return [self.vpc.to_id(ROUTE_TABLE, name) for name in names]

    def _read(self, gone: tuple[str, ...] = _GONE) -> dict[str, Any] | None:
        if self.vpc.id is None:
            return None
        wanted = filters({"vpc-id": [self.vpc.id], "service-name": [self._service]})
        pages = self.ec2.get_paginator("describe_vpc_endpoints").paginate(Filters=wanted)
        # ministack 1.5.33 ignores the filters, so they are applied again.
        found: list[dict[str, Any]] = [
            item
            for item in pages.build_full_result()["VpcEndpoints"]
            if (item["VpcId"], item["ServiceName"]) == (self.vpc.id, self._service)
            and item["State"].lower() not in gone
        ]
        if len(found) > 1:
            ids = ", ".join(item["VpcEndpointId"] for item in found)
            raise RefusalError(f"there are several endpoints for this service ({ids}); delete all but one")
        return found[0] if found else None


def main() -> None:
    """Run the module."""
    run(VpcEndpoint)


if __name__ == "__main__":
    main()
