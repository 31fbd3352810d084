"""Rows 2 to 5: buckets, queues, registry, parameters."""

from __future__ import annotations

import json
from typing import Any

from botocore.exceptions import ClientError

from stack_checks.report import Report, as_list, document, statements

_MISSING = {
    *("NoSuchBucketPolicy", "NoSuchCORSConfiguration", "NoSuchLifecycleConfiguration"),
    *("NoSuchPublicAccessBlockConfiguration", "OwnershipControlsNotFoundError", "RepositoryPolicyNotFoundException"),
}


def check_buckets(report: Report) -> None:
    """Check row 2."""
    stack, s3 = report.stack, report.stack.client("s3")
    for kind, method, expire in (("raw", "PUT", [30]), ("derived", "GET", [])):
        bucket = stack.bucket(kind)
        with report.row(f"2 bucket {bucket}"):
            _protection(report, s3, bucket)
            report.tags("bucket", s3.get_bucket_tagging(Bucket=bucket)["TagSet"])
            notification = s3.get_bucket_notification_configuration(Bucket=bucket)
            notification.pop("ResponseMetadata")
            report.same("notifies nobody", notification, {})
            _cors(report, s3, bucket, method)
            days = _lifecycle(s3, bucket)
            report.same("days until objects expire", days["expire"], expire)
            report.same("days until stale uploads go", days["abort"], [1])


