"""Requests of every protocol of AWS are named as botocore names them, and reads are told from writes."""

from __future__ import annotations

import io
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config

from benchmarks.converge.calls import Call, classify

QUEUE = "https://sqs.us-east-1.amazonaws.com/000000000000/q"
TOPIC = "arn:aws:sns:us-east-1:000000000000:t"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"


class Heard(Exception):  # noqa: N818 - not an error
    """Carries a request out of the client that was about to send it."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        self.request = request


def heard(service: str, method: str, **parameters: Any) -> Call:
    """Return what is made of the request that boto3 sends for a method."""
    make: Any = boto3.client
    keys = {"aws_access_key_id": "AKID", "aws_secret_access_key": "x"}
    config = Config(signature_version="s3v4" if service == "s3" else "v4")
    client = make(service, region_name="us-east-1", endpoint_url="http://127.0.0.1:1", config=config, **keys)

    def catch(request: AWSPreparedRequest, **_: Any) -> AWSResponse | None:
        raise Heard(request)

    client.meta.events.register("before-send", catch)
    with pytest.raises(Heard) as caught:
        getattr(client, method)(**parameters)
    request = caught.value.request
    headers = {name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()}
    path = request.url.removeprefix("http://127.0.0.1:1") or "/"
    body = request.body or b""
    content = body.read() if isinstance(body, io.IOBase) else body.encode() if isinstance(body, str) else body
    return classify(request.method, path, headers["Authorization"], headers.get("X-Amz-Target", ""), content)


@pytest.mark.parametrize(("service", "method", "parameters", "operation", "reads"), [
    ("sqs", "get_queue_attributes", {"QueueUrl": QUEUE}, "GetQueueAttributes", True),
    ("ssm", "put_parameter", {"Name": "a", "Value": "Action=x"}, "PutParameter", False),
    ("ec2", "describe_vpcs", {}, "DescribeVpcs", True),
    ("ec2", "create_vpc", {"CidrBlock": "10.0.0.0/16"}, "CreateVpc", False),
    ("iam", "list_roles", {}, "ListRoles", True),
    ("sns", "get_topic_attributes", {"TopicArn": TOPIC}, "GetTopicAttributes", True),
    ("cloudwatch", "describe_alarms", {}, "DescribeAlarms", True),
    ("ecr", "batch_get_image", {"repositoryName": "rr", "imageIds": [{"imageTag": "t"}]}, "BatchGetImage", True),
    ("lambda", "get_function", {"FunctionName": "f"}, "GetFunction", True),
    ("lambda", "list_layer_versions", {"LayerName": "l"}, "ListLayerVersions", True),
    ("lambda", "list_tags", {"Resource": FUNCTION}, "ListTags", True),
    ("lambda", "create_event_source_mapping", {"FunctionName": "f"}, "CreateEventSourceMapping", False),
    ("lambda", "update_function_code", {"FunctionName": "f"}, "UpdateFunctionCode", False),
    ("s3", "head_bucket", {"Bucket": "b"}, "HeadBucket", True),
    ("s3", "create_bucket", {"Bucket": "b"}, "CreateBucket", False),
    ("s3", "get_bucket_policy", {"Bucket": "b"}, "GetBucketPolicy", True),
    ("s3", "get_bucket_lifecycle_configuration", {"Bucket": "b"}, "GetBucketLifecycleConfiguration", True),
    ("s3", "get_public_access_block", {"Bucket": "b"}, "GetPublicAccessBlock", True),
    ("s3", "delete_bucket_cors", {"Bucket": "b"}, "DeleteBucketCors", False),
])  # fmt: skip
def test_requests_of_boto3_are_recognised(
    service: str, method: str, parameters: dict[str, Any], operation: str, reads: bool
) -> None:
    call = heard(service, method, **parameters)
    assert (call, call.reads) == (Call(service, operation), reads)


def test_objects_are_told_apart_by_the_query_that_an_operation_needs() -> None:
    scope = "AWS4-HMAC-SHA256 Credential=AKID/20261125/us-east-1/s3/aws4_request, SignedHeaders=host"
    assert classify("DELETE", "/b/a/key", scope, "", b"") == Call("s3", "DeleteObject")
    assert classify("DELETE", "/b/a/key?uploadId=1", scope, "", b"") == Call("s3", "AbortMultipartUpload")


def test_go_clients_mark_the_operation_in_the_query() -> None:
    scope = "AWS4-HMAC-SHA256 Credential=AKID/20261125/us-east-1/s3/aws4_request, SignedHeaders=host"
    assert classify("GET", "/b/a%2Fkey?x-id=GetObject", scope, "", b"") == Call("s3", "GetObject")


def test_what_is_not_recognised_counts_as_a_write() -> None:
    call = classify("GET", "/health", "", "", b"")
    assert call == Call("?", "?")
    assert not call.reads
