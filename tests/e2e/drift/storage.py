"""Buckets, queues, topics, parameters and the image repository, changed by somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.e2e.drift.mutation import PROJECT, REGION, Account, Mutation, Value

RAW, DERIVED = f"{PROJECT}-raw", f"{PROJECT}-derived"
JOBS, DEAD, EVENTS = f"{PROJECT}-jobs.fifo", f"{PROJECT}-jobs-dlq.fifo", f"{PROJECT}-task-events"
TOPIC, REPOSITORY = f"{PROJECT}-alarms", f"{PROJECT}-audio-clean"
URL, KEY = "/tamma/dev/supabase_url", "/tamma/dev/supabase_service_key"
HIDDEN = ("(hidden, current)", "(hidden, new)")
STRANGER = {"Sid": "Stranger", "Effect": "Allow", "Principal": "*"}
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
_STALE = {"ID": "abort-stale-uploads", "Status": "Enabled", "Filter": {"Prefix": ""}}

Act = Callable[[Account], object]


def s3(operation: str, bucket: str, **arguments: Any) -> Act:
    return lambda aws: getattr(aws("s3"), operation)(Bucket=bucket, **arguments)


def queue(name: str, **attributes: str) -> Act:
    def act(aws: Account) -> None:
        url = aws("sqs").get_queue_url(QueueName=name)["QueueUrl"]
        aws("sqs").set_queue_attributes(QueueUrl=url, Attributes=attributes)

    return act


def topic(aws: Account) -> str:
    return f"arn:aws:sns:{REGION}:{aws.id}:{TOPIC}"


def _extra_statement(aws: Account) -> None:
    policy = json.loads(aws("s3").get_bucket_policy(Bucket=RAW)["Policy"])
    policy["Statement"].append({**STRANGER, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{RAW}/*"})
    aws("s3").delete_public_access_block(Bucket=RAW)
    aws("s3").put_bucket_policy(Bucket=RAW, Policy=json.dumps(policy))
    _block(RAW)(aws)


def _block(bucket: str, **off: bool) -> Act:
    return s3("put_public_access_block", bucket, PublicAccessBlockConfiguration={**dict.fromkeys(_BLOCKS, True), **off})


def _open_list(aws: Account) -> None:
    """Give everybody rights by a list, as ownership of objects is then not enforced."""
    aws("s3").delete_public_access_block(Bucket=DERIVED)
    owner = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    aws("s3").put_bucket_ownership_controls(Bucket=DERIVED, OwnershipControls=owner)
    aws("s3").put_bucket_acl(Bucket=DERIVED, ACL="public-read")
    _block(DERIVED)(aws)


def _notify(aws: Account) -> None:
    arn = f"arn:aws:sqs:{REGION}:{aws.id}:{EVENTS}"
    entry = {"Id": "thief", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}
    url = aws("sqs").get_queue_url(QueueName=EVENTS)["QueueUrl"]
    kept = aws("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(_sender(arn))})
    aws("s3").put_bucket_notification_configuration(
        Bucket=RAW, NotificationConfiguration={"QueueConfigurations": [entry]}
    )
    aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": kept})


def _sender(arn: str) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sqs:SendMessage"}
    return {"Version": "2012-10-17", "Statement": [{**statement, "Resource": arn}]}


def _cors(aws: Account) -> None:
    rules = aws("s3").get_bucket_cors(Bucket=RAW)["CORSRules"]
    rules.append({"AllowedOrigins": ["*"], "AllowedMethods": ["GET"]})
    aws("s3").put_bucket_cors(Bucket=RAW, CORSConfiguration={"CORSRules": rules})


def _shorter_life(aws: Account) -> None:
    rules = aws("s3").get_bucket_lifecycle_configuration(Bucket=RAW)["Rules"]
    for rule in rules:
        if "Expiration" in rule:
            rule["Expiration"]["Days"] = 1
    aws("s3").put_bucket_lifecycle_configuration(Bucket=RAW, LifecycleConfiguration={"Rules": rules})


def _foreign_rule(aws: Account) -> None:
    rules = aws("s3").get_bucket_lifecycle_configuration(Bucket=DERIVED)["Rules"]
    rules.append({"ID": "shred", "Status": "Enabled", "Filter": {"Prefix": "x/"}, "Expiration": {"Days": 1}})
    aws("s3").put_bucket_lifecycle_configuration(Bucket=DERIVED, LifecycleConfiguration={"Rules": rules})


def _replicate(aws: Account) -> None:
    client = aws("s3")
    client.create_bucket(Bucket="thief")
    for bucket in (RAW, "thief"):
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    rule = {"ID": "copy", "Status": "Enabled", "Prefix": "", "Destination": {"Bucket": "arn:aws:s3:::thief"}}
    role = f"arn:aws:iam::{aws.id}:role/copy"
    client.put_bucket_replication(Bucket=RAW, ReplicationConfiguration={"Role": role, "Rules": [rule]})


def _log(aws: Account) -> None:
    aws("s3").create_bucket(Bucket="listener", ObjectOwnership="ObjectWriter")
    aws("s3").put_bucket_acl(Bucket="listener", ACL="log-delivery-write")
    target = {"TargetBucket": "listener", "TargetPrefix": "x/"}
    aws("s3").put_bucket_logging(Bucket=RAW, BucketLoggingStatus={"LoggingEnabled": target})


def _queue_statement(aws: Account) -> None:
    url = aws("sqs").get_queue_url(QueueName=JOBS)["QueueUrl"]
    arn = f"arn:aws:sqs:{REGION}:{aws.id}:{JOBS}"
    policy = {"Version": "2012-10-17", "Statement": [{**STRANGER, "Action": "sqs:SendMessage", "Resource": arn}]}
    aws("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})


def _topic_policy(aws: Account) -> None:
    arn = topic(aws)
    policy = json.loads(aws("sns").get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
    policy["Statement"].append({**STRANGER, "Action": "sns:Publish", "Resource": arn})
    aws("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps(policy))


def _tag_queue(aws: Account) -> None:
    aws("sqs").untag_queue(QueueUrl=aws("sqs").get_queue_url(QueueName=JOBS)["QueueUrl"], TagKeys=["Project"])


def _subscribe(aws: Account) -> None:
    aws("sns").subscribe(TopicArn=topic(aws), Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{aws.id}:{EVENTS}")


def _parameter(name: str, **more: Any) -> Act:
    return lambda aws: aws("ssm").put_parameter(Name=name, Overwrite=True, **more)


def _same_value(name: str, **more: Any) -> Act:
    def act(aws: Account) -> None:
        value = aws("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
        _parameter(name, Value=value, **more)(aws)

    return act


def _in_the_clear(aws: Account) -> None:
    """Store the secret as plain text, which AWS lets one do only with a parameter that is new."""
    value = aws("ssm").get_parameter(Name=KEY, WithDecryption=True)["Parameter"]["Value"]
    about = aws("ssm").describe_parameters(ParameterFilters=[{"Key": "Name", "Values": [KEY]}])["Parameters"][0]
    labels = aws("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId=KEY)["TagList"]
    aws("ssm").delete_parameter(Name=KEY)
    aws("ssm").put_parameter(Name=KEY, Type="String", Value=value, Description=about["Description"], Tags=labels)


def _images_open(aws: Account) -> None:
    policy = {"Version": "2012-10-17", "Statement": [{**STRANGER, "Action": "ecr:*"}]}
    aws("ecr").set_repository_policy(repositoryName=REPOSITORY, policyText=json.dumps(policy))


def _expire_images(aws: Account) -> None:
    policy = json.loads(aws("ecr").get_lifecycle_policy(repositoryName=REPOSITORY)["lifecyclePolicyText"])
    policy["rules"][0]["selection"]["countNumber"] = 1
    aws("ecr").put_lifecycle_policy(repositoryName=REPOSITORY, lifecyclePolicyText=json.dumps(policy))


def _bucket(act: Act, name: str, prop: str, before: Any, after: Any, **more: Any) -> Mutation:
    return Mutation(act, "S3 bucket", name, prop, before, after, **more)


def _queue(act: Act, name: str, prop: str, before: Any, after: Any, **more: Any) -> Mutation:
    return Mutation(act, "SQS queue", name, prop, before, after, **more)


def _ssm(act: Act, name: str, prop: str, before: Any, after: Any, **more: Any) -> Mutation:
    return Mutation(act, "SSM parameter", name, prop, before, after, **more)


def _ecr(act: Act, prop: str, before: Any, after: Any, **more: Any) -> Mutation:
    return Mutation(act, "ECR repository", REPOSITORY, prop, before, after, **more)


MUTATIONS = {
    "bucket policy with a statement more": _bucket(
        _extra_statement,
        *(RAW, "policy.Statement[Stranger]"),
        {**STRANGER, "Action": ["s3:GetObject"], "Resource": [f"arn:aws:s3:::{RAW}/*"]},
        None,
    ),
    "bucket policy removed": _bucket(
        s3("delete_bucket_policy", DERIVED),
        DERIVED,
        "policy.Version",
        None,
        "2012-10-17",
        also=(
            (
                "policy.Statement",
                None,
                [
                    {
                        "Sid": "DenyPlainHttp",
                        "Effect": "Deny",
                        "Principal": "*",
                        "Action": ["s3:*"],
                        "Resource": [f"arn:aws:s3:::{DERIVED}", f"arn:aws:s3:::{DERIVED}/*"],
                        "Condition": {"Bool": {"aws:SecureTransport": ["false"]}},
                    }
                ],
            ),
        ),
    ),
    "one block of public access off": _bucket(
        _block(RAW, RestrictPublicBuckets=False),
        *(RAW, "public_access_block", {**dict.fromkeys(_BLOCKS, True), "RestrictPublicBuckets": False}, True),
    ),
    "list open to the public": _bucket(
        _open_list,
        *(DERIVED, "acl"),
        [{"grantee": "http://acs.amazonaws.com/groups/global/AllUsers", "permission": "READ"}],
        "private",
        also=(("object_ownership", "ObjectWriter", "BucketOwnerEnforced"),),
    ),
    "all blocks of public access off": _bucket(
        s3("delete_public_access_block", DERIVED), DERIVED, "public_access_block", False, True
    ),
    "versions kept": _bucket(
        s3("put_bucket_versioning", DERIVED, VersioningConfiguration={"Status": "Enabled"}),
        *(DERIVED, "versioning", "enabled", "suspended"),
    ),
    "encryption with another key": _bucket(
        s3(
            "put_bucket_encryption",
            DERIVED,
            ServerSideEncryptionConfiguration={
                "Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "k"}}]
            },
        ),
        *(DERIVED, "encryption.algorithm", "aws:kms", "AES256"),
        also=(("encryption.kms_key_id", "k", None),),
    ),
    "origin for everybody": _bucket(
        _cors, RAW, "cors_rules[1]", {"allowed_origins": ["*"], "allowed_methods": ["GET"]}, None
    ),
    "origins removed": _bucket(
        s3("delete_bucket_cors", DERIVED),
        *(DERIVED, "cors_rules[0]", None),
        {
            "allowed_origins": ["http://127.0.0.1:3000", "http://localhost:3000"],
            "allowed_methods": ["GET", "HEAD"],
            "allowed_headers": ["*"],
            "expose_headers": ["ETag"],
            "max_age_seconds": 3000,
        },
    ),
    "recordings expire early": _bucket(_shorter_life, RAW, "lifecycle_rules[expire-recordings].expiration_days", 1, 30),
    "foreign lifecycle rule": _bucket(
        _foreign_rule,
        *(DERIVED, "lifecycle_rules[shred]"),
        {"id": "shred", "prefix": "x/", "status": "enabled", "expiration_days": 1},
        None,
    ),
    "foreign notification": _bucket(
        _notify,
        *(RAW, "notifications.QueueConfigurations"),
        [{"Id": "thief", "QueueArn": f"arn:aws:sqs:{REGION}:{{account}}:{EVENTS}", "Events": ["s3:ObjectCreated:*"]}],
        None,
    ),
    "objects copied away": _bucket(
        _replicate,
        *(RAW, "replication.Role", "arn:aws:iam::{account}:role/copy", None),
        also=(
            (
                "replication.Rules",
                Value("arn:aws:s3:::thief"),
                None,
            ),
            ("versioning", "enabled", "suspended"),
        ),
    ),
    "requests logged elsewhere": _bucket(
        _log,
        *(RAW, "logging.TargetBucket", "listener", None),
        also=(("logging.TargetPrefix", "x/", None),),
    ),
    "bucket as a website": _bucket(
        s3("put_bucket_website", DERIVED, WebsiteConfiguration={"IndexDocument": {"Suffix": "i.html"}}),
        *(DERIVED, "website.IndexDocument", {"Suffix": "i.html"}, None),
    ),
    "bucket with another tag": _bucket(
        s3(
            "put_bucket_tagging",
            DERIVED,
            Tagging={"TagSet": [{"Key": "Environment", "Value": "x"}, {"Key": "ManagedBy", "Value": "ansible"}]},
        ),
        *(DERIVED, "tags.Environment", "x", "dev"),
        also=(("tags.Project", None, "tamma"),),
    ),
    "jobs visible too soon": _queue(queue(JOBS, VisibilityTimeout="0"), JOBS, "visibility_timeout", 0, 360),
    "jobs forgotten": _queue(queue(JOBS, MessageRetentionPeriod="60"), JOBS, "message_retention_period", 60, 345_600),
    "jobs delayed": _queue(queue(JOBS, DelaySeconds="900"), JOBS, "delay", 900, 0),
    "jobs given up early": _queue(
        queue(
            JOBS,
            RedrivePolicy=json.dumps(
                {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:000000000000:{DEAD}", "maxReceiveCount": 1}
            ),
        ),
        *(JOBS, "redrive_policy.max_receive_count", 1, 1000),
    ),
    "events without dead letters": _queue(
        queue(EVENTS, RedrivePolicy=""),
        *(EVENTS, "redrive_policy", None, {"dead_letter_queue": f"{EVENTS}-dlq", "max_receive_count": 1000}),
    ),
    "dead letters passed on": _queue(
        queue(
            f"{EVENTS}-dlq",
            RedrivePolicy=json.dumps(
                {"deadLetterTargetArn": f"arn:aws:sqs:{REGION}:000000000000:{EVENTS}", "maxReceiveCount": 3}
            ),
        ),
        *(f"{EVENTS}-dlq", "redrive_policy", {"dead_letter_queue": EVENTS, "max_receive_count": 3}, None),
    ),
    "dead letters from everywhere": _queue(
        queue(DEAD, RedriveAllowPolicy='{"redrivePermission": "allowAll"}'),
        *(DEAD, "redrive_allow_policy.redrive_permission", "allowAll", "byQueue"),
        also=(("redrive_allow_policy.source_queues", [], [JOBS]),),
    ),
    "jobs deduplicated by content": _queue(
        queue(JOBS, ContentBasedDeduplication="true"), JOBS, "content_based_deduplication", True, False
    ),
    "slow FIFO": _queue(
        queue(JOBS, FifoThroughputLimit="perQueue"), JOBS, "fifo_throughput_limit", "perQueue", "perMessageGroupId"
    ),
    "queue not encrypted": _queue(queue(EVENTS, SqsManagedSseEnabled="false"), EVENTS, "sqs_managed_sse", False, True),
    "queue encrypted with another key": _queue(
        queue(DEAD, KmsMasterKeyId="alias/k"), DEAD, "sqs_managed_sse", False, True
    ),
    "short messages": _queue(queue(EVENTS, MaximumMessageSize="1024"), EVENTS, "maximum_message_size", 1024, 262_144),
    "queue open to everybody": _queue(
        _queue_statement,
        *(JOBS, "policy.Version", "2012-10-17", None),
        also=(("policy.Statement", Value("Stranger"), None),),
    ),
    "events not let in": _queue(
        queue(EVENTS, Policy=""),
        *(EVENTS, "policy.Version", None, "2012-10-17"),
        also=(("policy.Statement", None, Value("AllowEventRules")),),
    ),
    "queue without a tag": _queue(_tag_queue, JOBS, "tags.Project", None, "tamma"),
    "foreign subscription": Mutation(
        _subscribe,
        *("SNS topic", TOPIC, "subscriptions[0]"),
        {"protocol": "sqs", "endpoint": f"arn:aws:sqs:{REGION}:{{account}}:{EVENTS}"},
        None,
    ),
    "topic open to everybody": Mutation(
        _topic_policy,
        *("SNS topic", TOPIC, "policy.Statement[Stranger]"),
        {**STRANGER, "Action": ["sns:Publish"], "Resource": [f"arn:aws:sns:{REGION}:{{account}}:{TOPIC}"]},
        None,
    ),
    "topic with another key": Mutation(
        lambda aws: aws("sns").set_topic_attributes(
            TopicArn=topic(aws), AttributeName="KmsMasterKeyId", AttributeValue="alias/k"
        ),
        *("SNS topic", TOPIC, "kms_key_id", "alias/k", ""),
    ),
    "topic with a sender": Mutation(
        lambda aws: aws("sns").set_topic_attributes(
            TopicArn=topic(aws), AttributeName="DisplayName", AttributeValue="Bank"
        ),
        *("SNS topic", TOPIC, "display_name", "Bank", ""),
    ),
    "topic with a foreign tag": Mutation(
        lambda aws: aws("sns").tag_resource(ResourceArn=topic(aws), Tags=[{"Key": "Owner", "Value": "x"}]),
        *("SNS topic", TOPIC, "tags.Owner", "x", None),
    ),
    "secret replaced": _ssm(_parameter(KEY, Value="evil", Type="SecureString"), KEY, "value", *HIDDEN),
    "address replaced": _ssm(_parameter(URL, Value="https://evil.example", Type="String"), URL, "value", *HIDDEN),
    "description changed": _ssm(
        _same_value(URL, Type="String", Description="x"), URL, "description", "x", "Where the job table is"
    ),
    "tier raised": _ssm(_same_value(URL, Type="String", Tier="Advanced"), URL, "tier", "Advanced", "Standard"),
    "secret in the clear": _ssm(
        _in_the_clear, KEY, "type", "String", "SecureString", also=(("key_id", None, "alias/aws/ssm"),)
    ),
    "parameter without a tag": _ssm(
        lambda aws: aws("ssm").remove_tags_from_resource(
            ResourceType="Parameter", ResourceId=KEY, TagKeys=["Environment"]
        ),
        *(KEY, "tags.Environment", None, "dev"),
    ),
    "image tags can move": _ecr(
        lambda aws: aws("ecr").put_image_tag_mutability(repositoryName=REPOSITORY, imageTagMutability="MUTABLE"),
        *("image_tag_mutability", "MUTABLE", "IMMUTABLE"),
    ),
    "images not scanned": _ecr(
        lambda aws: aws("ecr").put_image_scanning_configuration(
            repositoryName=REPOSITORY, imageScanningConfiguration={"scanOnPush": False}
        ),
        *("scan_on_push", False, True),
    ),
    "images open to everybody": _ecr(
        _images_open,
        *("policy.Version", "2012-10-17", None),
        also=(("policy.Statement", Value("Stranger"), None),),
    ),
    "images expire early": _ecr(_expire_images, "lifecycle_policy.rules[0].selection.countNumber", 1, 10),
    "repository with another tag": _ecr(
        lambda aws: aws("ecr").tag_resource(
            resourceArn=f"arn:aws:ecr:{REGION}:{aws.id}:repository/{REPOSITORY}",
            tags=[{"Key": "Environment", "Value": "hand"}],
        ),
        *("tags.Environment", "hand", "dev"),
    ),
}
