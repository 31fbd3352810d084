"""The contract of library/s3_bucket.py."""

import json
from typing import Any

from tests.contract.case import Aws, Case, Drift, Refusal

_POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "DenyPlainHttp",
            "Effect": "Deny",
            "Principal": "*",
            "Action": "s3:*",
            "Resource": ["arn:aws:s3:::t-raw/*", "arn:aws:s3:::t-raw"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    ],
}
_FOREIGN = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::999999999999:root"},
            "Action": "s3:GetObject",
            "Resource": "arn:aws:s3:::t-raw/*",
        }
    ],
}
_QUEUE = {
    "QueueConfigurations": [
        {
            "Id": "uploads",
            "QueueArn": "arn:aws:sqs:us-east-1:{account}:uploads",
            "Events": ["s3:ObjectCreated:*"],
        }
    ]
}


def _act(operation: str, **arguments: Any) -> Any:
    return lambda aws: getattr(aws.client("s3"), operation)(Bucket="t-raw", **arguments)


def _notify(aws: Aws) -> None:
    aws.client("sqs").create_queue(QueueName="uploads")
    configuration = json.loads(json.dumps(_QUEUE).replace("{account}", aws.account_id))
    aws.client("s3").put_bucket_notification_configuration(Bucket="t-raw", NotificationConfiguration=configuration)


def _open_one_block(aws: Aws) -> None:
    blocks = {
        "BlockPublicAcls": True,
        "IgnorePublicAcls": True,
        "BlockPublicPolicy": True,
        "RestrictPublicBuckets": False,
    }
    aws.client("s3").put_public_access_block(Bucket="t-raw", PublicAccessBlockConfiguration=blocks)


def _foreign_rule(aws: Aws) -> None:
    rules = [
        {"ID": "expire", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 30}},
        {"ID": "foreign", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}},
    ]
    aws.client("s3").put_bucket_lifecycle_configuration(Bucket="t-raw", LifecycleConfiguration={"Rules": rules})


def _transition(aws: Aws) -> None:
    rule = {
        "ID": "expire",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "Expiration": {"Days": 30},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        "Transitions": [{"Days": 5, "StorageClass": "GLACIER"}],
    }
    aws.client("s3").put_bucket_lifecycle_configuration(Bucket="t-raw", LifecycleConfiguration={"Rules": [rule]})


def _open_list(aws: Aws) -> None:
    # AWS lets nobody open a list before these two are gone.
    aws.client("s3").delete_public_access_block(Bucket="t-raw")
    owner = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    aws.client("s3").put_bucket_ownership_controls(Bucket="t-raw", OwnershipControls=owner)
    aws.client("s3").put_bucket_acl(Bucket="t-raw", ACL="public-read")


def _replicate(aws: Aws) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="t-thief")
    for bucket in ("t-raw", "t-thief"):
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ID": "copy", "Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::t-thief"}}
    role = f"arn:aws:iam::{aws.account_id}:role/copy"
    s3.put_bucket_replication(Bucket="t-raw", ReplicationConfiguration={"Role": role, "Rules": [rule]})


def _log(aws: Aws) -> None:
    s3, target = aws.client("s3"), {"TargetBucket": "t-logs", "TargetPrefix": "raw/"}
    s3.create_bucket(Bucket="t-logs", ObjectOwnership="ObjectWriter")
    s3.put_bucket_acl(Bucket="t-logs", ACL="log-delivery-write")
    s3.put_bucket_logging(Bucket="t-raw", BucketLoggingStatus={"LoggingEnabled": target})


RAW = Case(
    module="s3_bucket",
    present={
        "name": "t-raw",
        "versioning": "suspended",
        "encryption": {"algorithm": "AES256"},
        "public_access_block": True,
        "object_ownership": "BucketOwnerEnforced",
        "policy": _POLICY,
        "cors_rules": [
            {"allowed_origins": ["https://b", "https://a"], "allowed_methods": ["PUT"], "max_age_seconds": 60}
        ],
        "lifecycle_rules": [{"id": "expire", "expiration_days": 30, "abort_incomplete_multipart_upload_days": 1}],
        "notifications": {},
        "website": {},
        "tags": {"environment": "test"},
    },
    changed={
        "versioning": "enabled",
        "encryption": {"algorithm": "aws:kms", "bucket_key_enabled": True},
        "public_access_block": False,
        "object_ownership": "BucketOwnerPreferred",
        "policy": {},
        "cors_rules": [],
        "lifecycle_rules": [
            {"id": "b", "prefix": "tmp/", "status": "disabled", "noncurrent_version_expiration_days": 3},
            {"id": "a", "expired_object_delete_marker": True},
        ],
        "tags": {},
    },
    drift=[
        Drift("policy", _act("put_bucket_policy", Policy=json.dumps(_FOREIGN)), "opened to another account"),
        Drift("policy", _act("delete_bucket_policy"), "removed"),
        Drift("public_access_block", _open_one_block, "one of four"),
        Drift("public_access_block", _act("delete_public_access_block"), "removed"),
        Drift("lifecycle_rules", _foreign_rule, "foreign rule"),
        Drift("lifecycle_rules", _transition, "foreign transition"),
        Drift("lifecycle_rules", _act("delete_bucket_lifecycle"), "removed"),
        Drift("notifications", _notify, "foreign notification"),
        Drift("object_ownership", _act("delete_bucket_ownership_controls"), "removed"),
        Drift("versioning", _act("put_bucket_versioning", VersioningConfiguration={"Status": "Enabled"})),
        Drift("website", _act("put_bucket_website", WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})),
        Drift("tags", _act("delete_bucket_tagging"), "removed"),
    ],
    refused=[
        Refusal({"name": "T_raw"}, "3-63 of a-z 0-9"),
        Refusal({"encryption": {"algorithm": "AES256", "kms_key_id": "k"}}, "needs algorithm aws:kms"),
        Refusal({"lifecycle_rules": [{"id": "x"}]}, "needs an action", "no action"),
        Refusal({"lifecycle_rules": [{"id": "x", "expiration_days": 1}] * 2}, "the same id", "same id"),
        Refusal({"notifications": {"QueueConfigurations": [{"QueueArn": "q"}]}}, "has no Id"),
    ],
)

# AWS lets nobody open a list while its owner enforces ownership, and copies only what has versions.
OPENED = Case(
    module="s3_bucket",
    label="s3_bucket_opened",
    present={"name": "t-raw", "acl": "private", "replication": {}, "logging": {}},
    drift=[
        Drift("acl", _open_list, "public"),
        Drift("replication", _replicate, "to another bucket"),
        Drift("logging", _log, "to another bucket"),
    ],
)

CASES = [RAW, OPENED]
