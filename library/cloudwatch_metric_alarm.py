#!/usr/bin/python
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible module: a CloudWatch alarm on one metric."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudwatch_metric_alarm
short_description: Manage a CloudWatch alarm on one metric
description:
  - Creates, updates and deletes an alarm that compares a statistic of one metric with a threshold.
options:
  name:
    description: Name of the alarm.
    type: str
    required: true
  description:
    description: What the alarm means; an empty string for none.
    type: str
  namespace:
    description: Namespace of the metric, for example V(AWS/SQS). A new alarm needs it.
    type: str
  metric_name:
    description: Name of the metric. A new alarm needs it.
    type: str
  dimensions:
    description: Dimensions of the metric; V({}) for none.
    type: dict
  statistic:
    description: What is compared. A new alarm needs it.
    type: str
    choices: [SampleCount, Average, Sum, Minimum, Maximum]
  comparison:
    description: How it is compared. A new alarm needs it.
    type: str
    choices: [GreaterThanOrEqualToThreshold, GreaterThanThreshold, LessThanOrEqualToThreshold, LessThanThreshold]
  threshold:
    description: What it is compared with. A new alarm needs it.
    type: float
  period:
    description: Seconds of a period; 10, 20, 30 or a multiple of 60. A new alarm needs it.
    type: int
  evaluation_periods:
    description: How many of the latest periods are looked at. A new alarm needs it.
    type: int
  datapoints_to_alarm:
    description: How many of these must be beyond the threshold; V(0) for all, which is what a new alarm has.
    type: int
  unit:
    description: Only values of this unit count, for example V(Count); an empty string for all values.
    type: str
  treat_missing_data:
    description: What a period without values counts as.
    type: str
    choices: [breaching, notBreaching, ignore, missing]
  actions_enabled:
    description: Whether the alarm does anything when its state changes.
    type: bool
  alarm_actions:
    description: ARNs of all that is told, or done, when the alarm fires; at most five.
    type: list
    elements: str
  ok_actions:
    description: The same for when all is well again.
    type: list
    elements: str
  insufficient_data_actions:
    description: The same for when there are too few values to tell.
    type: list
    elements: str
notes:
  - Exists because amazon.aws.cloudwatch_metric_alarm shows no diff, does not see that actions are disabled, resets what
    is not given and knows no tags.
  - An alarm on a metric formula or on a percentile becomes one on the metric and the statistic that are given.
extends_documentation_fragment: [tamma_resource, tamma_resource.tags]
"""

EXAMPLES = r"""
- name: Ensure dead letters raise an alarm
  cloudwatch_metric_alarm:
    name: tamma-dev-jobs-dead-letters
    namespace: AWS/SQS
    metric_name: ApproximateNumberOfMessagesVisible
    dimensions: {QueueName: tamma-dev-jobs-dlq.fifo}
    statistic: Maximum
    comparison: GreaterThanThreshold
    threshold: 0
    period: 60
    evaluation_periods: 1
    actions_enabled: true
    alarm_actions: ["{{ naming_alarm_topic_arn }}"]
"""

RETURN = r"""
action:
  description: What was done, or would be in check mode (C(create), C(update), C(delete) or C(none)).
  returned: success
  type: str
resource:
  description: The alarm in the names of this module's options, with its C(arn).
  returned: success
  type: dict
