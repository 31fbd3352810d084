"""Row 6, tried out: what the user that signs uploads can do with a key, call by call.

A key of our own is made for the minute that this takes, and removed with everything that was written. Nothing is put
into a queue: a message without a group is refused as incomplete, but only to somebody who may send.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from stack_checks.report import Report, Stack

_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "403", "Forbidden"}
# Seconds until a new key is known everywhere: IAM on AWS is eventually consistent, usually within ten.
_KEY_TIMEOUT = 60.0


def check(report: Report) -> None:
    """Check what the user can do by doing it."""
    stack = report.stack
    with report.row(f"6 rights of {stack.presign_user}, tried out"), _key(stack) as session, _objects(stack) as name:
        _calls(report, session, name)
        _links(report, session, name)


def _calls(report: Report, session: boto3.Session, name: str) -> None:
    stack = report.stack
    raw, derived = stack.bucket("raw"), stack.bucket("derived")
    s3, sqs = _client(session, "s3"), _client(session, "sqs")
    urls = {queue: _url(stack, queue) for queue in ("jobs.fifo", "jobs-dlq.fifo", "task-events")}
    upload, result = f"uploads/{name}", f"derived/{name}"
    secret = f"/{stack.project}/{stack.environment}/supabase_service_key"
    allowed: dict[str, Callable[[], Any]] = {
        "PutObject raw uploads/": lambda: s3.put_object(Bucket=raw, Key=upload, Body=b"x"),
        "GetObject derived": lambda: s3.get_object(Bucket=derived, Key=result),
        "SendMessage jobs": lambda: sqs.send_message(QueueUrl=urls["jobs.fifo"], MessageBody="x"),
    }
    denied: dict[str, Callable[[], Any]] = {
        "PutObject raw other/": lambda: s3.put_object(Bucket=raw, Key=f"other/{name}", Body=b"x"),
        "PutObject raw at the top": lambda: s3.put_object(Bucket=raw, Key=name, Body=b"x"),
        "PutObject derived": lambda: s3.put_object(Bucket=derived, Key=f"uploads/{name}", Body=b"x"),
        "GetObject raw": lambda: s3.get_object(Bucket=raw, Key=upload),
        "HeadObject raw": lambda: s3.head_object(Bucket=raw, Key=upload),
        "DeleteObject raw": lambda: s3.delete_object(Bucket=raw, Key=upload),
        "DeleteObject derived": lambda: s3.delete_object(Bucket=derived, Key=result),
        "ListBucket raw": lambda: s3.list_objects_v2(Bucket=raw),
        "ListBucket derived": lambda: s3.list_objects_v2(Bucket=derived),
        "ListBuckets": s3.list_buckets,
        "PutObjectAcl raw": lambda: s3.put_object_acl(Bucket=raw, Key=upload, ACL="private"),
        "SendMessage jobs-dlq": lambda: sqs.send_message(QueueUrl=urls["jobs-dlq.fifo"], MessageBody="x"),
        "SendMessage task-events": lambda: sqs.send_message(QueueUrl=urls["task-events"], MessageBody=""),
        "ReceiveMessage jobs": lambda: sqs.receive_message(QueueUrl=urls["jobs.fifo"], VisibilityTimeout=0),
        "GetQueueAttributes jobs": lambda: sqs.get_queue_attributes(QueueUrl=urls["jobs.fifo"]),
        "GetParameter service key": lambda: _client(session, "ssm").get_parameter(Name=secret, WithDecryption=True),
        "ListUsers": _client(session, "iam").list_users,
        "ListClusters": _client(session, "ecs").list_clusters,
        "ListFunctions": _client(session, "lambda").list_functions,
        "DescribeVpcs": _client(session, "ec2").describe_vpcs,
    }
    for call, act in allowed.items():
        report.holds(f"{call} is allowed", not _is_denied(act), "it is denied")
    for call, act in denied.items():
        report.holds(f"{call} is denied", _is_denied(act), "it is allowed")


def _links(report: Report, session: boto3.Session, name: str) -> None:
    """Check presigned URLs the way a browser uses them."""
    stack, s3 = report.stack, _client(session, "s3")

    def link(method: str, kind: str, key: str) -> str:
        operation = {"GET": "get_object", "PUT": "put_object"}[method]
        parameters = {"Bucket": stack.bucket(kind), "Key": key}
        return str(s3.generate_presigned_url(operation, Params=parameters, ExpiresIn=60))

    upload = link("PUT", "raw", f"uploads/{name}")
    report.same("presigned PUT to uploads/", _status("PUT", upload), 200)
    report.same("presigned PUT elsewhere", _status("PUT", link("PUT", "raw", f"other/{name}")), 403)
    report.same("presigned PUT to another key", _status("PUT", upload.replace(name, f"{name}-2")), 403)
    report.same("presigned GET of a result", _status("GET", link("GET", "derived", f"derived/{name}")), 200)
    report.same("presigned GET of a recording", _status("GET", link("GET", "raw", f"uploads/{name}")), 403)


def _status(method: str, url: str) -> int:
    data = b"x" if method == "PUT" else None
    request = Request(url, data=data, method=method)  # noqa: S310 - the URL was signed for the environment's endpoint
    if data:
        # urllib would add a type of its own, which was not signed.
        request.add_header("Content-Type", "")
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return int(answer.status)
    except HTTPError as error:
        with error:
            return int(error.code)


def _is_denied(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] in _DENIED
    return False


def _url(stack: Stack, queue: str) -> str:
    return str(stack.client("sqs").get_queue_url(QueueName=f"{stack.prefix}-{queue}")["QueueUrl"])


def _client(session: boto3.Session, service: str) -> Any:
    connect: Any = session.client  # typed by service name literals; here the name is a variable
    # Without validation here, an incomplete message reaches the service, which decides about rights first.
    signature = "s3v4" if service == "s3" else None
    return connect(service, config=Config(signature_version=signature, parameter_validation=False))


@contextmanager
def _key(stack: Stack) -> Iterator[boto3.Session]:
    """Give the user an access key until the block ends."""
    iam, user = stack.client("iam"), stack.presign_user
    key = iam.create_access_key(UserName=user)["AccessKey"]
    try:
        session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=stack.region)
        _wait_until_known(session)
        yield session
    finally:
        iam.delete_access_key(UserName=user, AccessKeyId=key["AccessKeyId"])


def _wait_until_known(session: boto3.Session) -> None:
    deadline = time.monotonic() + _KEY_TIMEOUT
    while True:
        try:
            _client(session, "sts").get_caller_identity()
        except ClientError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)  # nothing announces that a key is known
        else:
            return


@contextmanager
def _objects(stack: Stack) -> Iterator[str]:
    """Put a result where the user may read it; what was written anywhere is removed when the block ends."""
    s3, name = stack.client("s3"), f"verify-{uuid.uuid4().hex}"
    s3.put_object(Bucket=stack.bucket("derived"), Key=f"derived/{name}", Body=b"x")
    try:
        yield name
    finally:
        # Places where only a mistake would have let something be written are cleared too.
        for kind in ("raw", "derived"):
            for folder in ("uploads/", "other/", "derived/", ""):
                for key in (f"{folder}{name}", f"{folder}{name}-2"):
                    s3.delete_object(Bucket=stack.bucket(kind), Key=key)
