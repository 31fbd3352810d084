"""EC2: names on our side, ids on AWS's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Network
from typing import Any

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource
from ansible.module_utils.tamma.wait import retry_on
from botocore.exceptions import ClientError

_LARGEST, _SMALLEST = 16, 28  # prefix lengths that AWS allows for VPCs and subnets
_HELD_TIMEOUT = 120  # seconds; network interfaces of tasks and functions that ended go a little later


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


def network(option: str, text: str) -> IPv4Network:
    """Return a range of a VPC or subnet; RefusalError when it is none or AWS does not allow its size."""
    try:
        found = IPv4Network(text, strict=False)
    except ValueError:
        raise RefusalError(f"{option} {text} is no IPv4 range; write it like 10.0.0.0/16") from None
    if not _LARGEST <= found.prefixlen <= _SMALLEST:
        raise RefusalError(f"{option} {text} has another size than AWS allows; choose /{_LARGEST} to /{_SMALLEST}")
    return found


def delete_when_free(call: Callable[[], object]) -> None:
    """Delete something as soon as nothing uses it; RefusalError when something still does after two minutes."""
    try:
        retry_on(call, "DependencyViolation", timeout=_HELD_TIMEOUT)
    except ClientError as error:
        if is_code(error, "DependencyViolation"):
            reason = str(error.response["Error"].get("Message", "")).rstrip(".")
            raise RefusalError(f"something still uses it ({reason}); remove that and re-run") from error
        raise


class Vpc:
    """The named things of one VPC, each kind read once."""

    def __init__(self, ec2: Any, name: str) -> None:
        """Take a client and the VPC's tag `Name`."""
        self.name = name
        self._ec2 = ec2
        self._named: dict[Kind, dict[str, str]] = {}

    @cached_property
    def described(self) -> dict[str, Any] | None:
        """The VPC as EC2 describes it, or None when there is no such VPC; RefusalError when there are several."""
        pages = self._ec2.get_paginator("describe_vpcs").paginate(Filters=filters({"tag:Name": [self.name]}))
        found: list[dict[str, Any]] = pages.build_full_result()["Vpcs"]
        if len(found) > 1:
            ids = ", ".join(item["VpcId"] for item in found)
            raise RefusalError(f"{len(found)} VPCs are called {self.name} ({ids}); rename or delete all but one")
        return found[0] if found else None

    @cached_property
    def id(self) -> str | None:
        """The id, or None when there is no such VPC; RefusalError when there are several."""
        return str(self.described["VpcId"]) if self.described else None

    @property
    def ranges(self) -> list[IPv4Network]:
        """The IPv4 ranges of the VPC."""
        return [IPv4Network(block) for block in ranges_of(self.described or {}) if ":" not in block]

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


class NamedResource(Resource):
    """A resource of EC2 whose name is its tag `Name`; the property `tags` holds the others."""

    @property
    def ec2(self) -> Any:
        """The client of EC2."""
        return self.client("ec2")

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


class VpcResource(NamedResource):
    """A resource inside a VPC."""

    @property
    def name(self) -> str:
        """What the resource is called in messages."""
        return f"{self.params['name'] or ''} in {self.params['vpc']}".strip()

    @cached_property
    def vpc(self) -> Vpc:
        """The VPC it belongs to."""
        return Vpc(self.ec2, self.params["vpc"])


def ranges_of(vpc: Mapping[str, Any]) -> dict[str, str]:
    """Map the ranges of a VPC that EC2 described, IPv6 ones too, to the ids of their associations."""
    found = {}
    for member in ("CidrBlock", "Ipv6CidrBlock"):
        for item in vpc.get(f"{member}AssociationSet", []):
            if item.get(f"{member}State", {}).get("State") in ("associating", "associated"):
                found[str(item[member])] = str(item["AssociationId"])
    return found


def other_tags(item: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of an item that EC2 described, without `Name` and AWS's own."""
    return {name: value for name, value in tags.to_dict(item.get("Tags")).items() if name != "Name"}
