#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an ECS cluster with its capacity providers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_cluster
short_description: Manage an ECS cluster, its capacity providers and Container Insights
description:
  - Creates, updates and deletes an ECS cluster.
options:
  name:
    description: Name of the cluster.
    type: str
    required: true
  capacity_providers:
    description: Names of all capacity providers of the cluster; C(FARGATE) and C(FARGATE_SPOT) always exist.
    type: list
    elements: str
  default_capacity_provider_strategy:
    description: Where tasks run that name neither a strategy nor a launch type.
    type: list
    elements: dict
    suboptions:
      capacity_provider:
        description: Name of one of O(capacity_providers).
        type: str
        required: true
      weight:
        description: Share of the tasks beyond the base (0-1000).
        type: int
        default: 0
      base:
        description: Fewest tasks that run there before weights count (0-100000); at most one provider has a base.
        type: int
        default: 0
  container_insights:
    description: Which metrics CloudWatch collects of tasks and containers; all but C(disabled) cost money.
    type: str
    choices: [enabled, disabled, enhanced]
  force_delete:
    description:
      - Whether O(state=absent) stops the tasks that still run. Otherwise they get three minutes to end by themselves,
        and when one has not the deletion fails.
    type: bool
    default: false
notes:
  - Exists because community.aws.ecs_cluster knows no settings and no tags and compares providers as a list.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the cluster exists
  ecs_cluster:
    name: tamma-dev-cluster
    capacity_providers: [FARGATE, FARGATE_SPOT]
    default_capacity_provider_strategy:
      - {capacity_provider: FARGATE_SPOT, weight: 3}
      - {capacity_provider: FARGATE, weight: 1}
    container_insights: enabled
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The cluster in the names of this module's options, with its C(arn).
  returned: success
  type: dict
