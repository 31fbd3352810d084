#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an ECS task definition."""

from __future__ import annotations

DOCUMENTATION = r"""
module: ecs_task_definition
short_description: Manage the current revision of an ECS task definition
description:
  - Registers a revision when anything managed differs from the latest active one; the rest is carried over.
  - When only tags differ, they are changed in place.
  - With O(state=absent) all active revisions are deregistered, then all inactive ones deleted.
options:
  name:
    description: Family of the task definition.
    type: str
    required: true
  container_definitions:
    description: Containers, in the words of the ECS API (C(portMappings), …). Needed when O(state=present).
    type: list
    elements: dict
  cpu:
    description: CPU units of the task; 1024 are one vCPU.
    type: str
  memory:
    description: Memory of the task in MiB.
    type: str
  network_mode:
    description: Network mode; Fargate needs C(awsvpc).
    type: str
    choices: [awsvpc, bridge, host, none]
  requires_compatibilities:
    description: Launch types that AWS checks the definition against, in any order.
    type: list
    elements: str
    choices: [EC2, FARGATE, EXTERNAL]
  execution_role_arn:
    description: Role that pulls the image, reads secrets and writes logs.
    type: str
  task_role_arn:
    description: Role of the containers.
    type: str
  ephemeral_storage_gib:
    description: Disk of a Fargate task in GiB (21-200); 20 GiB when never given.
    type: int
  runtime_platform:
    description: What the task runs on.
    type: dict
    suboptions:
      cpu_architecture:
        description: Architecture of the processor.
        type: str
        choices: [X86_64, ARM64]
      operating_system_family:
        description: Operating system, for example C(LINUX).
        type: str
  volumes:
    description: Volumes, in the words of the ECS API, in any order.
    type: list
    elements: dict
  other_settings:
    description:
      - What a revision holds that this module has no option for, for example C(pidMode), in the words of the ECS API.
      - Only V({}) is possible; what is there is left out of the next revision.
    type: dict
notes:
  - Exists because community.aws.ecs_taskdefinition ignores changes of environment, secrets, sizes, roles and platform.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure the task definition of the worker is current
  ecs_task_definition:
    name: tamma-dev-audio-clean
    requires_compatibilities: [FARGATE]
    network_mode: awsvpc
    cpu: 1024
    memory: 4096
    container_definitions:
      - name: worker
        image: 123456789012.dkr.ecr.us-east-1.amazonaws.com/tamma-dev-audio-clean:1
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The latest revision in the names of this module's options, with its C(arn) and C(revision).
  returned: success
  type: dict
"""

from dataclasses import replace
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags, task_data
from ansible.module_utils.tamma.containers import normal, refuse_duplicates, refuse_fargate_size
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.shapes import fit, prune
from botocore.exceptions import ClientError

_STORAGE = range(21, 201)  # GiB, API reference of EphemeralStorage
_BATCH = 10  # revisions of one DeleteTaskDefinitions call, the API's limit


