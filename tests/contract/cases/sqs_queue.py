"""The contract of library/sqs_queue.py."""

import json
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal


def _policy(aws_account: str = "*") -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AllowEventRules",
                "Effect": "Allow",
                "Principal": {"Service": "events.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": f"arn:aws:sqs:us-east-1:{aws_account}:events",
            }
        ],
    }


_OPEN = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}],
}


def _make(*names: str) -> Any:
    def make(aws: Aws) -> None:
        for name in names:
            fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
            aws.client("sqs").create_queue(QueueName=name, Attributes=fifo)

    return make


def _set(aws: Aws, name: str, **attributes: str) -> None:
    sqs = aws.client("sqs")
    sqs.set_queue_attributes(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], Attributes=attributes)


def _tag(aws: Aws, name: str) -> None:
    sqs = aws.client("sqs")
    sqs.tag_queue(QueueUrl=sqs.get_queue_url(QueueName=name)["QueueUrl"], Tags={"foreign": "1"})


JOBS = Case(
    module="sqs_queue",
    label="sqs_queue_fifo",
    present={
        "name": "jobs.fifo",
        "visibility_timeout": 60,
        "message_retention_period": 1_209_600,
        "content_based_deduplication": False,
        "deduplication_scope": "messageGroup",
        "fifo_throughput_limit": "perMessageGroupId",
        "redrive_policy": {"dead_letter_queue": "dead.fifo", "max_receive_count": 5},
        "sqs_managed_sse": True,
        "tags": {"environment": "test"},
    },
    changed={
        "visibility_timeout": 90,
        "message_retention_period": 60,
        "content_based_deduplication": True,
        "fifo_throughput_limit": "perQueue",
        "redrive_policy": {"dead_letter_queue": "other.fifo", "max_receive_count": 6},
        "sqs_managed_sse": False,
        "tags": {"environment": "other", "more": "1"},
    },
    drift=[
        Drift("tags", lambda aws: _tag(aws, "jobs.fifo"), "foreign tag"),
    ],
    refused=[
        Refusal({"visibility_timeout": 43_201}, "0 to 43200"),
        Refusal({"deduplication_scope": "queue"}, "set both"),
        Refusal({"redrive_policy": {"dead_letter_queue": "dead", "max_receive_count": 5}}, "FIFO dead-letter queue"),
        Refusal(
            {"redrive_policy": {"dead_letter_queue": "dead.fifo", "max_receive_count": 0}}, "1 to 1000", "no receive"
        ),
        Refusal({"name": "jobs/1.fifo"}, "A-Z a-z 0-9"),
    ],
    parents=_make("dead.fifo", "other.fifo"),
)

EVENTS = Case(
    module="sqs_queue",
    label="sqs_queue_standard",
    present={
        "name": "events",
        "receive_message_wait_time": 20,
        "maximum_message_size": 262_144,
        "delay": 0,
        "redrive_allow_policy": {"redrive_permission": "byQueue", "source_queues": ["b", "a"]},
        "policy": _policy(),
    },
    changed={
        "receive_message_wait_time": 0,
        "maximum_message_size": 1_024,
        "delay": 5,
        "redrive_allow_policy": {"redrive_permission": "denyAll"},
        "policy": {},
    },
    drift=[
        Drift("policy", lambda aws: _set(aws, "events", Policy=json.dumps(_OPEN)), "opened to everyone"),
        Drift(
            "redrive_allow_policy",
            lambda aws: _set(aws, "events", RedriveAllowPolicy='{"redrivePermission": "allowAll"}'),
        ),
    ],
    refused=[
        Refusal({"deduplication_scope": "queue"}, "for FIFO queues"),
        Refusal({"redrive_allow_policy": {"redrive_permission": "byQueue"}}, "name 1 to 10"),
    ],
    why_not={
        "redrive_allow_policy@moto": "keeps no redrive allow policy",
        "policy@moto": "forgets the policy when any other attribute is set",
    },
)

CASES = [JOBS, EVENTS]
