#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: an EventBridge rule."""

from __future__ import annotations

DOCUMENTATION = r"""
module: events_rule
short_description: Manage an EventBridge rule and its targets
description:
  - Creates, updates and deletes a rule with all of its targets.
options:
  name:
    description: Name of the rule.
    type: str
    required: true
  event_bus:
    description: Name of the event bus.
    type: str
    default: default
  event_pattern:
    description: Which events the rule is for. A new rule needs this or O(schedule_expression); V({}) for none.
    type: dict
  schedule_expression:
    description: When the rule fires, for example C(rate(1 minute)); an empty string for none. Default bus only.
    type: str
  rule_state:
    description: Whether the rule is in force.
    type: str
    choices: [enabled, disabled]
  description:
    description: What the rule is for.
    type: str
  targets:
    description: All targets; others are removed.
    type: list
    elements: dict
    suboptions:
      id:
        description: Name of the target, unique in the rule.
        type: str
        required: true
      arn:
        description: ARN of what is called.
        type: str
        required: true
      input:
        description: JSON text that is sent instead of the event.
        type: str
      role_arn:
        description: Role that EventBridge takes on, for targets that need one.
        type: str
      dead_letter_queue_arn:
        description: Queue for events that could not be delivered.
        type: str
      retry_policy:
        description: How long and how often delivery is tried again.
        type: dict
        suboptions:
          maximum_event_age:
            description: Seconds (60-86400).
            type: int
            default: 86400
          maximum_retry_attempts:
            description: Attempts (0-185).
            type: int
            default: 185
      sqs_message_group_id:
        description: Message group; needed for a FIFO queue.
        type: str
notes:
  - Exists because amazon.aws.cloudwatchevent_rule has no check mode, bus, tags, retry policy or dead-letter queue.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure expired leases are swept
  events_rule:
    name: tamma-dev-sweep
    schedule_expression: rate(1 minute)
    targets:
      - {id: task-events, arn: "{{ naming_task_events_queue_arn }}", input: '{"tamma": "sweep"}'}
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The rule in the names of this module's options, with its C(arn).
  returned: success
  type: dict
"""

import json
import re
from typing import Any, ClassVar

from ansible.module_utils.tamma import event_targets, tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import Resource, run
from botocore.exceptions import ClientError

_TEXT = {"type": "str"}
# "1 minute" and "2 minutes": AWS refuses the other way round.
_SCHEDULE = re.compile(r"rate\((1 (minute|hour|day)|([2-9]|[1-9]\d+) (minutes|hours|days))\)|cron\(\S+( \S+){5}\)")


