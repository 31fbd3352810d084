#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an ECS capacity provider over an Auto Scaling group."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_capacity_provider
short_description: Manage an ECS capacity provider over an EC2 Auto Scaling group
description:
  - Creates, updates and deletes a capacity provider that lets ECS scale an Auto Scaling group.
options:
  name:
    description: Name of the capacity provider. AWS refuses names that begin with C(aws), C(ecs) or C(fargate).
    type: str
    required: true
  auto_scaling_group:
    description: Name of the Auto Scaling group. Needed when O(state=present). Cannot be changed later.
    type: str
  managed_scaling:
    description: How ECS scales the group.
    type: dict
    suboptions:
      status:
        description: Whether ECS scales the group.
        type: str
        choices: [ENABLED, DISABLED]
      target_capacity:
        description: Share of the group's capacity that shall be in use, in percent (1-100).
        type: int
      minimum_scaling_step_size:
        description: Fewest instances of one scaling step (1-10000).
        type: int
      maximum_scaling_step_size:
        description: Most instances of one scaling step (1-10000).
        type: int
      instance_warmup_period:
        description: Seconds until a new instance counts towards the metrics (0-10000).
        type: int
  managed_termination_protection:
    description: Whether instances that run tasks are protected from scale-in. Needs managed scaling.
    type: str
    choices: [ENABLED, DISABLED]
  managed_draining:
    description: Whether tasks are drained before an instance is terminated.
    type: str
    choices: [ENABLED, DISABLED]
notes:
  - Exists because neither amazon.aws nor community.aws has a module for capacity providers.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the GPU capacity provider exists
  ecs_capacity_provider:
    name: tamma-dev-gpu-cp
    auto_scaling_group: tamma-dev-gpu-asg
    managed_scaling:
      status: ENABLED
      target_capacity: 100
    managed_termination_protection: ENABLED
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The capacity provider in the names of this module's options, with its C(arn).
  returned: success
  type: dict
