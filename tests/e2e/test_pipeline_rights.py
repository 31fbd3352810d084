"""The front end's key can do what a front end does, and nothing else: the embedded cloud asks IAM as AWS does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from botocore.exceptions import ClientError
from supabase import create_client

from tests.e2e.pipeline import CLUSTER, DEAD_LETTER_QUEUE, DERIVED, JOBS_QUEUE, RAW, Pipeline, new_id

Clients = Callable[[str], Any]


@pytest.fixture(scope="module")
def presigner(stack: Pipeline) -> Clients:
    """Return a function from a service to its client with the front end's key."""
    return lambda service: stack.aws(service, **stack.presigner)


@pytest.fixture(scope="module")
def stored(stack: Pipeline) -> str:
    """Put an object into both buckets; return its key."""
    key = f"uploads/{new_id('rights')}/talk.wav"
    stack.s3.put_object(Bucket=RAW, Key=key, Body=b"raw")
    stack.s3.put_object(Bucket=DERIVED, Key=key, Body=b"derived")
    return key


def _queue(stack: Pipeline, name: str) -> str:
    return str(stack.sqs.get_queue_url(QueueName=name)["QueueUrl"])


FORBIDDEN: dict[str, Callable[[Clients, Pipeline, str], object]] = {
    "read an upload": lambda to, _stack, key: to("s3").get_object(Bucket=RAW, Key=key),
    "upload elsewhere": lambda to, _stack, _key: to("s3").put_object(Bucket=RAW, Key="elsewhere/a.wav", Body=b"x"),
    "write a result": lambda to, _stack, _key: to("s3").put_object(Bucket=DERIVED, Key="derived/a", Body=b"x"),
    "delete an upload": lambda to, _stack, key: to("s3").delete_object(Bucket=RAW, Key=key),
    "delete a result": lambda to, _stack, key: to("s3").delete_object(Bucket=DERIVED, Key=key),
    "list uploads": lambda to, _stack, _key: to("s3").list_objects_v2(Bucket=RAW),
    "send a dead letter": lambda to, stack, _key: to("sqs").send_message(
        QueueUrl=_queue(stack, DEAD_LETTER_QUEUE), MessageBody="{}", MessageGroupId="g", MessageDeduplicationId="d"
    ),
    "send a task event": lambda to, stack, _key: to("sqs").send_message(
        QueueUrl=_queue(stack, "tamma-dev-task-events"), MessageBody='{"tamma": "sweep"}'
    ),
    "take a job": lambda to, stack, _key: to("sqs").receive_message(QueueUrl=_queue(stack, JOBS_QUEUE)),
    "start a task": lambda to, _stack, _key: to("ecs").run_task(
        cluster=CLUSTER, taskDefinition="tamma-dev-audio-clean"
    ),
    "read a secret": lambda to, _stack, _key: to("ssm").get_parameter(Name="/tamma/dev/supabase_service_key"),
    "make itself a key": lambda to, _stack, _key: to("iam").create_access_key(UserName="tamma-presign"),
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_front_end_cannot(stack: Pipeline, presigner: Clients, stored: str, what: str) -> None:
    with pytest.raises(ClientError) as refused:
        FORBIDDEN[what](presigner, stack, stored)
    assert refused.value.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "403"}
    assert stack.s3.get_object(Bucket=RAW, Key=stored)["Body"].read() == b"raw"
    assert stack.s3.get_object(Bucket=DERIVED, Key=stored)["Body"].read() == b"derived"


def test_presigned_addresses_reach_as_far_as_the_key(presigner: Clients, stored: str) -> None:
    s3 = presigner("s3")
    upload, elsewhere = (
        s3.generate_presigned_url("put_object", Params={"Bucket": RAW, "Key": key}) for key in (stored, "elsewhere/a")
    )
    result, raw = (
        s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": stored}) for bucket in (DERIVED, RAW)
    )
    assert httpx.put(upload, content=b"raw").status_code == 200
    assert httpx.put(elsewhere, content=b"x").status_code == 403
    assert httpx.get(result).content == b"derived"
    assert httpx.get(raw).status_code == 403
    # An address is good for its own object alone.
    assert httpx.get(result.replace("talk.wav", "other.wav")).status_code == 403


def test_jobs_are_hidden_from_strangers(stack: Pipeline) -> None:
    job_id = new_id("hidden")
    stack.table.table("jobs").insert({"job_id": job_id, "s3_key": "uploads/a.wav"}).execute()
    stranger = create_client(stack.cloud.supabase_url, stack.cloud.supabase_anon_key)
    assert stack.row(job_id)["status"] == "queued"
    answer = httpx.get(
        f"{stack.cloud.supabase_url}/rest/v1/jobs",
        headers={"apikey": stranger.supabase_key, "Authorization": f"Bearer {stranger.supabase_key}"},
    )
    assert job_id not in answer.text
    # Nobody may look at a queued job of a test again.
    stack.table.table("jobs").delete().eq("job_id", job_id).execute()