class TaskDefinition(Resource):
    """The latest active revision of a task definition."""

    kind = "ECS task definition"
    spec: ClassVar = {
        "container_definitions": {"type": "list", "elements": "dict"},
        "cpu": {"type": "str"},
        "memory": {"type": "str"},
        "network_mode": {"type": "str", "choices": ["awsvpc", "bridge", "host", "none"]},
        "requires_compatibilities": {"type": "list", "elements": "str", "choices": ["EC2", "FARGATE", "EXTERNAL"]},
        "execution_role_arn": {"type": "str"},
        "task_role_arn": {"type": "str"},
        "ephemeral_storage_gib": {"type": "int"},
        "runtime_platform": {
            "type": "dict",
            "options": {
                "cpu_architecture": {"type": "str", "choices": ["X86_64", "ARM64"]},
                "operating_system_family": {"type": "str"},
            },
        },
        "volumes": {"type": "list", "elements": "dict"},
        "other_settings": {"type": "dict"},
    }
    needed = ("container_definitions",)
    computed = renewed = ("arn", "revision")
    _latest: dict[str, Any] | None = None
    """The latest active revision as AWS described it."""

    def desired(self) -> State:
        """Return containers and volumes in the types and the order of the ECS API."""
        state = super().desired()
        if "container_definitions" in state:
            fargate = "FARGATE" in state.get("requires_compatibilities", [])
            mode = state.get("network_mode", "awsvpc" if fargate else "bridge")
            shape = self._shape("containerDefinitions")
            state["container_definitions"] = normal(state["container_definitions"], shape, mode)
        if "volumes" in state:
            state["volumes"] = task_data.normal_volumes(fit(state["volumes"], self._shape("volumes"), "volumes"))
        if "requires_compatibilities" in state:
            state["requires_compatibilities"] = sorted(set(state["requires_compatibilities"]))
        return state

    def check(self, desired: State) -> None:
        """Refuse duplicates, and a disk that ECS does not have."""
        refuse_duplicates(desired["container_definitions"])
        if desired.get("other_settings"):
            raise RefusalError("other_settings can only be empty; leave the option out to keep what is there")
        if desired.get("ephemeral_storage_gib", _STORAGE[0]) not in _STORAGE:
            raise RefusalError(f"ephemeral_storage_gib must be {_STORAGE[0]} to {_STORAGE[-1]}; leave it out for 20")

    def plan(self) -> Plan:
        """Refuse what Fargate does not have, judged with what is carried over; tags need no new revision."""
        plan = super().plan()
        if plan.changed and "FARGATE" in plan.after.get("requires_compatibilities", []):
            if plan.after.get("network_mode") != "awsvpc":
                raise RefusalError("Fargate needs the network mode awsvpc; set network_mode")
            refuse_fargate_size(plan.after.get("cpu"), plan.after.get("memory"))
        if plan.action == "update" and set(plan.changes) == {"tags"}:
            return replace(plan, after={**plan.after, **{name: plan.before[name] for name in self.renewed}})
        return plan

    def find(self) -> State | None:
        """Return the latest active revision in normal form; for a deletion, all revisions that are left."""
        if self.params["state"] == "absent":
            left = [*self._revisions("ACTIVE"), *self._revisions("INACTIVE")]
            count = f"{len(left)} revision{'' if len(left) == 1 else 's'}"
            return {"revisions": [arn.rpartition("/")[2] for arn in left], "holds": count} if left else None
        answer = self._describe() or {"taskDefinition": {"status": "INACTIVE"}}
        # ministack 1.5.33 answers with the last revision even when it is not active any more.
        self._latest = answer["taskDefinition"] if answer["taskDefinition"]["status"] == "ACTIVE" else None
        if self._latest is None:
            return None
        return task_data.from_aws(self._latest, answer.get("tags", []), self._shape("containerDefinitions"))

    def create(self, desired: State) -> None:
        """Register the first revision, or the next one of a family that has only old ones."""
        self._register({}, desired)

    def update(self, current: State, changes: State) -> None:
        """Register a revision, or only change the tags of the latest one."""
        ecs = self.client("ecs")
        if changes.keys() - {"tags"}:
            self._register(self._latest or {}, {"tags": current["tags"], **changes})
            return
        tags.update_ecs(ecs, current["arn"], current["tags"], changes["tags"])

    def delete(self, current: State) -> None:
        """Deregister every active revision, then delete all that are inactive."""
        del current
        ecs = self.client("ecs")
        for arn in self._revisions("ACTIVE"):
            ecs.deregister_task_definition(taskDefinition=arn)
        # The newest first: those that somebody registered by hand lack the tags by which the next run knows ours.
        inactive = self._revisions("INACTIVE")[::-1]
        for start in range(0, len(inactive), _BATCH):
            answer = ecs.delete_task_definitions(taskDefinitions=inactive[start : start + _BATCH])
            for failure in answer.get("failures", []):
                raise RefusalError(f"AWS did not delete {failure.get('arn')}: {failure.get('reason')}; re-run")

    def _shape(self, member: str) -> Any:
        model = self.client("ecs").meta.service_model.operation_model("RegisterTaskDefinition").input_shape
        return model.members[member] if member else model

    def _describe(self) -> dict[str, Any] | None:
        try:
            answer: dict[str, Any] = self.client("ecs").describe_task_definition(
                taskDefinition=self.name, include=["TAGS"]
            )
        except ClientError as error:
            if is_code(error, "ClientException") and "describe task definition" in str(error):
                return None
            raise
        return answer

    def _revisions(self, status: str) -> list[str]:
        pages = (
            self.client("ecs").get_paginator("list_task_definitions").paginate(familyPrefix=self.name, status=status)
        )
        arns: list[str] = pages.build_full_result()["taskDefinitionArns"]
        # ministack 1.5.33 takes the family for a prefix of a name.
        return [arn for arn in arns if arn.rpartition("/")[2].rpartition(":")[0] == self.name]

    def _register(self, old: dict[str, Any], state: State) -> None:
        """Register a revision that differs from an old one, as AWS described it, in these properties."""
        carried = prune(fit(old, self._shape(""), "the latest revision", drop_unknown=True))
        request = {**carried, **task_data.to_aws(state), "tags": tags.to_pairs(state.get("tags"), lower=True)}
        request = {name: value for name, value in request.items() if value not in ("", [], {})}
        self.client("ecs").register_task_definition(**{**request, "family": self.name})


def main() -> None:
    """Run the module."""
    run(TaskDefinition)


if __name__ == "__main__":
    main()