"""

from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import poll, retry_on

_SCALING = {
    "status": "status",
    "target_capacity": "targetCapacity",
    "minimum_scaling_step_size": "minimumScalingStepSize",
    "maximum_scaling_step_size": "maximumScalingStepSize",
    "instance_warmup_period": "instanceWarmupPeriod",
}
_SWITCHES = {
    "managed_termination_protection": "managedTerminationProtection",
    "managed_draining": "managedDraining",
}
_GONE = " (deleted)"
_ON_OFF = {"type": "str", "choices": ["ENABLED", "DISABLED"]}


class CapacityProvider(Resource):
    """An ECS capacity provider over an Auto Scaling group."""

    kind = "ECS capacity provider"
    spec: ClassVar = {
        "auto_scaling_group": {"type": "str"},
        "managed_scaling": {
            "type": "dict",
            "options": {"status": _ON_OFF, **{name: {"type": "int"} for name in list(_SCALING)[1:]}},
        },
        **dict.fromkeys(_SWITCHES, _ON_OFF),
    }
    needed = ("auto_scaling_group",)
    immutable: ClassVar = {"auto_scaling_group": "delete the capacity provider first, or give the new one another name"}
    computed = ("arn",)

    def check(self, desired: State) -> None:
        """Refuse reserved names and termination protection without managed scaling, as AWS does."""
        if self.name.lower().startswith(("aws", "ecs", "fargate")):
            raise RefusalError("a name that begins with aws, ecs or fargate is reserved; choose another one")
        scaling = desired.get("managed_scaling", {}).get("status")
        if desired.get("managed_termination_protection") == "ENABLED" and scaling == "DISABLED":
            raise RefusalError("managed_termination_protection needs managed_scaling; set its status to ENABLED")

    def _refuse_immutable(self, plan: Plan) -> None:
        """Refuse another group; one that was deleted and made anew is repaired."""
        if not str(plan.before["auto_scaling_group"]).endswith(_GONE):
            super()._refuse_immutable(plan)

    def find(self) -> State | None:
        """Return the provider in normal form; AWS keeps deleted ones as INACTIVE."""
        answer = self.client("ecs").describe_capacity_providers(capacityProviders=[self.name], include=["TAGS"])
        found = [item for item in answer["capacityProviders"] if item["status"] == "ACTIVE"]
        if not found:
            return None
        group = found[0]["autoScalingGroupProvider"]
        return {
            "arn": found[0]["capacityProviderArn"],
            "auto_scaling_group": self._group_name(group["autoScalingGroupArn"]),
            "managed_scaling": {ours: group.get("managedScaling", {}).get(theirs) for ours, theirs in _SCALING.items()},
            "managed_termination_protection": group.get("managedTerminationProtection"),
            # AWS's default; ministack 1.5.33 does not return it before it was changed.
            "managed_draining": group.get("managedDraining", "ENABLED"),
            "tags": tags.to_dict(found[0].get("tags")),
        }

    def create(self, desired: State) -> None:
        """Create the provider."""
        self.client("ecs").create_capacity_provider(
            name=self.name,
            autoScalingGroupProvider={
                "autoScalingGroupArn": self._group_arn(desired["auto_scaling_group"]),
                **_to_aws(desired),
            },
            tags=tags.to_pairs(desired.get("tags"), lower=True),
        )

    def update(self, current: State, changes: State) -> None:
        """Change scaling, protection, draining or tags; or make the provider anew when its group was."""
        if "auto_scaling_group" in changes:
            self._replace({**current, **changes})
            return
        ecs = self.client("ecs")
        settings = _to_aws(changes)
        if settings:
            ecs.update_capacity_provider(name=self.name, autoScalingGroupProvider=settings)
        if "tags" in changes:
            tags.update_ecs(ecs, current["arn"], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Delete the provider; AWS takes some seconds until it is INACTIVE."""
        del current
        clusters = [str(cluster["clusterName"]) for cluster in self._clusters()]
        if clusters:
            raise RefusalError(f"the provider is still used by {', '.join(clusters)}; take it out of the cluster first")
        self.client("ecs").delete_capacity_provider(capacityProvider=self.name)
        poll(lambda: self.find() is None, what=f"deletion of {self.name}")

    def _replace(self, state: State) -> None:
        """Take the provider out of its clusters, make it anew, and put it back: its instances are gone anyway."""
        clusters = self._clusters()
        for cluster in clusters:
            self._put(cluster, without=self.name)
        self.delete(state)
        self.create(state)
        for cluster in clusters:
            self._put(cluster)

    def _put(self, cluster: dict[str, Any], *, without: str = "") -> None:
        strategy = cluster.get("defaultCapacityProviderStrategy", [])
        retry_on(
            lambda: self.client("ecs").put_cluster_capacity_providers(
                cluster=cluster["clusterName"],
                capacityProviders=[name for name in cluster["capacityProviders"] if name != without],
                defaultCapacityProviderStrategy=[item for item in strategy if item["capacityProvider"] != without],
            ),
            *("UpdateInProgressException", "ResourceInUseException"),
        )

    def _clusters(self) -> list[dict[str, Any]]:
        ecs, users = self.client("ecs"), []
        for page in ecs.get_paginator("list_clusters").paginate():  # pages of at most 100, as DescribeClusters takes
            found = ecs.describe_clusters(clusters=page["clusterArns"])["clusters"] if page["clusterArns"] else []
            users += [item for item in found if self.name in item.get("capacityProviders", [])]
        return users

    def _group_name(self, arn: str) -> str:
        """Return the group's name, marked when it is gone, even if a newer one has the name: nothing would scale."""
        name = arn.rsplit("autoScalingGroupName/", 1)[-1]
        return name if self._find_group_arn(name) == arn else f"{name}{_GONE}"

    def _group_arn(self, name: str) -> str:
        arn = self._find_group_arn(name)
        if arn is None:
            raise RefusalError(f"the Auto Scaling group {name} does not exist; create it first")
        return arn

    def _find_group_arn(self, name: str) -> str | None:
        groups = self.client("autoscaling").describe_auto_scaling_groups(AutoScalingGroupNames=[name])
        return next((str(group["AutoScalingGroupARN"]) for group in groups["AutoScalingGroups"]), None)


def _to_aws(state: State) -> dict[str, Any]:
    settings: dict[str, Any] = {theirs: state[ours] for ours, theirs in _SWITCHES.items() if state.get(ours)}
    scaling = state.get("managed_scaling")
    if scaling:
        settings["managedScaling"] = {
            theirs: scaling[ours] for ours, theirs in _SCALING.items() if scaling.get(ours) is not None
        }
    return settings


def main() -> None:
    """Run the module."""
    run(CapacityProvider)


if __name__ == "__main__":
    main()