"""

from typing import Any, ClassVar

from ansible.module_utils.tamma import tags
from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.plan import Plan, State
from ansible.module_utils.tamma.resource import Resource, run
from ansible.module_utils.tamma.wait import poll

_MEMBERS = {  # option: AWS's name, value where AWS gives none
    "description": ("AlarmDescription", ""),
    "namespace": ("Namespace", ""),
    "metric_name": ("MetricName", ""),
    "statistic": ("Statistic", ""),
    "comparison": ("ComparisonOperator", ""),
    "threshold": ("Threshold", None),
    "period": ("Period", None),
    "evaluation_periods": ("EvaluationPeriods", None),
    "datapoints_to_alarm": ("DatapointsToAlarm", 0),
    "unit": ("Unit", ""),
    "treat_missing_data": ("TreatMissingData", "missing"),
    "actions_enabled": ("ActionsEnabled", True),
}
_UNSET = {"unit": "Unit", "datapoints_to_alarm": "DatapointsToAlarm"}  # what AWS shows only when it was set
_ACTIONS = {
    "alarm_actions": "AlarmActions",
    "ok_actions": "OKActions",
    "insufficient_data_actions": "InsufficientDataActions",
}
_NEW_NEEDS = ("namespace", "metric_name", "statistic", "comparison", "threshold", "period", "evaluation_periods")
# An alarm is on one metric's statistic, or on one of these, but not on both.
_INSTEAD = {
    "metric_name": ("Metrics", "ThresholdMetricId", "EvaluationCriteria", "EvaluationInterval"),
    "statistic": ("ExtendedStatistic", "EvaluateLowSampleCountPercentile"),
}
# All limits are those of the API reference of PutMetricAlarm.
_SHORT_PERIODS = (10, 20, 30)  # seconds
_MINUTE, _HOUR, _DAY, _WEEK = 60, 3_600, 86_400, 604_800  # seconds
_MOST_ACTIONS, _MOST_DIMENSIONS, _LONGEST_DESCRIPTION = 5, 30, 1_024
_LIST = {"type": "list", "elements": "str"}
_COMPARISONS = [f"{way}{to}Threshold" for way in ("GreaterThan", "LessThan") for to in ("OrEqualTo", "")]


class Alarm(Resource):
    """An alarm on one metric; actions are sorted, no unit is an empty string, all datapoints are 0."""

    kind = "CloudWatch alarm"
    spec: ClassVar = {
        **{name: {"type": "str"} for name in ("description", "namespace", "metric_name", "unit")},
        "dimensions": {"type": "dict"},
        "statistic": {"type": "str", "choices": ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]},
        "comparison": {"type": "str", "choices": _COMPARISONS},
        "threshold": {"type": "float"},
        **{name: {"type": "int"} for name in ("period", "evaluation_periods", "datapoints_to_alarm")},
        "treat_missing_data": {"type": "str", "choices": ["breaching", "notBreaching", "ignore", "missing"]},
        "actions_enabled": {"type": "bool"},
        **dict.fromkeys(_ACTIONS, _LIST),
    }
    computed = ("arn",)

    def desired(self) -> State:
        """Return the given properties, each action once and sorted."""
        state = super().desired()
        if "dimensions" in state:
            state["dimensions"] = {str(name): str(value) for name, value in state["dimensions"].items()}
        return {name: sorted(set(value)) if name in _ACTIONS else value for name, value in state.items()}

    def check(self, desired: State) -> None:
        """Refuse what CloudWatch refuses about a single option."""
        for name in _ACTIONS:
            if len(desired.get(name, [])) > _MOST_ACTIONS:
                raise RefusalError(f"{name} has more than {_MOST_ACTIONS} entries; tell a topic instead")
            for action in desired.get(name, []):
                if not action.startswith("arn:"):
                    raise RefusalError(f"{name} holds {action!r}; give the ARN of what is told")
        if len(desired.get("dimensions", {})) > _MOST_DIMENSIONS:
            raise RefusalError(f"dimensions has more than {_MOST_DIMENSIONS} entries; leave some out")
        if len(desired.get("description", "")) > _LONGEST_DESCRIPTION:
            raise RefusalError(f"description has more than {_LONGEST_DESCRIPTION} characters; shorten it")
        if desired.get("namespace", "-").startswith(":"):
            raise RefusalError("namespace begins with a colon; choose another one")
        period = desired.get("period", _MINUTE)
        if period not in _SHORT_PERIODS and (period < _MINUTE or period % _MINUTE):
            raise RefusalError(f"period is {period}; choose 10, 20, 30 or a multiple of 60 seconds")
        units = self._input("PutMetricAlarm")["Unit"].enum
        if desired.get("unit") and desired["unit"] not in units:
            raise RefusalError(f"unit is {desired['unit']!r}; choose one of {', '.join(units)}, or an empty string")

    def plan(self) -> Plan:
        """Plan as usual; what is new must be whole, and periods are judged with those that are kept."""
        plan = super().plan()
        missing = [name for name in _NEW_NEEDS if plan.after.get(name) in (None, "")]
        if plan.action == "create" and missing:
            raise RefusalError(f"it is not there yet, and a new alarm needs {' and '.join(missing)}")
        if plan.action in ("create", "update"):
            _check_window(plan.after)
        return plan

    def find(self) -> State | None:
        """Return the alarm in normal form."""
        raw = self._raw()
        if raw is None:
            return None
        found = self.client("cloudwatch").list_tags_for_resource(ResourceARN=raw["AlarmArn"]).get("Tags")
        state = {ours: raw.get(theirs, default) for ours, (theirs, default) in _MEMBERS.items()}
        state = {ours: _MEMBERS[ours][1] if value is None else value for ours, value in state.items()}
        return {
            **state,
            "dimensions": {item["Name"]: item["Value"] for item in raw.get("Dimensions", [])},
            **{ours: sorted(raw.get(theirs, [])) for ours, theirs in _ACTIONS.items()},
            "tags": tags.to_dict(found),
            "arn": raw["AlarmArn"],
        }

    def create(self, desired: State) -> None:
        """Create the alarm with its tags."""
        labels = {"Tags": tags.to_pairs(desired["tags"])} if desired.get("tags") else {}
        self.client("cloudwatch").put_metric_alarm(AlarmName=self.name, **_to_aws(desired), **labels)

    def update(self, current: State, changes: State) -> None:
        """Put the whole alarm again: what is not given is carried over from what is."""
        cloudwatch = self.client("cloudwatch")
        settings = {name: value for name, value in changes.items() if name != "tags"}
        if settings:
            dropped = {"AlarmName", "Tags", *(name for option in settings for name in _INSTEAD.get(option, ()))}
            dropped |= {theirs for ours, theirs in _UNSET.items() if ours in settings}
            members = set(self._input("PutMetricAlarm")) - dropped
            kept = {name: value for name, value in (self._raw() or {}).items() if name in members}
            cloudwatch.put_metric_alarm(AlarmName=self.name, **{**kept, **_to_aws(settings)})
        if "tags" in changes:
            wanted, gone = tags.changes(current["tags"], changes["tags"])
            if wanted:
                cloudwatch.tag_resource(ResourceARN=current["arn"], Tags=tags.to_pairs(wanted))
            if gone:
                cloudwatch.untag_resource(ResourceARN=current["arn"], TagKeys=gone)

    def delete(self, current: State) -> None:
        """Delete the alarm."""
        del current
        self.client("cloudwatch").delete_alarms(AlarmNames=[self.name])
        poll(lambda: self._raw() is None, what=f"deletion of {self.name}")

    def _raw(self) -> dict[str, Any] | None:
        found = self.client("cloudwatch").describe_alarms(AlarmNames=[self.name], AlarmTypes=["MetricAlarm"])
        return next(iter(found["MetricAlarms"]), None)

    def _input(self, operation: str) -> Any:
        return self.client("cloudwatch").meta.service_model.operation_model(operation).input_shape.members


def _to_aws(state: State) -> dict[str, Any]:
    result = {theirs: state[ours] for ours, (theirs, _) in _MEMBERS.items() if ours in state}
    result |= {theirs: state[ours] for ours, theirs in _ACTIONS.items() if ours in state}
    if "dimensions" in state:
        result["Dimensions"] = [{"Name": name, "Value": value} for name, value in sorted(state["dimensions"].items())]
    return {name: value for name, value in result.items() if value or name not in _UNSET.values()}


def _check_window(state: State) -> None:
    period, count, beyond = state.get("period"), state.get("evaluation_periods"), state.get("datapoints_to_alarm")
    if count is None or period is None:  # not an alarm on one metric, and not made one
        return
    if count < 1 or not 0 <= (beyond or 0) <= count:
        raise RefusalError(
            f"datapoints_to_alarm is {beyond or 0} of evaluation_periods {count}; choose one period "
            "or more, and no more datapoints than periods"
        )
    most = _DAY if period < _HOUR else _WEEK
    if period * count > most:
        raise RefusalError(
            f"evaluation_periods {count} of {period} seconds are longer than the {most} seconds that CloudWatch looks "
            "back; lower one of them"
        )


def main() -> None:
    """Run the module."""
    run(Alarm)


if __name__ == "__main__":
    main()
