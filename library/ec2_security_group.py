#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a security group with its rules."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ec2_security_group
short_description: Manage a security group with its rules
description:
  - Creates, updates and deletes a security group, found by its name and its VPC.
  - The group C(default) of a VPC comes and goes with the VPC; its rules and tags can be managed.
options:
  name:
    description: Name of the group.
    type: str
    required: true
  vpc:
    description: Name of the VPC.
    type: str
    required: true
  description:
    description: What the group is for. Needed when it is created. Cannot be changed later.
    type: str
  ingress: &rules
    description: All rules for what may come in; others are removed.
    type: list
    elements: dict
    suboptions:
      protocol:
        description: C(tcp), C(udp), C(icmp), C(icmpv6), C(all) or the number of a protocol.
        type: str
        required: true
      from_port:
        description: First port, or the type of ICMP.
        type: int
      to_port:
        description: Last port, or the code of ICMP. By default the first one.
        type: int
      cidr:
        description: Who is meant, as an IPv4 or IPv6 range. One of this, O(ingress[].security_group)
          and O(ingress[].prefix_list) is needed.
        type: str
      security_group:
        description: Who is meant, as the name of a security group of the VPC.
        type: str
      prefix_list:
        description: Who is meant, as the id of a prefix list.
        type: str
      description:
        description: What the rule is for.
        type: str
  egress:
    <<: *rules
    description: All rules for what may go out; others are removed, the one that AWS gives a new group too.
notes:
  - Exists because amazon.aws.ec2_security_group sleeps three seconds after a creation, only warns about another
    description, and needs the id of the VPC.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure workers can call out over TLS and nobody can call in
  ec2_security_group:
    name: tamma-dev-worker-sg
    vpc: tamma-dev-vpc
    description: Workers call out over TLS, nobody calls in
    ingress: []
    egress:
      - {protocol: tcp, from_port: 443, cidr: 0.0.0.0/0}
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The group in the names of this module's options, with its C(id).
  returned: success
  type: dict
