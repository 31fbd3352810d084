"""The contract of library/cloudwatch_log_group.py."""

from tests.contract.case import Aws, Case, Drift, Refusal


def _neighbour(aws: Aws) -> None:
    """A group whose name begins like the one that is meant, and sorts before its end."""
    aws.client("logs").create_log_group(logGroupName="/t/worker-other")


def _forever(aws: Aws) -> None:
    aws.client("logs").delete_retention_policy(logGroupName="/t/worker")


def _tag(aws: Aws) -> None:
    aws.client("logs").tag_log_group(logGroupName="/t/worker", tags={"foreign": "1"})


CASE = Case(
    module="cloudwatch_log_group",
    present={"name": "/t/worker", "retention": 14, "tags": {"environment": "test"}},
    changed={"retention": 30, "tags": {"environment": "other", "more": "1"}},
    drift=[Drift("retention", _forever, "kept for ever"), Drift("tags", _tag, "foreign tag")],
    refused=[Refusal({"retention": 2}, "choose one of"), Refusal({"name": "a b"}, "A-Z a-z 0-9")],
    parents=_neighbour,
)
