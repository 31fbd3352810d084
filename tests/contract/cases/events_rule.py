"""The contract of library/events_rule.py."""

import json
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal


def _queue(name: str) -> str:
    return f"arn:aws:sqs:us-east-1:000000000000:{name}"


def _target(name: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "arn": _queue(name), **more}


def _foreign_target(aws: Aws) -> None:
    aws.client("events").put_targets(Rule="t-stopped", Targets=[{"Id": "spy", "Arn": _queue("spy")}])


def _transformed(aws: Aws) -> None:
    """Give our target an input path, which has no option of ours."""
    target = {"Id": "a", "Arn": _queue("a"), "InputPath": "$.detail"}
    aws.client("events").put_targets(Rule="t-stopped", Targets=[target])


def _wider(aws: Aws) -> None:
    aws.client("events").put_rule(Name="t-stopped", EventPattern=json.dumps({"source": ["aws.ecs"]}), Description="old")


PATTERN = Case(
    module="events_rule",
    label="events_rule_pattern",
    present={
        "name": "t-stopped",
        "description": "old",
        "event_pattern": {"source": ["aws.ecs"], "detail": {"lastStatus": ["STOPPED", "RUNNING"]}},
        "rule_state": "enabled",
        "targets": [
            _target("a"),
            _target("b.fifo", sqs_message_group_id="g", retry_policy={"maximum_retry_attempts": 3}),
        ],
        "tags": {"environment": "test"},
    },
    changed={
        "description": "new",
        "event_pattern": {"source": ["aws.s3"]},
        "rule_state": "disabled",
        "targets": [_target("a", input='{"x": 1}', dead_letter_queue_arn=_queue("dead")), _target("c")],
        "tags": {"other": "1"},
    },
    drift=[
        Drift("targets", _foreign_target, "foreign target"),
        Drift("targets", _transformed, "input path"),
        Drift("event_pattern", _wider, "wider pattern"),
        Drift("rule_state", lambda aws: aws.client("events").disable_rule(Name="t-stopped")),
    ],
    refused=[
        Refusal({"event_pattern": {}}, "needs event_pattern or schedule_expression"),
        Refusal({"targets": [_target("x.fifo")]}, "sqs_message_group_id", "group missing"),
        Refusal({"targets": [_target("x", input="no json")]}, "no JSON", "bad input"),
        Refusal({"targets": [_target("x"), _target("x")]}, "same id", "same id"),
        Refusal({"targets": [_target("x", retry_policy={"maximum_event_age": 5})]}, "60 to 86400", "age"),
    ],
)

SCHEDULE = Case(
    module="events_rule",
    label="events_rule_schedule",
    present={"name": "t-sweep", "schedule_expression": "rate(1 minute)", "targets": [_target("q", input='{"a": "b"}')]},
    changed={"schedule_expression": "rate(5 minutes)", "targets": []},
    refused=[Refusal({"event_bus": "other"}, "default event bus")],
)

CASES = [PATTERN, SCHEDULE]
