"""The contract of library/cloudwatch_metric_alarm.py."""

from collections.abc import Callable
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

_TOPIC, _FOREIGN = (f"arn:aws:sns:us-east-1:123456789012:{name}" for name in ("alarms", "foreign"))
_WHOLE = {
    "AlarmName": "t-alarm",
    "AlarmDescription": "See the runbook",
    "Namespace": "AWS/SQS",
    "MetricName": "ApproximateAgeOfOldestMessage",
    "Dimensions": [{"Name": "QueueName", "Value": "jobs.fifo"}],
    "Statistic": "Maximum",
    "ComparisonOperator": "GreaterThanThreshold",
    "Threshold": 0.0,
    "Period": 60,
    "EvaluationPeriods": 3,
    "TreatMissingData": "notBreaching",
    "AlarmActions": [_TOPIC],
    "OKActions": [_TOPIC],
}


def _put(without: str = "", **settings: Any) -> Callable[[Aws], object]:
    """Write the alarm as the case declares it, but for some settings."""
    whole = {name: value for name, value in {**_WHOLE, **settings}.items() if name != without}
    return lambda aws: aws.client("cloudwatch").put_metric_alarm(**whole)


def _arn(aws: Aws) -> str:
    return f"arn:aws:cloudwatch:{aws.region}:{aws.account_id}:alarm:t-alarm"


def _tag(aws: Aws) -> None:
    aws.client("cloudwatch").tag_resource(ResourceARN=_arn(aws), Tags=[{"Key": "foreign", "Value": "1"}])


def _untag(aws: Aws) -> None:
    aws.client("cloudwatch").untag_resource(ResourceARN=_arn(aws), TagKeys=["environment"])


CASE = Case(
    module="cloudwatch_metric_alarm",
    present={
        "name": "t-alarm",
        "description": "See the runbook",
        "namespace": "AWS/SQS",
        "metric_name": "ApproximateAgeOfOldestMessage",
        "dimensions": {"QueueName": "jobs.fifo"},
        "statistic": "Maximum",
        "comparison": "GreaterThanThreshold",
        "threshold": 0,
        "period": 60,
        "evaluation_periods": 3,
        "datapoints_to_alarm": 0,
        "unit": "",
        "treat_missing_data": "notBreaching",
        "actions_enabled": True,
        "alarm_actions": [_TOPIC],
        "ok_actions": [_TOPIC],
        "insufficient_data_actions": [],
        "tags": {"environment": "test"},
    },
    changed={
        "description": "",
        "namespace": "AWS/Lambda",
        "metric_name": "Errors",
        "dimensions": {},
        "statistic": "Sum",
        "comparison": "LessThanOrEqualToThreshold",
        "threshold": 1.5,
        "period": 10,
        "evaluation_periods": 2,
        "datapoints_to_alarm": 1,
        "unit": "Seconds",
        "treat_missing_data": "breaching",
        "actions_enabled": False,
        "alarm_actions": [_TOPIC, _FOREIGN],
        "ok_actions": [],
        "insufficient_data_actions": [_TOPIC],
        "tags": {"environment": "other", "more": "1"},
    },
    drift=[
        Drift("actions_enabled", lambda aws: aws.client("cloudwatch").disable_alarm_actions(AlarmNames=["t-alarm"])),
        Drift("alarm_actions", _put(AlarmActions=[_TOPIC, _FOREIGN]), "foreign action"),
        Drift("alarm_actions", _put(AlarmActions=[]), "nobody is told"),
        Drift("threshold", _put(Threshold=1e9)),
        Drift("unit", _put(Unit="Bytes"), "a unit that the metric has not"),
        Drift("datapoints_to_alarm", _put(DatapointsToAlarm=3)),
        Drift("treat_missing_data", _put("TreatMissingData"), "as AWS has it by default"),
        Drift(
            "statistic", _put("Statistic", ExtendedStatistic="p99"), "a percentile", {"ministack": "makes it Average"}
        ),
        Drift("tags", _tag, "foreign tag"),
        Drift("tags", _untag, "tag removed"),
    ],
    refused=[
        Refusal({"period": 45}, "10, 20, 30 or a multiple of 60"),
        Refusal({"evaluation_periods": 1441}, "86400 seconds"),
        Refusal({"period": 3600, "evaluation_periods": 169}, "604800 seconds", "more than a week"),
        Refusal({"evaluation_periods": 0}, "one period or more", "no period"),
        Refusal({"datapoints_to_alarm": 4}, "no more datapoints than periods"),
        Refusal({"unit": "Parsecs"}, "choose one of"),
        Refusal({"namespace": ":x"}, "colon"),
        Refusal({"description": "x" * 1025}, "1024 characters"),
        Refusal({"dimensions": {f"d{number}": "x" for number in range(31)}}, "30 entries"),
        Refusal({"alarm_actions": [f"{_TOPIC}{number}" for number in range(6)]}, "5 entries"),
        Refusal({"ok_actions": ["alarms"]}, "give the ARN"),
        Refusal({"name": "t-new", "metric_name": None, "threshold": None}, "needs metric_name and threshold"),
    ],
)