"""

from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import poll, retry_on

_STRATEGY = {"capacity_provider": "capacityProvider", "weight": "weight", "base": "base"}
_LIMITS = {"weight": 1000, "base": 100_000}  # API reference of CapacityProviderStrategyItem
_INSIGHTS = ["enabled", "disabled", "enhanced"]
_BUSY = ("UpdateInProgressException", "ResourceInUseException")
_TASKS_STOP = 180  # seconds; SIGTERM leaves a container at most 120 s


class Cluster(Resource):
    """An ECS cluster with its capacity providers."""

    kind = "ECS cluster"
    spec: ClassVar = {
        "capacity_providers": {"type": "list", "elements": "str"},
        "default_capacity_provider_strategy": {
            "type": "list",
            "elements": "dict",
            "options": {
                "capacity_provider": {"type": "str", "required": True},
                "weight": {"type": "int", "default": 0},
                "base": {"type": "int", "default": 0},
            },
        },
        "container_insights": {"type": "str", "choices": _INSIGHTS},
    }
    controls: ClassVar = {"force_delete": {"type": "bool", "default": False}}
    computed = ("arn",)

    def desired(self) -> State:
        """Return providers and strategy in order."""
        state = super().desired()
        if "capacity_providers" in state:
            state["capacity_providers"] = sorted(set(state["capacity_providers"]))
        state.get("default_capacity_provider_strategy", []).sort(key=lambda item: item["capacity_provider"])
        return state

    def check(self, desired: State) -> None:
        """Refuse a strategy that ECS refuses, or that would place no task."""
        strategy = desired.get("default_capacity_provider_strategy", [])
        used = [item["capacity_provider"] for item in strategy]
        foreign = sorted(set(used) - set(desired.get("capacity_providers", used)))
        fargate = {name.startswith("FARGATE") for name in used}
        if foreign:
            raise RefusalError(f"the default strategy uses {', '.join(foreign)}; add it to capacity_providers")
        if len(set(used)) < len(used):
            raise RefusalError("the default strategy names a provider twice; keep one")
        if len(fargate) > 1:
            raise RefusalError("the default strategy mixes Fargate with an Auto Scaling group; use one kind")
        if sum(item["base"] > 0 for item in strategy) > 1:
            raise RefusalError("more than one provider of the default strategy has a base; keep one")
        if strategy and not any(item["weight"] for item in strategy):
            raise RefusalError("every weight of the default strategy is 0, so no task would be placed; set one")
        for name, most in _LIMITS.items():
            if any(not 0 <= item[name] <= most for item in strategy):
                raise RefusalError(f"a {name} of the default strategy is outside 0-{most}; change it")

    def find(self) -> State | None:
        """Return the cluster in normal form; AWS keeps deleted ones as INACTIVE."""
        cluster = self._read()
        if cluster is None:
            return None
        count = cluster.get("runningTasksCount", 0) + cluster.get("pendingTasksCount", 0)
        settings = {setting["name"]: setting["value"] for setting in cluster.get("settings", [])}
        strategy = [
            {"capacity_provider": item["capacityProvider"], **{name: item.get(name, 0) for name in _LIMITS}}
            for item in cluster.get("defaultCapacityProviderStrategy", [])
        ]
        return {
            "arn": cluster["clusterArn"],
            "capacity_providers": sorted(cluster.get("capacityProviders", [])),
            "default_capacity_provider_strategy": sorted(strategy, key=lambda item: str(item["capacity_provider"])),
            "container_insights": settings.get("containerInsights", "disabled"),
            "tags": tags.to_dict(cluster.get("tags")),
            "holds": f"{count} task{'' if count == 1 else 's'}" if count else "",
        }

    def create(self, desired: State) -> None:
        """Create the cluster and wait until its providers are attached."""
        request: dict[str, Any] = {"settings": _settings(desired)} if "container_insights" in desired else {}
        if "capacity_providers" in desired:
            request["capacityProviders"] = desired["capacity_providers"]
        if "default_capacity_provider_strategy" in desired:
            request["defaultCapacityProviderStrategy"] = _strategy(desired)
        # The first cluster of an account makes AWS create the role of ECS, which takes some seconds to be usable.
        retry_on(
            lambda: self.client("ecs").create_cluster(
                clusterName=self.name, tags=tags.to_pairs(desired.get("tags"), lower=True), **request
            ),
            "InvalidParameterException",
            containing="service linked role",
        )
        self._wait_until_settled()

    def update(self, current: State, changes: State) -> None:
        """Change providers, strategy, settings and tags."""
        ecs = self.client("ecs")
        if {"capacity_providers", "default_capacity_provider_strategy"} & changes.keys():
            self._put_providers({**current, **changes})
        if "container_insights" in changes:
            ecs.update_cluster(cluster=self.name, settings=_settings(changes))
        if "tags" in changes:
            tags.update_ecs(ecs, current["arn"], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Wait for stopping tasks, detach providers and instances, delete the cluster."""
        if self.params["force_delete"]:
            self._stop_tasks()
        poll(self._is_idle, what=f"the end of the tasks in {self.name}", timeout=_TASKS_STOP)
        self._delete_idle_services()
        if current["capacity_providers"] or current["default_capacity_provider_strategy"]:
            self._put_providers({"capacity_providers": [], "default_capacity_provider_strategy": []})
        retry_on(self._delete_without_instances, *_BUSY, "ClusterContainsContainerInstancesException")
        poll(lambda: self._read() is None, what=f"deletion of {self.name}")

    def _delete_without_instances(self) -> None:
        """Deregister the instances that are there by now (one that was starting comes late), and delete the cluster."""
        ecs = self.client("ecs")
        for page in ecs.get_paginator("list_container_instances").paginate(cluster=self.name):
            for arn in page["containerInstanceArns"]:
                # They end with their Auto Scaling group, which is deleted after the cluster that uses it.
                ecs.deregister_container_instance(cluster=self.name, containerInstance=arn, force=True)
        ecs.delete_cluster(cluster=self.name)

    def _read(self) -> dict[str, Any] | None:
        include = ["TAGS", "SETTINGS", "ATTACHMENTS"]
        found: list[dict[str, Any]] = self.client("ecs").describe_clusters(clusters=[self.name], include=include)[
            "clusters"
        ]
        return next((cluster for cluster in found if cluster["status"] != "INACTIVE"), None)

    def _is_idle(self) -> bool:
        cluster = self._read() or {}
        return not (cluster.get("runningTasksCount") or cluster.get("pendingTasksCount"))

    def _stop_tasks(self) -> None:
        ecs = self.client("ecs")
        for page in ecs.get_paginator("list_tasks").paginate(cluster=self.name, desiredStatus="RUNNING"):
            for arn in page["taskArns"]:
                ecs.stop_task(cluster=self.name, task=arn, reason="The cluster is being deleted")

    def _delete_idle_services(self) -> None:
        """Delete the services that want no task: ECS keeps a cluster that has any."""
        ecs = self.client("ecs")
        for page in ecs.get_paginator("list_services").paginate(cluster=self.name):
            arns = page["serviceArns"]  # at most ten, unless more are asked for
            found = ecs.describe_services(cluster=self.name, services=arns)["services"] if arns else []
            for service in found:
                if not service["desiredCount"]:
                    ecs.delete_service(cluster=self.name, service=service["serviceArn"], force=True)

    def _put_providers(self, state: State) -> None:
        retry_on(
            lambda: self.client("ecs").put_cluster_capacity_providers(
                cluster=self.name,
                capacityProviders=state["capacity_providers"],
                defaultCapacityProviderStrategy=_strategy(state),
            ),
            *_BUSY,
        )
        self._wait_until_settled()

    def _wait_until_settled(self) -> None:
        def settled() -> bool:
            status = (self._read() or {}).get("attachmentsStatus", "")
            if status == "UPDATE_FAILED":
                raise RefusalError("ECS could not attach the capacity providers; look at its events and re-run")
            return bool(status != "UPDATE_IN_PROGRESS")

        poll(settled, what=f"attaching the capacity providers of {self.name}")


def _strategy(state: State) -> list[dict[str, Any]]:
    items = state["default_capacity_provider_strategy"]
    return [{theirs: item[ours] for ours, theirs in _STRATEGY.items()} for item in items]


def _settings(state: State) -> list[dict[str, str]]:
    return [{"name": "containerInsights", "value": state["container_insights"]}]


def main() -> None:
    """Run the module."""
    run(Cluster)


if __name__ == "__main__":
    main()
