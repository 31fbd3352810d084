#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an EC2 Auto Scaling group."""

from __future__ import annotations

DOCUMENTATION = r"""
module: autoscaling_group
short_description: Manage an EC2 Auto Scaling group
description:
  - Creates, updates and deletes an Auto Scaling group that starts the default version of a launch template.
  - A new default version is used by the instances that start from then on; running ones are not replaced.
options:
  name:
    description: Name of the group.
    type: str
    required: true
  launch_template:
    description: Name of the launch template; its default version is used. Needed when O(state=present).
    type: str
  min_size:
    description: Fewest instances. Needed when O(state=present).
    type: int
  max_size:
    description: Most instances. Needed when O(state=present).
    type: int
  desired_capacity:
    description: Wanted instances. Leave it out when something else scales the group, for example ECS.
    type: int
  vpc:
    description: Name of the VPC of the subnets. Needed when O(state=present).
    type: str
  subnets:
    description: Names of the subnets. Needed when O(state=present).
    type: list
    elements: str
  new_instances_protected_from_scale_in:
    description: Whether new instances are protected from scale-in, as managed termination protection of ECS needs it.
    type: bool
  capacity_rebalance:
    description: Whether a Spot instance at risk is replaced before it is interrupted.
    type: bool
  health_check_type:
    description: Whose health checks count.
    type: str
    choices: [EC2, ELB]
  suspended_processes:
    description: Names of all processes that are suspended, for example V(Launch); V([]) resumes all.
    type: list
    elements: str
  tags:
    description:
      - Tags of the group and of its new instances; those that are not listed are removed.
      - Left alone are C(AmazonECSManaged), which ECS adds, and those that AWS itself sets.
    type: dict
notes:
  - Exists because amazon.aws.autoscaling_group writes on every run and takes the tag of ECS for a change.
extends_documentation_fragment: [tamma_resource]
"""

EXAMPLES = r"""
- name: Ensure the group of GPU instances exists
  autoscaling_group:
    name: tamma-dev-gpu-asg
    launch_template: tamma-dev-gpu
    min_size: 0
    max_size: 2
    vpc: tamma-dev-vpc
    subnets: [tamma-dev-private-us-east-1a, tamma-dev-private-us-east-1b]
    new_instances_protected_from_scale_in: true
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The group in the names of this module's options, with its C(arn).
  returned: success
  type: dict
"""

from functools import cached_property
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.ec2 import SUBNET, Vpc
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import poll, retry_on

_SETTINGS = {
    "min_size": "MinSize",
    "max_size": "MaxSize",
    "desired_capacity": "DesiredCapacity",
    "new_instances_protected_from_scale_in": "NewInstancesProtectedFromScaleIn",
    "capacity_rebalance": "CapacityRebalance",
    "health_check_type": "HealthCheckType",
}
_ECS_TAG = "AmazonECSManaged"
_VERSION = "$Default"  # so that making a version the default, or going back to an old one, is all it takes
_BUSY = ("ScalingActivityInProgress", "ResourceContention")
_DELETE_TIMEOUT = 900  # seconds; a GPU instance may take minutes to shut down
_BATCH = 50  # instances of one SetInstanceProtection call, the API's limit