def _protection(report: Report, s3: Any, bucket: str) -> None:
    ownership = _or_missing(lambda: s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"])
    report.same("owner", ownership, [{"ObjectOwnership": "BucketOwnerEnforced"}])
    block = _or_missing(lambda: s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"])
    wanted = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    report.same("public access is blocked", block, dict.fromkeys(wanted, True))
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    algorithms = [rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] for rule in rules]
    report.holds("encrypted", algorithms in (["AES256"], ["aws:kms"]), f"its algorithms are {algorithms}")
    document = _or_missing(lambda: s3.get_bucket_policy(Bucket=bucket)["Policy"])
    policy = statements(document) if document else []
    report.same("policy allows nobody anything", [s for s in policy if s["Effect"] != "Deny"], [])
    report.holds(
        "plain HTTP is denied",
        any(_denies_plain_http(statement, bucket) for statement in policy),
        f"no statement denies everybody everything on the bucket and its objects without TLS among {policy}",
    )


def _denies_plain_http(statement: dict[str, Any], bucket: str) -> bool:
    condition = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
    return (
        statement["Effect"] == "Deny"
        and statement["Principal"] in ("*", {"AWS": "*"})
        and as_list(statement["Action"]) == ["s3:*"]
        and set(as_list(statement["Resource"])) == {f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"}
        and as_list(condition) in (["false"], [False])
        and set(statement["Condition"]) == {"Bool"}
    )


def _cors(report: Report, s3: Any, bucket: str, method: str) -> None:
    rules = _or_missing(lambda: s3.get_bucket_cors(Bucket=bucket)["CORSRules"]) or []
    origins = sorted({origin for rule in rules for origin in rule["AllowedOrigins"]})
    report.holds("origins of browsers are listed", origins and "*" not in origins, f"the origins are {origins}")
    methods = sorted({method for rule in rules for method in rule["AllowedMethods"]})
    report.holds(f"browsers may {method}", method in methods, f"they may {methods}")
    report.holds("browsers may not delete", "DELETE" not in methods, f"they may {methods}")


def _lifecycle(s3: Any, bucket: str) -> dict[str, list[int]]:
    """Return the days of the enabled rules that hold for the whole bucket."""
    result: dict[str, list[int]] = {"expire": [], "abort": []}
    rules = _or_missing(lambda: s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"])
    for rule in rules or []:
        everything = not rule.get("Prefix") and not any((rule.get("Filter") or {}).values())
        if rule["Status"] != "Enabled" or not everything:
            continue
        if "Expiration" in rule:
            result["expire"].append(rule["Expiration"].get("Days"))
        if "AbortIncompleteMultipartUpload" in rule:
            result["abort"].append(rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"])
    return result


def check_queues(report: Report) -> None:
    """Check row 3, and the queue of task events with its own dead letters."""
    stack = report.stack
    with report.row("3 queues"):
        timeout = stack.client("lambda").get_function_configuration(FunctionName=stack.dispatcher)["Timeout"]
        for queue, dead in (("jobs.fifo", "jobs-dlq.fifo"), ("task-events", "task-events-dlq")):
            attributes = _queue(report, queue)
            dead_attributes = _queue(report, dead)
            visibility = int(attributes["VisibilityTimeout"])
            report.holds(
                f"{queue}: hides a message six times as long as the function runs",
                visibility >= 6 * timeout,
                f"it hides it {visibility} seconds, the function runs up to {timeout}",
            )
            redrive = json.loads(attributes["RedrivePolicy"])
            report.same(f"{queue}: dead letters go to", redrive["deadLetterTargetArn"], dead_attributes["QueueArn"])
            report.holds(
                f"{dead}: keeps letters longer than {queue}",
                int(dead_attributes["MessageRetentionPeriod"]) > int(attributes["MessageRetentionPeriod"]),
                f"it keeps them {dead_attributes['MessageRetentionPeriod']} seconds",
            )
            allowed = json.loads(dead_attributes.get("RedriveAllowPolicy", "{}"))
            wanted = {"redrivePermission": "byQueue", "sourceQueueArns": [attributes["QueueArn"]]}
            report.same(f"{dead}: takes letters from {queue} alone", allowed, wanted)
        _task_events_policy(report)


def _attributes(report: Report, queue: str) -> dict[str, str]:
    sqs = report.stack.client("sqs")
    url = sqs.get_queue_url(QueueName=f"{report.stack.prefix}-{queue}")["QueueUrl"]
    return dict(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"])


def _queue(report: Report, queue: str) -> dict[str, str]:
    sqs, attributes = report.stack.client("sqs"), _attributes(report, queue)
    url = sqs.get_queue_url(QueueName=f"{report.stack.prefix}-{queue}")["QueueUrl"]
    report.tags(queue, sqs.list_queue_tags(QueueUrl=url).get("Tags", {}))
    report.same(f"{queue}: encrypted", attributes.get("SqsManagedSseEnabled"), "true")
    if queue.endswith(".fifo"):
        report.same(f"{queue}: FIFO", attributes.get("FifoQueue"), "true")
        report.same(f"{queue}: deduplicates per group", attributes.get("DeduplicationScope"), "messageGroup")
        report.same(f"{queue}: limits per group", attributes.get("FifoThroughputLimit"), "perMessageGroupId")
        report.same(f"{queue}: has no policy", attributes.get("Policy", ""), "")
    return attributes


def _task_events_policy(report: Report) -> None:
    stack, attributes = report.stack, _attributes(report, "task-events")
    policy = statements(attributes["Policy"])
    report.same("task-events: statements of the policy", len(policy), 1)
    report.same("task-events: who may send", as_list(policy[0]["Principal"].get("Service")), ["events.amazonaws.com"])
    report.same("task-events: what they may", as_list(policy[0]["Action"]), ["sqs:SendMessage"])
    sources = as_list(policy[0]["Condition"]["ArnEquals"]["aws:SourceArn"])
    rules = [stack.arn("events", f"rule/{stack.prefix}-{rule}") for rule in ("sweep", "task-stopped")]
    report.same("task-events: from which rules", sorted(sources), rules)


def check_registry(report: Report) -> None:
    """Check row 4."""
    ecr, name = report.stack.client("ecr"), f"{report.stack.prefix}-audio-clean"
    with report.row("4 registry"):
        repository = report.only(
            f"repository {name}", ecr.describe_repositories(repositoryNames=[name])["repositories"]
        )
        report.same("repository: tags of images", repository["imageTagMutability"], "IMMUTABLE")
        report.same("repository: scans on push", repository["imageScanningConfiguration"]["scanOnPush"], True)
        encryption = repository["encryptionConfiguration"]["encryptionType"]
        report.holds("repository: encrypted", encryption in ("AES256", "KMS"), f"its encryption is {encryption}")
        rules = document(ecr.get_lifecycle_policy(repositoryName=name)["lifecyclePolicyText"])["rules"]
        kept = [
            (rule["selection"]["tagStatus"], rule["selection"]["countType"], rule["selection"]["countNumber"])
            for rule in rules
        ]
        report.same("repository: keeps ten images", kept, [("any", "imageCountMoreThan", 10)])
        report.tags("repository", ecr.list_tags_for_resource(resourceArn=repository["repositoryArn"])["tags"])
        policy = _or_missing(lambda: ecr.get_repository_policy(repositoryName=name)["policyText"])
        report.same("repository: has no policy", policy, None)


def _or_missing(read: Any) -> Any:
    try:
        return read()
    except ClientError as error:
        if error.response["Error"]["Code"] in _MISSING:
            return None
        raise


def check_parameters(report: Report) -> None:
    """Check row 5; values are looked at and never printed."""
    stack, ssm = report.stack, report.stack.client("ssm")
    path = f"/{stack.project}/{stack.environment}"
    with report.row("5 parameters"):
        plain = ssm.get_parameters_by_path(Path=path, Recursive=True)["Parameters"]
        types = {item["Name"]: item["Type"] for item in plain}
        wanted = {f"{path}/supabase_url": "String", f"{path}/supabase_service_key": "SecureString"}
        report.same("parameters: names and types", types, wanted)
        clear = {
            item["Name"]: item["Value"]
            for item in ssm.get_parameters(Names=[*wanted], WithDecryption=True)["Parameters"]
        }
        url = clear.get(f"{path}/supabase_url", "")
        report.holds("supabase_url: is a URL", url.startswith(("https://", "http://")), "it does not begin with http")
        key = clear.get(f"{path}/supabase_service_key", "")
        # Every kind of key that Supabase issues is longer; a placeholder is not.
        report.between("supabase_service_key: characters", len(key), 30, 4096)
        stored = {item["Name"]: item["Value"] for item in plain}.get(f"{path}/supabase_service_key")
        report.holds(
            "supabase_service_key: is stored encrypted", key and stored != key, "it can be read without decryption"
        )
        for name in wanted:
            tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name)["TagList"]
            report.tags(name, tags)
