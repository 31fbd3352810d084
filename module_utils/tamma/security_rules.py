"""Rules of security groups: one dict a rule on our side; on AWS's, permissions that hold many."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError

Rule = dict[str, Any]
"""`protocol`, `from_port` and `to_port` unless the protocol has none, one of SOURCES, `description` if there is one."""

SOURCES = ("cidr", "security_group", "prefix_list")
_ALL = "all"
_PROTOCOLS = {"-1": _ALL, "1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_WITH_PORTS = ("tcp", "udp")
_WITH_TYPES = ("icmp", "icmpv6")
_LAST_PORT = 65_535
SPEC: dict[str, Any] = {
    "protocol": {"type": "str", "required": True},
    "from_port": {"type": "int"},
    "to_port": {"type": "int"},
    **{source: {"type": "str"} for source in SOURCES},
    "description": {"type": "str"},
}


def order(rule: Rule) -> list[tuple[str, str]]:
    """Return what rules are sorted by."""
    return sorted((name, f"{value:05d}" if isinstance(value, int) else value) for name, value in rule.items())


def normal(rule: Rule) -> Rule:
    """Return a rule that was given in normal form; RefusalError for one that AWS would refuse."""
    result = {**rule, "protocol": _PROTOCOLS.get(rule["protocol"], rule["protocol"].lower())}
    if not result.get("description"):
        result.pop("description", None)
    if len([source for source in SOURCES if source in rule]) != 1:
        raise RefusalError(f"a rule for {result['protocol']} needs one of {', '.join(SOURCES)}; give exactly one")
    if "cidr" in rule:
        try:
            result["cidr"] = str(ip_network(rule["cidr"], strict=False))
        except ValueError:
            raise RefusalError(f"the range {rule['cidr']} is no network; write it like 10.0.0.0/16") from None
    if result["protocol"] in _WITH_TYPES:
        result = {"from_port": -1, "to_port": -1, **result}  # all types, all codes
    if "from_port" in rule:
        result.setdefault("to_port", rule["from_port"])
    _check_ports(result)
    return result


def _check_ports(rule: Rule) -> None:
    protocol, first, last = rule["protocol"], rule.get("from_port"), rule.get("to_port")
    if protocol == _ALL and (first, last) != (None, None):
        raise RefusalError("a rule for all protocols has no ports; leave from_port and to_port out")
    if protocol in _WITH_PORTS and not (first is not None and 0 <= first <= (last or 0) <= _LAST_PORT):
        raise RefusalError(
            f"a rule for {protocol} goes from port {first} to {last}; choose 0 to {_LAST_PORT} in ascending order"
        )


def load(raw: Mapping[str, Any], name_of: Callable[[str], str]) -> Rule:
    """Return a rule in normal form from AWS's `SecurityGroupRule`; `name_of` turns a group's id into its name."""
    protocol = _PROTOCOLS.get(raw["IpProtocol"], raw["IpProtocol"])
    rule: Rule = {"protocol": protocol}
    if protocol != _ALL:
        ports = {"from_port": raw.get("FromPort"), "to_port": raw.get("ToPort")}
        rule |= {name: port for name, port in ports.items() if port is not None}
    if "ReferencedGroupInfo" in raw:
        rule["security_group"] = name_of(raw["ReferencedGroupInfo"]["GroupId"])
    elif "PrefixListId" in raw:
        rule["prefix_list"] = raw["PrefixListId"]
    else:
        rule["cidr"] = raw.get("CidrIpv4") or raw.get("CidrIpv6")
    if raw.get("Description"):
        rule["description"] = raw["Description"]
    return rule


def dump(rule: Rule, id_of: Callable[[str], str]) -> dict[str, Any]:
    """Return a rule as one of AWS's `IpPermissions`; `id_of` turns a group's name into its id."""
    note = {"Description": rule["description"]} if "description" in rule else {}
    numbers = {name: number for number, name in _PROTOCOLS.items() if name == _ALL}
    permission: dict[str, Any] = {"IpProtocol": numbers.get(rule["protocol"], rule["protocol"])}
    if "from_port" in rule:
        permission |= {"FromPort": rule["from_port"], "ToPort": rule["to_port"]}
    if "security_group" in rule:
        permission["UserIdGroupPairs"] = [{"GroupId": id_of(rule["security_group"]), **note}]
    elif "prefix_list" in rule:
        permission["PrefixListIds"] = [{"PrefixListId": rule["prefix_list"], **note}]
    elif ":" in rule["cidr"]:
        permission["Ipv6Ranges"] = [{"CidrIpv6": rule["cidr"], **note}]
    else:
        permission["IpRanges"] = [{"CidrIp": rule["cidr"], **note}]
    return permission


def split(permissions: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield each rule of AWS's `IpPermissions` in the shape of a `SecurityGroupRule`."""
    for permission in permissions:
        shared: dict[str, Any] = {
            name: permission[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in permission
        }
        for member, source, name in (
            ("IpRanges", "CidrIp", "CidrIpv4"),
            ("Ipv6Ranges", "CidrIpv6", "CidrIpv6"),
            ("PrefixListIds", "PrefixListId", "PrefixListId"),
        ):
            for item in permission.get(member, []):
                yield {**shared, name: item[source], "Description": item.get("Description")}
        for pair in permission.get("UserIdGroupPairs", []):
            yield {**shared, "ReferencedGroupInfo": pair, "Description": pair.get("Description")}
