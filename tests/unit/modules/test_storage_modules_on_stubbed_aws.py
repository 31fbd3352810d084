"""What no emulator shows of the storage, messaging and function modules."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.modules.stubbed_aws import ANY, StubbedAws

QUEUE_URL = "https://sqs.us-east-1.amazonaws.com/123456789012/q"
QUEUE_ARN = "arn:aws:sqs:us-east-1:123456789012:q"
MAPPING_ID = "0f5a1b62-7c57-4c0e-9d4b-7a7b8f3f2a10"
MAPPING_ARN = f"arn:aws:lambda:us-east-1:123456789012:event-source-mapping:{MAPPING_ID}"
CALLER = {"Account": "123456789012", "Arn": "arn:aws:iam::123456789012:user/x", "UserId": "x"}
NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"


@pytest.fixture
def aws() -> StubbedAws:
    return StubbedAws()


def _queue(aws: StubbedAws, **attributes: str) -> None:
    aws.answers("sqs", "get_queue_url", {"QueueUrl": QUEUE_URL})
    aws.answers("sqs", "get_queue_attributes", {"Attributes": {"QueueArn": QUEUE_ARN, **attributes}})
    aws.answers("sqs", "list_queue_tags", {})


def test_a_queue_name_that_was_just_deleted_is_explained(aws: StubbedAws) -> None:
    aws.refuses("sqs", "get_queue_url", NO_QUEUE)
    aws.refuses("sqs", "create_queue", "AWS.SimpleQueueService.QueueDeletedRecently", "You must wait 60 seconds")
    outcome = aws.run("sqs_queue", {"name": "q"})
    assert outcome.failed
    assert "less than 60 s ago" in outcome.message
    assert "re-run" in outcome.message


def test_dead_letters_to_another_account_are_a_difference(aws: StubbedAws) -> None:
    rule = {"deadLetterTargetArn": "arn:aws:sqs:us-east-1:999999999999:dead", "maxReceiveCount": 5}
    _queue(aws, RedrivePolicy=json.dumps(rule))
    options = {"name": "q", "redrive_policy": {"dead_letter_queue": "dead", "max_receive_count": 5}}
    outcome = aws.run("sqs_queue", options, check=True)
    assert outcome.differs == {"redrive_policy"}
    assert outcome.before["redrive_policy"]["dead_letter_queue"] == rule["deadLetterTargetArn"]


def test_a_foreign_kms_key_gives_way_to_managed_encryption(aws: StubbedAws) -> None:
    _queue(aws, SqsManagedSseEnabled="false", KmsMasterKeyId="alias/foreign")
    wanted = {"SqsManagedSseEnabled": "true", "KmsMasterKeyId": ""}
    aws.answers("sqs", "set_queue_attributes", {}, QueueUrl=QUEUE_URL, Attributes=wanted)
    _queue(aws, SqsManagedSseEnabled="true")
    outcome = aws.run("sqs_queue", {"name": "q", "sqs_managed_sse": True})
    assert outcome.changed
    assert outcome.resource["sqs_managed_sse"] is True


@pytest.mark.parametrize("code", ["403", "301"])
def test_a_bucket_that_is_not_ours_is_refused(aws: StubbedAws, code: str) -> None:
    aws.refuses("s3", "head_bucket", code, "Forbidden")
    outcome = aws.run("s3_bucket", {"name": "taken", "policy": {}})
    assert outcome.failed
    assert "by another account" in outcome.message
    assert outcome.writes == []


def test_a_bucket_name_of_another_account_is_refused_on_creation_too(aws: StubbedAws) -> None:
    aws.refuses("s3", "head_bucket", "404")
    aws.refuses("s3", "create_bucket", "BucketAlreadyExists")
    assert "belongs to another account" in aws.run("s3_bucket", {"name": "taken"}).message


def test_objects_are_deleted_page_by_page_and_a_failure_stops_the_removal(aws: StubbedAws) -> None:
    aws.answers("s3", "head_bucket", {})
    first = {"Versions": [{"Key": "a", "VersionId": "1"}], "IsTruncated": True, "NextKeyMarker": "a"}
    aws.answers("s3", "list_object_versions", {**first, "NextVersionIdMarker": "1"})
    aws.answers("s3", "delete_objects", {}, Bucket="b-1", Delete={"Objects": ANY, "Quiet": True})
    aws.answers("s3", "list_object_versions", {"DeleteMarkers": [{"Key": "b", "VersionId": "2"}], "IsTruncated": False})
    aws.answers("s3", "delete_objects", {"Errors": [{"Key": "b", "Code": "AccessDenied"}]})
    outcome = aws.run("s3_bucket", {"name": "b-1", "state": "absent", "force_delete": True})
    assert outcome.failed
    assert "the object b could not be deleted (AccessDenied)" in outcome.message


def _mapping(state: str, **more: Any) -> dict[str, Any]:
    ends = {"FunctionArn": "arn:aws:lambda:us-east-1:123456789012:function:f", "EventSourceMappingArn": MAPPING_ARN}
    return {"UUID": MAPPING_ID, "State": state, "BatchSize": 10, **ends, **more}


def _listed(aws: StubbedAws, *mappings: dict[str, Any]) -> None:
    aws.answers("lambda", "list_event_source_mappings", {"EventSourceMappings": list(mappings)})
    if mappings:
        aws.answers("lambda", "list_tags", {"Tags": {}})


def _timeouts(aws: StubbedAws, *, hidden: str = "180", works: int = 30) -> None:
    aws.answers("lambda", "get_function_configuration", {"Timeout": works})
    aws.answers("sqs", "get_queue_url", {"QueueUrl": QUEUE_URL})
    aws.answers("sqs", "get_queue_attributes", {"Attributes": {"VisibilityTimeout": hidden}})


def test_a_mapping_waits_for_rights_to_spread_and_until_it_is_in_force(aws: StubbedAws) -> None:
    aws.answers("sts", "get_caller_identity", CALLER)
    _listed(aws)
    _timeouts(aws)
    lag = "The provided execution role does not have permissions to call ReceiveMessage on SQS"
    aws.refuses("lambda", "create_event_source_mapping", "InvalidParameterValueException", lag)
    aws.answers("lambda", "create_event_source_mapping", _mapping("Creating"))
    aws.answers("lambda", "get_event_source_mapping", _mapping("Creating"))
    aws.answers("lambda", "get_event_source_mapping", _mapping("Enabled"))
    _listed(aws, _mapping("Enabled"))
    outcome = aws.run("lambda_event_source_mapping", {"function": "f", "queue": "q", "batch_size": 10})
    assert outcome.changed, outcome.message
    assert outcome.resource["enabled"] is True


@pytest.mark.parametrize("check", [True, False])
def test_a_message_that_comes_back_too_soon_stops_a_run_and_not_a_preview(aws: StubbedAws, check: bool) -> None:
    # A preview cannot know whether the run, before it comes to the mapping, puts the queue right.
    aws.answers("sts", "get_caller_identity", CALLER)
    _listed(aws)
    if not check:
        _timeouts(aws, hidden="20", works=30)
    outcome = aws.run("lambda_event_source_mapping", {"function": "f", "queue": "q"}, check=check)
    assert outcome.failed is not check
    assert check or "raise visibility_timeout to 180" in outcome.message
    assert outcome.writes == []


def test_a_key_of_a_log_group_is_taken_away(aws: StubbedAws) -> None:
    group = {"logGroupName": "g", "arn": "arn:aws:logs:us-east-1:123456789012:log-group:g:*"}
    encrypted = {**group, "kmsKeyId": "arn:aws:kms:us-east-1:123456789012:key/k"}
    aws.answers("logs", "describe_log_groups", {"logGroups": [encrypted]})
    aws.answers("logs", "list_tags_for_resource", {"tags": {}})
    aws.answers("logs", "disassociate_kms_key", {}, logGroupName="g")
    aws.answers("logs", "describe_log_groups", {"logGroups": [group]})
    aws.answers("logs", "list_tags_for_resource", {"tags": {}})
    outcome = aws.run("cloudwatch_log_group", {"name": "g", "kms_key_id": ""})
    assert outcome.differs == {"kms_key_id"}


def test_another_invalid_parameter_of_a_mapping_is_not_repeated(aws: StubbedAws) -> None:
    aws.answers("sts", "get_caller_identity", CALLER)
    _listed(aws)
    _timeouts(aws)
    aws.refuses("lambda", "create_event_source_mapping", "InvalidParameterValueException", "Batch size is wrong")
    assert "Batch size is wrong" in aws.run("lambda_event_source_mapping", {"function": "f", "queue": "q"}).message


def test_a_mapping_that_is_being_deleted_does_not_count(aws: StubbedAws) -> None:
    aws.answers("sts", "get_caller_identity", CALLER)
    aws.answers("lambda", "list_event_source_mappings", {"EventSourceMappings": [_mapping("Deleting")]})
    outcome = aws.run("lambda_event_source_mapping", {"function": "f", "queue": "q"}, check=True)
    assert outcome.result["action"] == "create"


def test_a_queue_that_hides_messages_too_shortly_is_refused_before_the_first_write(aws: StubbedAws) -> None:
    """Not in a preview: the run may be about to correct either of the two."""
    aws.answers("sts", "get_caller_identity", CALLER)
    _listed(aws)
    _timeouts(aws, hidden="5", works=60)
    outcome = aws.run("lambda_event_source_mapping", {"function": "f", "queue": "q"})
    assert "raise visibility_timeout to 360" in outcome.message
    assert outcome.writes == []


def test_a_mapping_in_change_is_asked_again_and_disabled_before_deletion(aws: StubbedAws) -> None:
    aws.answers("sts", "get_caller_identity", CALLER)
    _listed(aws, _mapping("Enabled"))
    aws.refuses("lambda", "update_event_source_mapping", "ResourceInUseException")
    aws.answers("lambda", "update_event_source_mapping", _mapping("Disabling"), UUID=MAPPING_ID, Enabled=False)
    aws.answers("lambda", "get_event_source_mapping", _mapping("Disabling"))
    aws.answers("lambda", "get_event_source_mapping", _mapping("Disabled"))
    aws.answers("lambda", "delete_event_source_mapping", _mapping("Deleting"), UUID=MAPPING_ID)
    aws.answers("lambda", "list_event_source_mappings", {"EventSourceMappings": [_mapping("Deleting")]})
    aws.answers("lambda", "list_event_source_mappings", {"EventSourceMappings": []})
    options = {"function": "f", "queue": "q", "state": "absent"}
    assert aws.run("lambda_event_source_mapping", options).changed


MAIL = {"protocol": "email", "endpoint": "operator@example.org"}
TOPIC_ARN = "arn:aws:sns:us-east-1:123456789012:t"


def _topic(aws: StubbedAws) -> None:
    waiting = {"Protocol": "email", "Endpoint": MAIL["endpoint"], "SubscriptionArn": "PendingConfirmation"}
    aws.answers("sts", "get_caller_identity", CALLER)
    aws.answers("sns", "get_topic_attributes", {"Attributes": {"TopicArn": TOPIC_ARN}})
    aws.answers("sns", "list_subscriptions_by_topic", {"Subscriptions": [waiting]})
    aws.answers("sns", "list_tags_for_resource", {"Tags": []})


def test_an_unconfirmed_mail_is_not_sent_again(aws: StubbedAws) -> None:
    _topic(aws)
    outcome = aws.run("sns_topic", {"name": "t", "subscriptions": [MAIL]})
    assert not outcome.changed, outcome.message
    assert outcome.writes == []


def test_a_foreign_mail_that_waits_cannot_be_removed_and_is_no_difference(aws: StubbedAws) -> None:
    _topic(aws)
    outcome = aws.run("sns_topic", {"name": "t", "subscriptions": []})
    assert not outcome.changed, outcome.message
    assert outcome.writes == []


def test_a_refused_target_of_a_rule_is_told(aws: StubbedAws) -> None:
    aws.refuses("events", "describe_rule", "ResourceNotFoundException")
    aws.answers("events", "put_rule", {"RuleArn": "arn:aws:events:us-east-1:123456789012:rule/r"})
    failure = {"TargetId": "t", "ErrorCode": "ManagedRuleException", "ErrorMessage": "not yours"}
    aws.answers("events", "put_targets", {"FailedEntryCount": 1, "FailedEntries": [failure]})
    target = {"id": "t", "arn": "arn:aws:sqs:us-east-1:123456789012:q"}
    outcome = aws.run("events_rule", {"name": "r", "schedule_expression": "rate(1 minute)", "targets": [target]})
    assert outcome.failed
    assert "target t was refused: not yours" in outcome.message


def test_denied_access_says_what_to_do(aws: StubbedAws) -> None:
    aws.refuses("sqs", "get_queue_url", "AccessDenied", "User x is not authorized")
    outcome = aws.run("sqs_queue", {"name": "q"})
    assert outcome.failed
    assert "grant the missing permission" in outcome.message
