"""EC2: names on our side, ids on AWS's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource


@dataclass(frozen=True)
class Kind:
    """How EC2 lists one kind of thing inside a VPC."""

    words: str
    operation: str
    items: str
    id: str
    argument: str = "Filters"
    vpc_filter: str = "vpc-id"
    name: str = ""
    """The member that holds the name; without one it is the tag `Name`."""
    more: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Further filters."""


SUBNET = Kind("subnet", "describe_subnets", "Subnets", "SubnetId")
ROUTE_TABLE = Kind("route table", "describe_route_tables", "RouteTables", "RouteTableId")
SECURITY_GROUP = Kind("security group", "describe_security_groups", "SecurityGroups", "GroupId", name="GroupName")
INTERNET_GATEWAY = Kind(
    "internet gateway",
    "describe_internet_gateways",
    "InternetGateways",
    "InternetGatewayId",
    vpc_filter="attachment.vpc-id",
)
NAT_GATEWAY = Kind(
    "NAT gateway",
    "describe_nat_gateways",
    "NatGateways",
    "NatGatewayId",
    argument="Filter",
    more=(("state", ("pending", "available")),),  # deleted ones stay listed for about an hour
)


def filters(values: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """Return filters in EC2's form."""
    return [{"Name": name, "Values": list(wanted)} for name, wanted in values.items()]


def specification(resource_type: str, pairs: Mapping[str, str]) -> dict[str, Any]:
    """Return the argument that tags a resource while it is created; nothing when there are no tags."""
    if not pairs:
        return {}
    return {"TagSpecifications": [{"ResourceType": resource_type, "Tags": tags.to_pairs(pairs)}]}


def retag(ec2: Any, ids: list[str], current: Mapping[str, str], desired: Mapping[str, str]) -> None:
    """Set and remove tags of resources of EC2."""
    wanted, gone = tags.changes(current, desired)
    if wanted:
        ec2.create_tags(Resources=ids, Tags=tags.to_pairs(wanted))
    if gone:
        ec2.delete_tags(Resources=ids, Tags=[{"Key": name} for name in gone])


class Vpc:
    """The named things of one VPC, each kind read once."""

    def __init__(self, ec2: Any, name: str) -> None:
        """Take a client and the VPC's tag `Name`."""
        self.name = name
        self._ec2 = ec2
        self._named: dict[Kind, dict[str, str]] = {}

    @cached_property
    def id(self) -> str | None:
        """The id, or None when there is no such VPC; RefusalError when there are several."""
        found = self._ec2.get_paginator("describe_vpcs").paginate(Filters=filters({"tag:Name": [self.name]}))
        ids = [str(item["VpcId"]) for item in found.build_full_result()["Vpcs"]]
        if len(ids) > 1:
            raise RefusalError(
                f"{len(ids)} VPCs are called {self.name} ({', '.join(ids)}); rename or delete all but one"
            )
        return ids[0] if ids else None

    def need_id(self) -> str:
        """Return the id; RefusalError when there is no such VPC."""
        if self.id is None:
            raise RefusalError(f"there is no VPC called {self.name}; create it first")
        return self.id

    def names(self, kind: Kind) -> dict[str, str]:
        """Map the ids of all things of a kind to their names; one without a name goes by its id."""
        if kind not in self._named and self.id:
            wanted = filters({kind.vpc_filter: [self.id], **dict(kind.more)})
            found = self._ec2.get_paginator(kind.operation).paginate(**{kind.argument: wanted})
            self._named[kind] = {
                item[kind.id]: item[kind.name]
                if kind.name
                else tags.to_dict(item.get("Tags")).get("Name", item[kind.id])
                for item in found.build_full_result()[kind.items]
            }
        return self._named.get(kind, {})

    def to_names(self, kind: Kind, ids: Iterable[str]) -> list[str]:
        """Return the sorted names of these ids; what is gone or foreign goes by its id."""
        return sorted(self.names(kind).get(item, item) for item in ids)

    def to_id(self, kind: Kind, name: str) -> str:
        """Return the id of the thing with this name; RefusalError when there is none or more than one."""
        self.need_id()
        found = [item for item, called in self.names(kind).items() if called == name]
        if not found:
            raise RefusalError(f"there is no {kind.words} called {name} in VPC {self.name}; create it first")
        if len(found) > 1:
            raise RefusalError(f"several {kind.words}s are called {name} ({', '.join(found)}); rename all but one")
        return found[0]


class VpcResource(Resource):
    """A resource inside a VPC whose name is its tag `Name`; the property `tags` holds the others."""

    @property
    def name(self) -> str:
        """What the resource is called in messages."""
        return f"{self.params['name'] or ''} in {self.params['vpc']}".strip()

    @property
    def ec2(self) -> Any:
        """The client of EC2."""
        return self.client("ec2")

    @cached_property
    def vpc(self) -> Vpc:
        """The VPC it belongs to."""
        return Vpc(self.ec2, self.params["vpc"])

    def desired(self) -> State:
        """Return what was given, without a tag `Name` that says the same as the option `name`."""
        state = super().desired()
        named = state.get("tags", {}).pop("Name", self.params["name"])
        if named != self.params["name"]:
            raise RefusalError(f"the tag Name is {named} and the name {self.params['name']}; leave the tag out")
        return state

    def all_tags(self, state: State) -> dict[str, str]:
        """Return the tags to create the resource with."""
        return {**state.get("tags", {}), "Name": self.params["name"]}


def other_tags(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of an item that EC2 described, without `Name` and AWS's own."""
    return {name: value for name, value in tags.to_dict(item.get("Tags")).items() if name != "Name"}