class Rule(Resource):
    """An EventBridge rule; a pattern or schedule that it does not have is empty."""

    kind = "EventBridge rule"
    identity: ClassVar = {"name": {"type": "str", "required": True}, "event_bus": {"type": "str", "default": "default"}}
    spec: ClassVar = {
        "event_pattern": {"type": "dict"},
        "schedule_expression": _TEXT,
        "rule_state": {"type": "str", "choices": ["enabled", "disabled"]},
        "description": _TEXT,
        "targets": {
            "type": "list",
            "elements": "dict",
            "options": {
                "id": {"type": "str", "required": True},
                "arn": {"type": "str", "required": True},
                "input": _TEXT,
                "role_arn": _TEXT,
                "dead_letter_queue_arn": _TEXT,
                "retry_policy": {
                    "type": "dict",
                    "options": {
                        name: {"type": "int", "default": value} for name, value in event_targets.RETRY_DEFAULTS.items()
                    },
                },
                "sqs_message_group_id": _TEXT,
            },
        },
    }
    computed = ("arn",)

    @property
    def name(self) -> str:
        """The rule's name, with its bus unless that is the default one."""
        bus, name = self.params["event_bus"], str(self.params["name"])
        return name if bus == "default" else f"{bus}/{name}"

    def desired(self) -> State:
        """Return the given properties; targets by id, without a retry policy that is AWS's default."""
        state = super().desired()
        if "event_pattern" in state:
            state["event_pattern"] = event_targets.pattern(state["event_pattern"])
        if "targets" in state:
            state["targets"] = sorted(
                (event_targets.normal(target) for target in state["targets"]), key=lambda item: str(item["id"])
            )
        return state

    def check(self, desired: State) -> None:
        """Refuse what AWS refuses: schedules on other buses, input that is no JSON, FIFO targets without a group."""
        if desired.get("schedule_expression") and self.params["event_bus"] != "default":
            raise RefusalError("a schedule works on the default event bus only; leave event_bus out")
        schedule = desired.get("schedule_expression")
        if schedule and not _SCHEDULE.fullmatch(schedule):
            raise RefusalError(
                f"schedule_expression is '{schedule}'; write it like rate(1 minute), rate(5 hours) or cron(0 3 * * ? *)"
            )
        targets = desired.get("targets", [])
        if len({target["id"] for target in targets}) < len(targets):
            raise RefusalError("two targets have the same id; give each its own")
        for target in targets:
            event_targets.check(target)

    def plan(self) -> Plan:
        """Plan as usual; a rule without a pattern and a schedule cannot exist."""
        plan = super().plan()
        there = plan.after.get("event_pattern") or plan.after.get("schedule_expression")
        if plan.action in ("create", "update") and not there:
            raise RefusalError("a rule needs event_pattern or schedule_expression; give one of them")
        return plan

    def find(self) -> State | None:
        """Return the rule with its targets in normal form."""
        events = self.client("events")
        try:
            raw = events.describe_rule(**self._which("Name"))
        except ClientError as error:
            if is_code(error, "ResourceNotFoundException"):
                return None
            raise
        pages = events.get_paginator("list_targets_by_rule").paginate(**self._which("Rule"))
        targets = [event_targets.load(target) for page in pages for target in page["Targets"]]
        return {
            "event_pattern": event_targets.pattern(json.loads(raw.get("EventPattern") or "{}")),
            "schedule_expression": raw.get("ScheduleExpression") or "",
            "rule_state": raw["State"].lower(),
            "description": raw.get("Description") or "",
            "targets": sorted(targets, key=lambda item: str(item["id"])),
            "tags": tags.to_dict(events.list_tags_for_resource(ResourceARN=raw["Arn"]).get("Tags")),
            "arn": raw["Arn"],
        }

    def create(self, desired: State) -> None:
        """Create the rule, then its targets."""
        self._put_rule(desired, Tags=tags.to_pairs(desired.get("tags")))
        self._put_targets([], desired.get("targets", []))

    def update(self, current: State, changes: State) -> None:
        """Change the rule, its targets and its tags; PutRule takes the whole rule."""
        events = self.client("events")
        if set(changes) - {"targets", "tags"}:
            self._put_rule({**current, **changes})
        if "targets" in changes:
            self._put_targets(current["targets"], changes["targets"])
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                events.tag_resource(ResourceARN=current["arn"], Tags=tags.to_pairs(wanted))
            if gone:
                events.untag_resource(ResourceARN=current["arn"], TagKeys=gone)

    def delete(self, current: State) -> None:
        """Delete the targets, then the rule: AWS refuses a rule that has targets."""
        self._put_targets(current["targets"], [])
        self.client("events").delete_rule(**self._which("Name"))

    def _which(self, member: str) -> dict[str, str]:
        return {member: self.params["name"], "EventBusName": self.params["event_bus"]}

    def _put_rule(self, state: State, **more: Any) -> None:
        settings = {
            "EventPattern": json.dumps(state["event_pattern"]) if state.get("event_pattern") else None,
            "ScheduleExpression": state.get("schedule_expression"),
            "State": state.get("rule_state", "enabled").upper(),
            "Description": state.get("description"),
        }
        self.client("events").put_rule(
            **self._which("Name"), **{name: value for name, value in settings.items() if value}, **more
        )

    def _put_targets(self, current: list[State], wanted: list[State]) -> None:
        events = self.client("events")
        gone = sorted({target["id"] for target in current} - {target["id"] for target in wanted})
        new = [event_targets.dump(target) for target in wanted if target not in current]
        failed = []
        if gone:
            failed += events.remove_targets(**self._which("Rule"), Ids=gone)["FailedEntries"]
        if new:
            failed += events.put_targets(**self._which("Rule"), Targets=new)["FailedEntries"]
        for entry in failed:
            raise RefusalError(
                f"target {entry['TargetId']} was refused: {entry.get('ErrorMessage', entry['ErrorCode'])}"
            )


def main() -> None:
    """Run the module."""
    run(Rule)


if __name__ == "__main__":
    main()
