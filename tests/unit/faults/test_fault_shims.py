"""The shims fail as the services do, as the clients that the system uses see it, and the same way in every run."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from typing import Any

import boto3
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError, IncompleteReadError
from moto.server import ThreadedMotoServer

from tests.faults.shims import ecs, s3, supabase
from tests.faults.shims.plan import CUT, HALF, LOST, TORN, Fault, Kind, Plan, Rule, refused, slow
from tests.unit.local.test_local_relay import upstream

BUCKET = "derived"
BIG = bytes(300_000)
_BROKEN_OFF = (ConnectionClosedError, HTTPClientError)


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def client(service: str, url: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, signature_version="v4", s3={"addressing_style": "path"})
    if service == "s3":
        config = config.merge(Config(signature_version="s3v4"))
    make: Any = boto3.client
    return make(
        service, endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b",
        config=config,
    )  # fmt: skip


def begun(*rules: Rule, seed: int = 1) -> Plan:
    plan = Plan(seed, rules)
    plan.begin()
    return plan


# The plan


def _fates(seed: int, calls: list[str]) -> dict[str, list[bool]]:
    plan = begun(Rule(CUT, 0.3), seed=seed)
    fates: dict[str, list[bool]] = {}
    for owner in calls:
        fates.setdefault(owner, []).append(plan.decide("RunTask", owner) is not None)
    return fates


def test_a_call_has_the_same_fate_whatever_comes_between() -> None:
    calls = [f"job-{number}/1" for number in range(400) for _ in range(5)]
    mixed = random.Random(3).sample(calls, len(calls))  # noqa: S311
    fates = _fates(7, calls)
    assert _fates(7, mixed) == fates
    assert _fates(8, calls) != fates
    hits = [hit for fate in fates.values() for hit in fate]
    assert 0.25 < sum(hits) / len(hits) < 0.35
    # Trying again is another call: nobody fails for ever.
    assert all(not all(fate) for fate in fates.values() if len(fate) == 5) or sum(map(all, fates.values())) < 5


def test_rules_hold_in_their_time_and_for_their_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    plan = Plan(1, [Rule(CUT, end=10), Rule(LOST, calls="*Part", start=10, end=20)])
    assert plan.decide("UploadPart", "x") is None
    plan.begin()
    assert plan.decide("GetObject", "x") == CUT
    assert plan.ends_in() == 20
    now = 115.0
    assert plan.decide("GetObject", "x") is None
    assert plan.decide("UploadPart", "x") == LOST
    now = 121.0
    assert plan.decide("UploadPart", "x") is None
    assert plan.ends_in() == 0
    assert plan.met == {"GetObject: cut": 1, "UploadPart: lost": 1}
    assert plan.passed == {"UploadPart": 2, "GetObject": 1}


# ECS

ASKED = {
    "taskDefinition": "t",
    "overrides": {"containerOverrides": [{"name": "worker", "environment": [
        {"name": "JOB_ID", "value": "job-1"}, {"name": "ATTEMPT", "value": "2"}]}]},
}  # fmt: skip


@pytest.mark.parametrize("fault", [ecs.NO_CAPACITY, ecs.NO_INTERFACES, ecs.NO_MEMORY, ecs.NO_AGENT])
def test_run_task_without_capacity_is_a_success_with_failures(fault: Fault) -> None:
    came: list[dict[str, Any]] = []
    with upstream(came) as url, ecs.FaultyEcs(url, begun(Rule(fault))) as relay:
        answer = client("ecs", relay.url).run_task(**ASKED)
    assert (answer["tasks"], answer["failures"]) == ([], [{"reason": fault.code}])
    assert came == []


@pytest.mark.parametrize("fault", [ecs.THROTTLED, ecs.BROKEN])
def test_run_task_is_refused_in_the_words_of_ecs(fault: Fault) -> None:
    with (
        upstream([]) as url,
        ecs.FaultyEcs(url, begun(Rule(fault))) as relay,
        pytest.raises(ClientError) as refusal,
    ):
        client("ecs", relay.url).run_task(**ASKED)
    answer = refusal.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (fault.status, fault.code)


def test_a_lost_run_task_was_carried_out_and_other_calls_pass() -> None:
    came: list[dict[str, Any]] = []
    with upstream(came) as url, ecs.FaultyEcs(url, begun(Rule(LOST))) as relay:
        with pytest.raises(_BROKEN_OFF):
            client("ecs", relay.url).run_task(**ASKED)
        client("ecs", relay.url).list_clusters()
        assert relay.plan.met == {"RunTask: lost": 1}
        assert len(came) == 2


# S3


@pytest.fixture
def bucket(moto: str) -> Iterator[Any]:
    direct = client("s3", moto)
    direct.create_bucket(Bucket=BUCKET)
    yield direct
    for item in direct.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        direct.delete_object(Bucket=BUCKET, Key=item["Key"])
    for upload in direct.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []):
        direct.abort_multipart_upload(Bucket=BUCKET, Key=upload["Key"], UploadId=upload["UploadId"])
    direct.delete_bucket(Bucket=BUCKET)


def keys(bucket: Any) -> list[str]:
    return [item["Key"] for item in bucket.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.mark.parametrize("fault", [s3.BROKEN, s3.BUSY])
def test_s3_refuses_in_its_own_words(bucket: Any, moto: str, fault: Fault) -> None:
    with s3.FaultyS3(moto, begun(Rule(fault))) as relay:
        with pytest.raises(ClientError) as refusal:
            client("s3", relay.url).get_object(Bucket=BUCKET, Key="a/b")
        client("s3", relay.url).list_objects_v2(Bucket=BUCKET)  # about no object: passes
    answer = refusal.value.response
    assert (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]) == (fault.status, fault.code)


def test_the_size_of_an_object_passes(bucket: Any, moto: str) -> None:
    bucket.put_object(Bucket=BUCKET, Key="a", Body=BIG)
    with s3.FaultyS3(moto, begun()) as relay:
        assert client("s3", relay.url).head_object(Bucket=BUCKET, Key="a")["ContentLength"] == len(BIG)


def test_a_get_breaks_in_the_middle_of_its_body(bucket: Any, moto: str) -> None:
    bucket.put_object(Bucket=BUCKET, Key="a", Body=BIG)
    with s3.FaultyS3(moto, begun(Rule(HALF, calls="GetObject"))) as relay:
        answer = client("s3", relay.url).get_object(Bucket=BUCKET, Key="a")
        assert answer["ContentLength"] == len(BIG)
        with pytest.raises((HTTPClientError, IncompleteReadError), match=str(len(BIG) // 2)):
            answer["Body"].read()


@pytest.mark.parametrize(("fault", "stored"), [(CUT, []), (TORN, []), (LOST, ["a"])])
def test_a_put_breaks_before_or_after_it_reached_s3(bucket: Any, moto: str, fault: Fault, stored: list[str]) -> None:
    with s3.FaultyS3(moto, begun(Rule(fault, calls="PutObject"))) as relay, pytest.raises(_BROKEN_OFF):
        client("s3", relay.url).put_object(Bucket=BUCKET, Key="a", Body=BIG)
    assert keys(bucket) == stored


def test_each_step_of_a_multipart_upload_can_be_spoiled(bucket: Any, moto: str) -> None:
    with s3.FaultyS3(moto, begun(Rule(TORN, calls="UploadPart"), Rule(LOST, calls="CompleteMultipartUpload"))) as relay:
        through = client("s3", relay.url)
        upload = {
            "Bucket": BUCKET,
            "Key": "a",
            "UploadId": through.create_multipart_upload(Bucket=BUCKET, Key="a")["UploadId"],
        }
        with pytest.raises(_BROKEN_OFF):
            through.upload_part(**upload, PartNumber=1, Body=BIG)
        etag = bucket.upload_part(**upload, PartNumber=1, Body=BIG)["ETag"]
        with pytest.raises(_BROKEN_OFF):
            through.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": etag}]})
        assert relay.plan.passed == {"CreateMultipartUpload": 1}
    assert keys(bucket) == ["a"]


def test_a_conditional_put_whose_answer_is_lost_finds_its_own_object(bucket: Any, moto: str) -> None:
    with s3.FaultyS3(moto, begun(Rule(LOST, calls="PutObject", end=0.5))) as relay:
        through = client("s3", relay.url)
        with pytest.raises(_BROKEN_OFF):
            through.put_object(Bucket=BUCKET, Key="m", Body=b"{}", IfNoneMatch="*")
        time.sleep(0.5)  # until the rule has ended; there is nothing else to wait for
        with pytest.raises(ClientError, match="PreconditionFailed"):
            through.put_object(Bucket=BUCKET, Key="m", Body=b"{}", IfNoneMatch="*")


# Supabase


def call(url: str, timeout: float = 10) -> httpx.Response:
    told = {"p_job_id": "job-1", "p_attempt": 1}
    with httpx.Client() as http:  # a connection of its own
        return http.post(f"{url}/rest/v1/rpc/claim_job", json=told, timeout=timeout)


def test_supabase_is_a_page_of_a_proxy_when_it_is_broken() -> None:
    with upstream([]) as url, supabase.FaultySupabase(url, begun(Rule(supabase.BAD_GATEWAY))) as relay:
        answer = call(relay.url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html; charset=utf-8")
    assert "<html>" in answer.text


def test_supabase_that_is_down_refuses_connections_until_it_is_back() -> None:
    with upstream([]) as url, supabase.FaultySupabase(url, begun()) as relay, httpx.Client() as kept:
        assert kept.get(f"{relay.url}/rest/v1/jobs").status_code == 200
        relay.refuse_connections()
        with pytest.raises(httpx.ConnectError):
            call(relay.url)
        with pytest.raises(httpx.TransportError):
            kept.get(f"{relay.url}/rest/v1/jobs")
        relay.accept_connections()
        assert call(relay.url).status_code == 200


@pytest.mark.parametrize(("fault", "arrived"), [(CUT, 0), (LOST, 1)])
def test_supabase_breaks_off_before_or_after_the_transition(fault: Fault, arrived: int) -> None:
    came: list[dict[str, Any]] = []
    with upstream(came) as url, supabase.FaultySupabase(url, begun(Rule(fault))) as relay:
        with pytest.raises(httpx.TransportError):
            call(relay.url)
        assert relay.plan.met == {f"claim_job: {fault}": 1}
    assert len(came) == arrived


def test_supabase_that_is_slow_answers_those_who_wait() -> None:
    with upstream([]) as url, supabase.FaultySupabase(url, begun(Rule(slow(0.5)))) as relay:
        with pytest.raises(httpx.ReadTimeout):
            call(relay.url, timeout=0.1)
        assert call(relay.url).status_code == 200


def test_faults_are_named_in_reports() -> None:
    assert str(refused(503, "SlowDown")) == "refused 503 SlowDown"
    assert str(Fault(Kind.SLOW, seconds=2)) == "slow 2"
