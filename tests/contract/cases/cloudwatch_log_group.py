"""The contract of library/cloudwatch_log_group.py."""

from tests.contract.case import Aws, Case, Drift, Refusal


def _neighbour(aws: Aws) -> None:
    """A group whose name begins like the one that is meant, and sorts before its end."""
    aws.client("logs").create_log_group(logGroupName="/t/worker-other")


def _forever(aws: Aws) -> None:
    aws.client("logs").delete_retention_policy(logGroupName="/t/worker")


def _tag(aws: Aws) -> None:
    aws.client("logs").tag_log_group(logGroupName="/t/worker", tags={"foreign": "1"})


def _encrypt(aws: Aws) -> None:
    key = aws.client("kms").create_key()["KeyMetadata"]["Arn"]
    aws.client("logs").associate_kms_key(logGroupName="/t/worker", kmsKeyId=key)


def _send_on(aws: Aws) -> None:
    destination = f"arn:aws:lambda:{aws.region}:{aws.account_id}:function:thief"
    aws.client("logs").put_subscription_filter(
        logGroupName="/t/worker", filterName="all", filterPattern="", destinationArn=destination
    )


_NO_KEYS = dict.fromkeys(
    ("ministack", "moto"), "does not know AssociateKmsKey; see test_storage_modules_on_stubbed_aws.py"
)
CASE = Case(
    module="cloudwatch_log_group",
    present={
        "name": "/t/worker",
        "retention": 14,
        "kms_key_id": "",
        "subscription_filters": [],
        "tags": {"environment": "test"},
    },
    changed={"retention": 30, "tags": {"environment": "other", "more": "1"}},
    drift=[
        Drift("retention", _forever, "kept for ever"),
        Drift("kms_key_id", _encrypt, why_not=_NO_KEYS),
        Drift(
            "subscription_filters",
            _send_on,
            why_not={"moto": "calls the destination, which must be a running function"},
        ),
        Drift("tags", _tag, "foreign tag"),
    ],
    refused=[Refusal({"retention": 2}, "choose one of"), Refusal({"name": "a b"}, "A-Z a-z 0-9")],
    parents=_neighbour,
)