"""

from typing import Any, ClassVar

from ansible.module_utils.tamma import ec2, tags
from ansible.module_utils.tamma import security_rules as rules
from ansible.module_utils.tamma.ec2 import SECURITY_GROUP, VpcResource, filters, retag, specification
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import UNKNOWN, Plan, State
from ansible.module_utils.tamma.resource import run
from ansible.module_utils.tamma.security_rules import Rule
from ansible.module_utils.tamma.wait import poll

_DEFAULT = "default"
_LISTS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
# The group that AWS makes with a VPC ("Default security groups" in the VPC user guide).
_AS_MADE: State = {
    "id": UNKNOWN,
    "description": "default VPC security group",
    "ingress": [{"protocol": "all", "security_group": _DEFAULT}],
    "egress": [{"protocol": "all", "cidr": "0.0.0.0/0"}],
    "tags": {},
}


class SecurityGroup(VpcResource):
    """A security group with its rules."""

    kind = "Security group"
    identity: ClassVar = {"name": {"type": "str", "required": True}, "vpc": {"type": "str", "required": True}}
    spec: ClassVar = {
        "description": {"type": "str"},
        **{side: {"type": "list", "elements": "dict", "options": rules.SPEC} for side in _LISTS},
    }
    immutable: ClassVar = {"description": "keep the old one, or delete the group first, when nothing uses it"}
    computed = ("id",)

    def desired(self) -> State:
        """Return the rules in order and as AWS writes them; here the tag `Name` is a tag like others."""
        state = super(ec2.NamedResource, self).desired()
        for side in _LISTS:
            if side in state:
                state[side] = sorted((rules.normal(rule) for rule in state[side]), key=rules.order)
        return state

    def check(self, desired: State) -> None:
        """Refuse a rule that stands there twice: AWS does not look at descriptions when it compares."""
        for side in _LISTS:
            plain = [{**rule, "description": ""} for rule in desired.get(side, [])]
            if twice := [rule for rule in plain if plain.count(rule) > 1]:
                source = next(twice[0][name] for name in rules.SOURCES if name in twice[0])
                raise RefusalError(f"{side} has the rule for {twice[0]['protocol']} and {source} twice; keep one")

    def plan(self) -> Plan:
        """Plan as usual; the group that AWS makes is not deleted, and another one needs a description."""
        if self.params["name"] == _DEFAULT and self.params["state"] == "absent":
            raise RefusalError("AWS deletes it together with its VPC and nobody else can; delete the VPC instead")
        plan = super().plan()
        if plan.action == "create" and not plan.after.get("description"):
            raise RefusalError("a new security group needs a description; give one")
        return plan

    def find(self) -> State | None:
        """Return the group in normal form; before there is a VPC, its own group as AWS is going to make it."""
        group = self._read()
        if group is None:
            coming = self.params["name"] == _DEFAULT and self.params["state"] == "present" and self.vpc.id is None
            return dict(_AS_MADE) if coming else None
        own = group["GroupId"]
        return {
            "id": own,
            "description": group["Description"],
            **{
                side: sorted((self._load(raw, own) for raw in rules.split(group.get(member, []))), key=rules.order)
                for side, member in _LISTS.items()
            },
            "tags": tags.to_dict(group.get("Tags")),
        }

    def create(self, desired: State) -> None:
        """Create the group, then make its rules, of which AWS has already added one, the wanted ones."""
        for rule in [*desired.get("ingress", []), *desired.get("egress", [])]:
            if rule.get("security_group") != self.params["name"]:
                rules.dump(rule, self._id_of)  # a missing group is told before the first write
        self.ec2.create_security_group(
            GroupName=self.params["name"],
            Description=desired["description"],
            VpcId=self.vpc.need_id(),
            **specification("security-group", desired.get("tags", {})),
        )
        poll(lambda: self._read() is not None, what=f"creation of the security group {self.name}")
        current = self.find() or {}
        self.update(
            current, {side: desired[side] for side in _LISTS if desired.get(side, current[side]) != current[side]}
        )

    def update(self, current: State, changes: State) -> None:
        """Revoke first: AWS refuses a rule that differs from a present one in its description alone."""
        self.vpc.need_id()
        own = {self.params["name"]: current["id"]}
        added = {
            side: [
                rules.dump(rule, lambda name: own.get(name) or self._id_of(name))
                for rule in changes[side]
                if rule not in current[side]
            ]
            for side in _LISTS
            if side in changes
        }
        for side, wanted in added.items():
            gone = [rule for rule in current[side] if rule not in changes[side]]
            if ids := self._rule_ids(current["id"], side, gone):
                getattr(self.ec2, f"revoke_security_group_{side}")(GroupId=current["id"], SecurityGroupRuleIds=ids)
            if wanted:
                getattr(self.ec2, f"authorize_security_group_{side}")(GroupId=current["id"], IpPermissions=wanted)
        if "tags" in changes:
            retag(self.ec2, [current["id"]], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Delete the group as soon as the last network interface has left it.

        AWS keeps a group that another one's rules name. Those of the group `default`, which goes with the VPC, are
        revoked; other groups are somebody's, and stay as they are.
        """
        default = self._read(_DEFAULT) or {}
        for side, member in _LISTS.items():
            naming = [rule for raw in default.get(member, []) if (rule := _only(raw, current["id"]))]
            if naming:
                getattr(self.ec2, f"revoke_security_group_{side}")(GroupId=default["GroupId"], IpPermissions=naming)
        ec2.delete_when_free(lambda: self.ec2.delete_security_group(GroupId=current["id"]))
        poll(lambda: self._read() is None, what=f"deletion of the security group {self.name}")

    def _read(self, name: str = "") -> dict[str, Any] | None:
        if self.vpc.id is None:
            return None
        # All groups of the VPC: one question, whichever of them is asked about.
        pages = self.ec2.get_paginator("describe_security_groups").paginate(Filters=filters({"vpc-id": [self.vpc.id]}))
        found: list[dict[str, Any]] = pages.build_full_result()["SecurityGroups"]
        return next((group for group in found if group["GroupName"] == (name or self.params["name"])), None)

    def _rule_ids(self, group: str, side: str, gone: list[Rule]) -> list[str]:
        """Return the ids of these rules; AWS revokes by id what it may have grouped in another way than we would."""
        if not gone:
            return []
        pages = self.ec2.get_paginator("describe_security_group_rules").paginate(Filters=filters({"group-id": [group]}))
        found = [
            rule
            for rule in pages.build_full_result()["SecurityGroupRules"]
            if rule["IsEgress"] == (side == "egress") and self._load(rule, group) in gone
        ]
        return sorted({rule["SecurityGroupRuleId"] for rule in found})

    def _load(self, raw: dict[str, Any], own: str) -> Rule:
        return rules.load(
            raw,
            lambda group: self.params["name"] if group == own else self.vpc.to_names(SECURITY_GROUP, [group])[0],
        )

    def _id_of(self, name: str) -> str:
        return self.vpc.to_id(SECURITY_GROUP, name)


def _only(raw: dict[str, Any], group: str) -> dict[str, Any]:
    """Return that part of a permission, as EC2 describes it, that names a group; nothing when none does."""
    pairs = [{"GroupId": group} for pair in raw.get("UserIdGroupPairs", []) if pair.get("GroupId") == group]
    ports: dict[str, Any] = {name: raw[name] for name in ("IpProtocol", "FromPort", "ToPort") if name in raw}
    return {**ports, "UserIdGroupPairs": pairs[:1]} if pairs else {}


def main() -> None:
    """Run the module."""
    run(SecurityGroup)


if __name__ == "__main__":
    main()