class AutoScalingGroup(Resource):
    """An Auto Scaling group over the default version of a launch template."""

    kind = "Auto Scaling group"
    spec: ClassVar = {
        "launch_template": {"type": "str"},
        "min_size": {"type": "int"},
        "max_size": {"type": "int"},
        "desired_capacity": {"type": "int"},
        "subnets": {"type": "list", "elements": "str"},
        "new_instances_protected_from_scale_in": {"type": "bool"},
        "capacity_rebalance": {"type": "bool"},
        "health_check_type": {"type": "str", "choices": ["EC2", "ELB"]},
        "suspended_processes": {"type": "list", "elements": "str"},
    }
    controls: ClassVar = {"vpc": {"type": "str"}}
    needed = ("launch_template", "min_size", "max_size", "vpc", "subnets")
    computed = ("arn",)

    @cached_property
    def vpc(self) -> Vpc | None:
        """The VPC of the subnets, when it was given."""
        return Vpc(self.client("ec2"), self.params["vpc"]) if self.params.get("vpc") else None

    def desired(self) -> State:
        """Return the subnets in order, and no tag that ECS looks after."""
        state = super().desired()
        if "subnets" in state:
            state["subnets"] = sorted(set(state["subnets"]))
        state.get("suspended_processes", []).sort()
        state.get("tags", {}).pop(_ECS_TAG, None)
        return state

    def check(self, desired: State) -> None:
        """Refuse sizes that contradict each other, and a group without subnets."""
        least, most = desired["min_size"], desired["max_size"]
        if not 0 <= least <= desired.get("desired_capacity", least) <= most:
            raise RefusalError("the sizes must satisfy 0 <= min_size <= desired_capacity <= max_size; change them")
        if not desired["subnets"]:
            raise RefusalError("subnets is empty; name at least one")

    def find(self) -> State | None:
        """Return the group in normal form; one that is being deleted only for a deletion."""
        group = self._read()
        if group is None or (group.get("Status") and self.params["state"] == "present"):
            return None
        if self.params["state"] == "absent":
            count = len(group.get("Instances", []))
            held = f"{count} instance{'' if count == 1 else 's'}" if count else ""
            return {"arn": group["AutoScalingGroupARN"], "holds": held}
        template = group.get("LaunchTemplate", {})
        version = template.get("Version", _VERSION)
        name = template.get("LaunchTemplateName")
        subnets = [item for item in group.get("VPCZoneIdentifier", "").split(",") if item]
        return {
            "arn": group["AutoScalingGroupARN"],
            "launch_template": name if version == _VERSION else f"{name}, version {version}",
            **{ours: group.get(theirs) for ours, theirs in _SETTINGS.items()},
            "capacity_rebalance": group.get("CapacityRebalance", False),
            "suspended_processes": sorted(item["ProcessName"] for item in group.get("SuspendedProcesses", [])),
            "subnets": self.vpc.to_names(SUBNET, subnets) if self.vpc else sorted(subnets),
            "tags": _tags(group),
        }

    def create(self, desired: State) -> None:
        """Create the group; its instances start when ECS or desired_capacity asks for them."""
        self.client("autoscaling").create_auto_scaling_group(
            AutoScalingGroupName=self.name, Tags=self._pairs(desired.get("tags", {})), **self._request(desired)
        )
        self._suspend([], desired.get("suspended_processes", []))

    def update(self, current: State, changes: State) -> None:
        """Change settings, launch template, subnets and tags."""
        scaling, request = self.client("autoscaling"), self._request(changes)
        if request:
            scaling.update_auto_scaling_group(AutoScalingGroupName=self.name, **request)
        if "suspended_processes" in changes:
            self._suspend(current["suspended_processes"], changes["suspended_processes"])
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                scaling.create_or_update_tags(Tags=self._pairs(wanted))
            if gone:
                where = {"ResourceId": self.name, "ResourceType": "auto-scaling-group"}
                scaling.delete_tags(Tags=[{**where, "Key": name} for name in gone])

    def delete(self, current: State) -> None:
        """Delete the group with its instances, and wait until both are gone."""
        del current
        scaling, group = self.client("autoscaling"), self._read() or {}
        # An instance that is protected from scale-in keeps a group alive even when its deletion is forced.
        protected = [item["InstanceId"] for item in group.get("Instances", []) if item.get("ProtectedFromScaleIn")]
        for start in range(0, len(protected), _BATCH):
            scaling.set_instance_protection(
                AutoScalingGroupName=self.name,
                InstanceIds=protected[start : start + _BATCH],
                ProtectedFromScaleIn=False,
            )
        if not group.get("Status"):
            retry_on(
                lambda: scaling.delete_auto_scaling_group(AutoScalingGroupName=self.name, ForceDelete=True), *_BUSY
            )
        poll(lambda: self._read() is None, what=f"deletion of {self.name}", timeout=_DELETE_TIMEOUT)

    def _suspend(self, before: list[str], after: list[str]) -> None:
        scaling = self.client("autoscaling")
        for call, names in (
            (scaling.resume_processes, set(before) - set(after)),
            (scaling.suspend_processes, set(after) - set(before)),
        ):
            if names:  # no names would stand for all
                call(AutoScalingGroupName=self.name, ScalingProcesses=sorted(names))

    def _read(self) -> dict[str, Any] | None:
        answer = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[self.name])
        groups: list[dict[str, Any]] = answer["AutoScalingGroups"]
        return groups[0] if groups else None

    def _request(self, state: State) -> dict[str, Any]:
        request: dict[str, Any] = {theirs: state[ours] for ours, theirs in _SETTINGS.items() if ours in state}
        if "launch_template" in state:
            request["LaunchTemplate"] = {"LaunchTemplateName": state["launch_template"], "Version": _VERSION}
        if "subnets" in state and self.vpc:
            request["VPCZoneIdentifier"] = ",".join(self.vpc.to_id(SUBNET, name) for name in state["subnets"])
        return request

    def _pairs(self, named: dict[str, str]) -> list[dict[str, Any]]:
        where = {"ResourceId": self.name, "ResourceType": "auto-scaling-group", "PropagateAtLaunch": True}
        return [{**where, **pair} for pair in tags.to_pairs(named)]


def _tags(group: dict[str, Any]) -> dict[str, str]:
    named = tags.to_dict(group.get("Tags"))
    for item in group.get("Tags", []):
        if item["Key"] in named and not item.get("PropagateAtLaunch"):
            named[item["Key"]] += " (not on new instances)"
    named.pop(_ECS_TAG, None)
    return named


def main() -> None:
    """Run the module."""
    run(AutoScalingGroup)


if __name__ == "__main__":
    main()
