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
from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import Resource, run
from botocore.exceptions import ClientError

_TEXT = {"type": "str"}
_RETRY = {"maximum_event_age": "MaximumEventAgeInSeconds", "maximum_retry_attempts": "MaximumRetryAttempts"}
_RETRY_DEFAULTS = {"maximum_event_age": 86_400, "maximum_retry_attempts": 185}
_TARGET = {"id": "Id", "arn": "Arn", "input": "Input", "role_arn": "RoleArn"}
_LEAST_AGE = 60  # seconds, by EventBridge's documentation


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
                    "options": {name: {"type": "int", "default": value} for name, value in _RETRY_DEFAULTS.items()},
                },
                "sqs_message_group_id": _TEXT,
            },
        },
    }
    computed = ("arn",)

    def desired(self) -> State:
        """Return the given properties; targets by id, without a retry policy that is AWS's default."""
        state = super().desired()
        if "event_pattern" in state:
            state["event_pattern"] = _pattern(state["event_pattern"])
        if "targets" in state:
            state["targets"] = sorted(
                (_normal(target) for target in state["targets"]), key=lambda item: str(item["id"])
            )
        return state

    def check(self, desired: State) -> None:
        """Refuse what AWS refuses: schedules on other buses, input that is no JSON, FIFO targets without a group."""
        if desired.get("schedule_expression") and self.params["event_bus"] != "default":
            raise RefusalError("a schedule works on the default event bus only; leave event_bus out")
        targets = desired.get("targets", [])
        if len({target["id"] for target in targets}) < len(targets):
            raise RefusalError("two targets have the same id; give each its own")
        for target in targets:
            _check_target(target)

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
        targets = [_target(target) for page in pages for target in page["Targets"]]
        return {
            "event_pattern": _pattern(json.loads(raw.get("EventPattern") or "{}")),
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
        new = [_to_aws(target) for target in wanted if target not in current]
        failed = []
        if gone:
            failed += events.remove_targets(**self._which("Rule"), Ids=gone)["FailedEntries"]
        if new:
            failed += events.put_targets(**self._which("Rule"), Targets=new)["FailedEntries"]
        for entry in failed:
            raise RefusalError(
                f"target {entry['TargetId']} was refused: {entry.get('ErrorMessage', entry['ErrorCode'])}"
            )


def _check_target(target: State) -> None:
    name = target["id"]
    if (
        target["arn"].split(":")[2] == "sqs"
        and target["arn"].endswith(".fifo")
        and not target.get("sqs_message_group_id")
    ):
        raise RefusalError(f"target {name} is a FIFO queue; give it a sqs_message_group_id")
    retry = {**_RETRY_DEFAULTS, **target.get("retry_policy", {})}
    for option, least in (("maximum_event_age", _LEAST_AGE), ("maximum_retry_attempts", 0)):
        if not least <= retry[option] <= _RETRY_DEFAULTS[option]:
            raise RefusalError(
                f"{option} of target {name} is {retry[option]}; choose {least} to {_RETRY_DEFAULTS[option]}"
            )
    try:
        json.loads(target.get("input", "{}"))
    except ValueError as error:
        raise RefusalError(f"the input of target {name} is no JSON ({error}); write it as JSON text") from error


def _pattern(value: Any) -> Any:
    """Return a pattern with its lists of plain values sorted: their order means nothing."""
    if isinstance(value, dict):
        return {key: _pattern(item) for key, item in value.items()}
    return sorted((_pattern(item) for item in value), key=str) if isinstance(value, list) else value


def _target(raw: dict[str, Any]) -> State:
    """Return a target in our names; what we have no name for is kept in `other`, so that it shows as a difference."""
    target = {ours: raw[theirs] for ours, theirs in _TARGET.items() if raw.get(theirs)}
    target["dead_letter_queue_arn"] = raw.get("DeadLetterConfig", {}).get("Arn")
    target["sqs_message_group_id"] = raw.get("SqsParameters", {}).get("MessageGroupId")
    retry = raw.get("RetryPolicy", {})
    target["retry_policy"] = {ours: retry[theirs] for ours, theirs in _RETRY.items() if theirs in retry}
    known = {*_TARGET.values(), "DeadLetterConfig", "SqsParameters", "RetryPolicy"}
    target["other"] = {name: value for name, value in raw.items() if name not in known and value}
    return _normal({name: value for name, value in target.items() if value})


def _normal(target: State) -> State:
    retry = {**_RETRY_DEFAULTS, **target.get("retry_policy", {})}
    kept = {name: value for name, value in target.items() if name != "retry_policy"}
    return kept if retry == _RETRY_DEFAULTS else {**kept, "retry_policy": retry}


def _to_aws(target: State) -> dict[str, Any]:
    result: dict[str, Any] = {theirs: target[ours] for ours, theirs in _TARGET.items() if ours in target}
    if "dead_letter_queue_arn" in target:
        result["DeadLetterConfig"] = {"Arn": target["dead_letter_queue_arn"]}
    if "retry_policy" in target:
        result["RetryPolicy"] = {theirs: target["retry_policy"][ours] for ours, theirs in _RETRY.items()}
    if "sqs_message_group_id" in target:
        result["SqsParameters"] = {"MessageGroupId": target["sqs_message_group_id"]}
    return result


def main() -> None:
    """Run the module."""
    run(Rule)


if __name__ == "__main__":
    main()
