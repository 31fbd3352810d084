"""The contract of library/lambda_event_source_mapping.py."""

import io
import json
import zipfile
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


def _parents(aws: Aws) -> None:
    """Make a function, and queues that hide a message for longer than it works."""
    role = aws.client("iam").create_role(RoleName="t-role", AssumeRolePolicyDocument=json.dumps(_TRUST))["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return {}")
    aws.client("lambda").create_function(
        FunctionName="t-function",
        Runtime="python3.13",
        Role=role,
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
        Timeout=30,
        Publish=True,
    )
    aws.client("lambda").create_alias(FunctionName="t-function", Name="live", FunctionVersion="1")
    for name, hidden in (("jobs.fifo", "180"), ("events", "180")):
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        aws.client("sqs").create_queue(QueueName=name, Attributes={"VisibilityTimeout": hidden, **fifo})


def _mapping(aws: Aws, queue: str) -> str:
    arn = f"arn:aws:sqs:{aws.region}:{aws.account_id}:{queue}"
    found = aws.client("lambda").list_event_source_mappings(EventSourceArn=arn)
    return str(found["EventSourceMappings"][0]["UUID"])


def _set(queue: str, **settings: Any) -> Any:
    return lambda aws: aws.client("lambda").update_event_source_mapping(UUID=_mapping(aws, queue), **settings)


def _steal(aws: Aws) -> None:
    client = aws.client("lambda")
    found = client.get_function(FunctionName="t-function")["Configuration"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return {}")
    client.create_function(
        FunctionName="t-thief",
        Runtime="python3.13",
        Role=found["Role"],
        Handler="app.handler",
        Code={"ZipFile": code.getvalue()},
    )
    _map(aws, "jobs.fifo", "t-thief")


def _feed(aws: Aws) -> None:
    _map(aws, "events", "t-function")


def _map(aws: Aws, queue: str, function: str) -> None:
    arn = f"arn:aws:sqs:{aws.region}:{aws.account_id}:{queue}"
    aws.client("lambda").create_event_source_mapping(EventSourceArn=arn, FunctionName=function, BatchSize=1)


FIFO = Case(
    module="lambda_event_source_mapping",
    label="lambda_event_source_mapping_fifo",
    present={
        "function": "t-function",
        "queue": "jobs.fifo",
        "alias": "live",
        "enabled": True,
        "batch_size": 10,
        "function_response_types": ["ReportBatchItemFailures"],
        "maximum_concurrency": 5,
        "exclusive": True,
        "tags": {"environment": "test"},
    },
    changed={
        "alias": "",
        "enabled": False,
        "batch_size": 5,
        "function_response_types": [],
        "maximum_concurrency": 0,
        "filter_criteria": [{"body": {"b": [1]}}, {"body": {"a": [1]}}],
        "tags": {"other": "1"},
    },
    drift=[
        Drift("enabled", _set("jobs.fifo", Enabled=False)),
        Drift("alias", _set("jobs.fifo", FunctionName="t-function"), "what was never released"),
        Drift("batch_size", _set("jobs.fifo", BatchSize=1)),
        Drift("function_response_types", _set("jobs.fifo", FunctionResponseTypes=[])),
        Drift("exclusive", _steal, "another function takes jobs"),
        Drift("exclusive", _feed, "another queue feeds the function"),
    ],
    refused=[
        Refusal({"batch_size": 11}, "at most 10"),
        Refusal({"maximum_batching_window": 1}, "no batching window"),
        Refusal({"maximum_concurrency": 1}, "2 to 1000"),
    ],
    parents=_parents,
    why_not={"alias@moto": "keeps the version that the alias points at"},
)

STANDARD = Case(
    module="lambda_event_source_mapping",
    label="lambda_event_source_mapping_standard",
    present={"function": "t-function", "queue": "events", "batch_size": 10, "maximum_batching_window": 0},
    changed={"maximum_batching_window": 1},
    refused=[Refusal({"batch_size": 11}, "needs a maximum_batching_window")],
    parents=_parents,
)

CASES = [FIFO, STANDARD]
