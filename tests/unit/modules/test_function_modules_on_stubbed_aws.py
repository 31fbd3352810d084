"""What no emulator shows of functions and alarms: work in progress, roles that are not known yet, foreign kinds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import ANY, StubbedAws

from ansible.module_utils.tamma.archive import zip_bytes  # isort: skip
from ansible.module_utils.tamma.functions import code_sha256  # isort: skip

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
ROLE = "arn:aws:iam::123456789012:role/r"
LAG = "The role defined for the function cannot be assumed by Lambda."
CODE = zip_bytes({"app.py": b"def handler(event, context): return {}"})
ALARM_ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


@pytest.fixture
def options(tmp_path: Path) -> dict[str, Any]:
    path = tmp_path / "code.zip"
    path.write_bytes(CODE)
    return {"name": "f", "runtime": "python3.13", "handler": "app.handler", "role": ROLE, "zip_file": str(path)}


def _configuration(**other: Any) -> dict[str, Any]:
    return {
        "FunctionName": "f",
        "FunctionArn": ARN,
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Role": ROLE,
        "CodeSha256": code_sha256(CODE),
        "Timeout": 3,
        "MemorySize": 128,
        "PackageType": "Zip",
        "State": "Active",
        "LastUpdateStatus": "Successful",
        **other,
    }


def _function(**other: Any) -> dict[str, Any]:
    return {"Configuration": _configuration(**other), "Tags": {"environment": "test"}}


def _no_function(aws: StubbedAws) -> None:
    aws.refuses("lambda", "get_function", "ResourceNotFoundException", "Function not found")


def test_a_silent_run_reads_the_function_and_its_policy_and_no_more(aws: StubbedAws, options: dict[str, Any]) -> None:
    aws.answers("lambda", "get_function", _function(), FunctionName="f")
    aws.refuses("lambda", "get_policy", "ResourceNotFoundException", "No policy")
    outcome = aws.run("lambda_function", {**options, "timeout": 3, "policy": {}, "tags": {"environment": "test"}})
    assert not outcome.changed, outcome.message


def test_a_new_role_is_waited_for_and_a_function_that_is_being_made(aws: StubbedAws, options: dict[str, Any]) -> None:
    _no_function(aws)
    aws.refuses("lambda", "create_function", "InvalidParameterValueException", LAG)
    aws.answers(
        "lambda",
        "create_function",
        {},
        FunctionName="f",
        Runtime="python3.13",
        Handler="app.handler",
        Role=ROLE,
        Code={"ZipFile": CODE},
        Tags={"environment": "test"},
    )
    aws.answers("lambda", "get_function_configuration", _configuration(State="Pending"))
    aws.answers("lambda", "get_function_configuration", _configuration())
    aws.answers("lambda", "put_function_concurrency", {}, FunctionName="f", ReservedConcurrentExecutions=5)
    aws.answers("lambda", "get_function", _function())
    outcome = aws.run("lambda_function", {**options, "tags": {"environment": "test"}, "reserved_concurrency": 5})
    assert outcome.changed, outcome.message


def test_another_refusal_of_the_role_is_final(aws: StubbedAws, options: dict[str, Any]) -> None:
    _no_function(aws)
    aws.refuses("lambda", "create_function", "InvalidParameterValueException", "The runtime is not supported.")
    outcome = aws.run("lambda_function", options)
    assert outcome.message == (
        "Lambda function f: CreateFunction was refused with InvalidParameterValueException: "
        "The runtime is not supported; correct that and re-run: what was done is kept."
    )


def test_a_change_waits_for_the_one_before(aws: StubbedAws, options: dict[str, Any]) -> None:
    foreign = _function(Timeout=30, CodeSha256="foreign", Architectures=["arm64"])
    aws.answers("lambda", "get_function", foreign)
    aws.refuses("lambda", "update_function_configuration", "ResourceConflictException", "An update is in progress")
    aws.answers("lambda", "update_function_configuration", {}, FunctionName="f", Timeout=60)
    aws.answers("lambda", "get_function_configuration", _configuration(LastUpdateStatus="InProgress"))
    aws.answers("lambda", "get_function_configuration", _configuration())
    aws.refuses("lambda", "update_function_code", "ResourceConflictException", "An update is in progress")
    # Without its architecture an update of the code would make it x86_64.
    aws.answers("lambda", "update_function_code", {}, FunctionName="f", ZipFile=CODE, Architectures=["arm64"])
    aws.answers("lambda", "get_function_configuration", _configuration())
    aws.answers("lambda", "get_function", _function(Timeout=60))
    outcome = aws.run("lambda_function", {**options, "timeout": 60})
    assert outcome.changed, outcome.message
    assert outcome.before["code_sha256"] == "foreign"
    assert outcome.after["code_sha256"] == code_sha256(CODE)


def test_new_code_does_not_touch_the_configuration(aws: StubbedAws, options: dict[str, Any]) -> None:
    aws.answers("lambda", "get_function", _function(CodeSha256="stale"))
    aws.answers("lambda", "update_function_code", {}, FunctionName="f", ZipFile=CODE, Architectures=["x86_64"])
    aws.answers("lambda", "get_function_configuration", _configuration())
    aws.answers("lambda", "get_function", _function())
    assert aws.run("lambda_function", options).changed


def test_a_role_that_was_replaced_is_waited_for(aws: StubbedAws, options: dict[str, Any]) -> None:
    aws.answers("lambda", "get_function", _function(Role=f"{ROLE}-other"))
    aws.refuses("lambda", "update_function_configuration", "InvalidParameterValueException", LAG)
    aws.answers("lambda", "update_function_configuration", {}, FunctionName="f", Role=ROLE)
    aws.answers("lambda", "get_function_configuration", _configuration())
    aws.answers("lambda", "get_function", _function())
    assert aws.run("lambda_function", options).changed


def test_a_change_that_fails_later_is_told(aws: StubbedAws, options: dict[str, Any]) -> None:
    aws.answers("lambda", "get_function", _function())
    aws.answers("lambda", "update_function_configuration", {}, FunctionName="f", Timeout=60)
    failed = {"LastUpdateStatus": "Failed", "LastUpdateStatusReason": "The layer cannot be read."}
    aws.answers("lambda", "get_function_configuration", _configuration(**failed))
    outcome = aws.run("lambda_function", {**options, "timeout": 60})
    assert outcome.failed
    assert outcome.message == (
        "Lambda function f: Lambda could not bring it into force: The layer cannot be read; correct that."
    )


def test_what_a_cut_run_left_is_completed(aws: StubbedAws, options: dict[str, Any]) -> None:
    """The run before ended right after CreateFunction: the reservation, the grant and the URL are missing."""
    grant = {"Sid": "S", "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Action": "lambda:InvokeFunction"}
    aws.answers("lambda", "get_function", _function(State="Pending", LastUpdateStatus="InProgress"))
    aws.refuses("lambda", "get_policy", "ResourceNotFoundException", "No policy")
    aws.refuses("lambda", "get_function_url_config", "ResourceNotFoundException", "No URL")
    aws.answers("lambda", "put_function_concurrency", {}, FunctionName="f", ReservedConcurrentExecutions=1)
    aws.answers(
        "lambda",
        "add_permission",
        {},
        FunctionName="f",
        StatementId="S",
        Principal="123456789012",
        Action="lambda:InvokeFunction",
    )
    aws.answers("lambda", "create_function_url_config", _url(), FunctionName="f", AuthType="AWS_IAM")
    there = {**_function(), "Concurrency": {"ReservedConcurrentExecutions": 1}}
    aws.answers("lambda", "get_function", there)
    root = {**grant, "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Resource": ARN}
    policy = {"Policy": json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": [root]})}
    aws.answers("lambda", "get_policy", policy)
    aws.answers("lambda", "get_function_url_config", _url(LastModifiedTime="2026-01-01T00:00:00Z"))
    rest = {"reserved_concurrency": 1, "policy": {"Statement": [grant]}, "function_url": "iam"}
    outcome = aws.run("lambda_function", {**options, **rest})
    assert outcome.changed, outcome.message
    assert outcome.resource["policy"] == outcome.after["policy"]


def _url(**more: str) -> dict[str, Any]:
    url = "https://abcdefghijklmnop.lambda-url.us-east-1.on.aws/"
    return {
        "FunctionUrl": url,
        "FunctionArn": ARN,
        "AuthType": "AWS_IAM",
        "CreationTime": "2026-01-01T00:00:00Z",
        **more,
    }


def test_a_layer_that_will_be_published_is_shown_as_unknown(aws: StubbedAws, options: dict[str, Any]) -> None:
    old = "arn:aws:lambda:us-east-1:123456789012:layer:l:1"
    aws.answers("lambda", "get_function", _function(Layers=[{"Arn": old}]))
    outcome = aws.run("lambda_function", {**options, "layers": ["(known after apply)"]}, check=True)
    assert outcome.differs == {"layers"}
    assert (outcome.before["layers"], outcome.after["layers"]) == ([old], ["(known after apply)"])


def test_a_function_of_a_container_image_is_not_replaced(aws: StubbedAws, options: dict[str, Any]) -> None:
    aws.answers("lambda", "get_function", _function(PackageType="Image"))
    outcome = aws.run("lambda_function", options, check=True)
    assert outcome.failed
    assert "made of a container image" in outcome.message


def test_a_function_is_gone_only_when_it_is_not_found(aws: StubbedAws) -> None:
    aws.answers("lambda", "get_function", _function(PackageType="Image"))
    aws.refuses("lambda", "delete_function", "ResourceConflictException", "An update is in progress")
    aws.answers("lambda", "delete_function", {}, FunctionName="f")
    aws.answers("lambda", "get_function", _function(State="Deleting"))
    _no_function(aws)
    assert aws.run("lambda_function", {"name": "f", "state": "absent"}).changed


def _alarm(**other: Any) -> dict[str, Any]:
    alarm = {
        "AlarmName": "a",
        "AlarmArn": ALARM_ARN,
        "AlarmDescription": "about",
        "Namespace": "AWS/SQS",
        "MetricName": "m",
        "Dimensions": [{"Name": "QueueName", "Value": "q"}],
        "Statistic": "Maximum",
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0.0,
        "Period": 60,
        "EvaluationPeriods": 1,
        "ActionsEnabled": True,
        "AlarmActions": [],
        "StateValue": "OK",
        **other,
    }
    return {"MetricAlarms": [alarm]}


def test_what_is_not_managed_is_carried_over_to_the_alarm(aws: StubbedAws) -> None:
    window = {"EvaluationWindow": {"WallClockWindow": {"Timezone": "UTC"}}}
    aws.answers("cloudwatch", "describe_alarms", _alarm(Unit="Count", **window))
    aws.answers("cloudwatch", "list_tags_for_resource", {"Tags": []})
    aws.answers("cloudwatch", "describe_alarms", _alarm(Unit="Count", **window))
    aws.answers(
        "cloudwatch",
        "put_metric_alarm",
        {},
        AlarmName="a",
        AlarmDescription="about",
        Namespace="AWS/SQS",
        MetricName="m",
        Dimensions=[{"Name": "QueueName", "Value": "q"}],
        Statistic="Maximum",
        ComparisonOperator="GreaterThanThreshold",
        Threshold=5.0,
        Period=60,
        EvaluationPeriods=1,
        ActionsEnabled=True,
        AlarmActions=[],
        Unit="Count",
        **window,
    )
    aws.answers("cloudwatch", "describe_alarms", _alarm(Threshold=5.0))
    aws.answers("cloudwatch", "list_tags_for_resource", {"Tags": []})
    outcome = aws.run("cloudwatch_metric_alarm", {"name": "a", "threshold": 5})
    assert outcome.changed, outcome.message
    assert outcome.differs == {"threshold"}


def test_an_alarm_that_became_one_on_a_formula_is_put_back(aws: StubbedAws) -> None:
    formula = {
        "AlarmName": "a",
        "AlarmArn": ALARM_ARN,
        "EvaluationPeriods": 1,
        "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Metrics": [{"Id": "e", "Expression": "1"}],
    }
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": [formula]})
    aws.answers("cloudwatch", "list_tags_for_resource", {"Tags": []})
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": [formula]})
    wanted = {"Namespace": "AWS/SQS", "MetricName": "m", "Statistic": "Maximum", "Period": 60}
    aws.answers(
        "cloudwatch",
        "put_metric_alarm",
        {},
        AlarmName="a",
        EvaluationPeriods=1,
        Threshold=0.0,
        ComparisonOperator="GreaterThanThreshold",
        **wanted,
    )
    aws.answers("cloudwatch", "describe_alarms", _alarm())
    aws.answers("cloudwatch", "list_tags_for_resource", {"Tags": []})
    options = {"name": "a", "namespace": "AWS/SQS", "metric_name": "m", "statistic": "Maximum", "period": 60}
    outcome = aws.run("cloudwatch_metric_alarm", options)
    assert outcome.changed, outcome.message


def test_a_silent_run_reads_the_alarm_and_its_tags(aws: StubbedAws) -> None:
    aws.answers("cloudwatch", "describe_alarms", _alarm(), AlarmNames=["a"], AlarmTypes=["MetricAlarm"])
    aws.answers("cloudwatch", "list_tags_for_resource", {"Tags": []}, ResourceARN=ALARM_ARN)
    outcome = aws.run("cloudwatch_metric_alarm", {"name": "a", "threshold": 0, "datapoints_to_alarm": 0, "tags": {}})
    assert not outcome.changed, outcome.message


def test_fewer_periods_are_judged_with_the_datapoints_that_are_kept(aws: StubbedAws) -> None:
    aws.answers("cloudwatch", "describe_alarms", _alarm(EvaluationPeriods=3, DatapointsToAlarm=2))
    aws.answers("cloudwatch", "list_tags_for_resource", {"Tags": []})
    outcome = aws.run("cloudwatch_metric_alarm", {"name": "a", "evaluation_periods": 1}, check=True)
    assert outcome.failed
    assert "datapoints_to_alarm is 2 of evaluation_periods 1" in outcome.message


def test_an_alarm_is_deleted(aws: StubbedAws) -> None:
    aws.answers("cloudwatch", "describe_alarms", _alarm())
    aws.answers("cloudwatch", "list_tags_for_resource", {"Tags": []})
    aws.answers("cloudwatch", "delete_alarms", {}, AlarmNames=["a"])
    aws.answers("cloudwatch", "describe_alarms", {"MetricAlarms": []}, AlarmNames=["a"], AlarmTypes=ANY)
    assert aws.run("cloudwatch_metric_alarm", {"name": "a", "state": "absent"}).changed
