"""The contract of library/sns_topic.py."""

import json
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal


def _policy(principal: object) -> dict[str, Any]:
    statement = {"Sid": "publish", "Effect": "Allow", "Principal": principal, "Action": "sns:Publish", "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def _arn(aws: Aws) -> str:
    return f"arn:aws:sns:{aws.region}:{aws.account_id}:t-alarms"


def _open(aws: Aws) -> None:
    aws.client("sns").set_topic_attributes(
        TopicArn=_arn(aws), AttributeName="Policy", AttributeValue=json.dumps(_policy("*"))
    )


def _listen(aws: Aws) -> None:
    """Subscribe a queue: that needs no confirmation."""
    queue = f"arn:aws:sqs:{aws.region}:{aws.account_id}:spy"
    aws.client("sqs").create_queue(QueueName="spy")
    aws.client("sns").subscribe(TopicArn=_arn(aws), Protocol="sqs", Endpoint=queue)


_MAIL = {"protocol": "email", "endpoint": "operator@example.org"}

CASE = Case(
    module="sns_topic",
    present={
        "name": "t-alarms",
        "display_name": "Alarms",
        "policy": _policy({"Service": "cloudwatch.amazonaws.com"}),
        "subscriptions": [_MAIL],
        "tags": {"environment": "test"},
    },
    changed={
        "display_name": "Other",
        "kms_key_id": "alias/aws/sns",
        "policy": _policy({"AWS": "arn:aws:iam::123456789012:root"}),
        "tags": {},
    },
    drift=[
        Drift("policy", _open, "opened to everyone"),
        Drift("subscriptions", _listen, "foreign listener"),
    ],
    refused=[Refusal({"name": "t-alarms.fifo"}, "standard topic"), Refusal({"policy": {}}, "always has a policy")],
)
