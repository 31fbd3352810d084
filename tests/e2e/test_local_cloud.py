# ruff: noqa: S310, S608 - addresses and names of tables are made in this file
"""The embedded cloud as its users meet it: tasks, functions, events, presigned addresses and Supabase."""

from __future__ import annotations

import io
import json
import subprocess
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
from botocore.exceptions import ClientError
from supabase import ClientOptions, create_client
from tamma_local.bundle import make
from tamma_local.cloud import Cloud

from tests.conftest import local_cloud
from tests.e2e.local_stack import Client, Stack, make_worker, policy, until


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_worker(tmp_path_factory.mktemp("worker"))


@pytest.fixture(scope="module")
def stack(cloud: Cloud, aws: Client, worker: Path) -> Stack:
    return Stack(cloud, aws, worker)


def test_pushed_image_has_the_digest_of_its_input_and_a_fixed_tag_is_not_moved(stack: Stack, worker: Path) -> None:
    assert stack.pushed.stdout.strip() == f"{stack.name}@{make(worker).digest}"
    images = stack.aws("ecr").batch_get_image(repositoryName=stack.name, imageIds=[{"imageTag": "one"}])["images"]
    assert images[0]["imageId"]["imageDigest"] == make(worker).digest


def test_task_runs_with_its_environment_alone_and_its_output_is_in_the_log(stack: Stack, cloud: Cloud) -> None:
    arn = stack.run("print")
    task = stack.reach(arn, "STOPPED")
    assert (task["stopCode"], task["containers"][0]["exitCode"]) == ("EssentialContainerExited", 0)
    lines = stack.log(arn, "to stderr")
    values = json.loads(next(line for line in lines if line.startswith("{")))
    assert values["SECRET"] == "p ä'ss"
    assert values["AWS_ENDPOINT_URL"] == cloud.aws_endpoint_url
    assert values["ECS_CONTAINER_METADATA_URI_V4"].startswith(f"{cloud.aws_endpoint_url}/v4/")
    assert values["AWS_ACCESS_KEY_ID"] != cloud.access_key_id
    assert values["PYTHONPATH"].endswith("/app/src")
    # What the test machine has and the container was not given.
    assert not {"TAMMA_LOCAL_DIR", "USER", "VIRTUAL_ENV", "PWD"} & set(values)
    assert cloud.supabase_service_key not in json.dumps(values)


def test_events_have_the_shape_of_ecs(stack: Stack) -> None:
    arn = stack.run("exit66")
    stack.reach(arn, "STOPPED")
    details = stack.events(arn)
    assert [detail["lastStatus"] for detail in details] == ["PENDING", "RUNNING", "STOPPED"]
    last = details[-1]
    assert last["taskArn"] == arn
    assert last["clusterArn"].endswith(f":cluster/{stack.name}")
    assert last["taskDefinitionArn"].endswith(f":task-definition/{stack.name}:1")
    assert last["desiredStatus"] == "STOPPED"
    assert (last["startedBy"], last["group"], last["launchType"]) == ("a-test", f"family:{stack.name}", "FARGATE")
    assert (last["stopCode"], last["stoppedReason"]) == ("EssentialContainerExited", "Essential container exited")
    assert last["containers"][0]["name"] == "worker"
    assert last["containers"][0]["exitCode"] == 66
    assert last["overrides"]["containerOverrides"][0]["name"] == "worker"
    assert {"createdAt", "startedAt", "stoppedAt", "updatedAt", "version", "cpu", "memory"} <= set(last)
    assert "tags" not in last
    assert not [key for key in last if key.startswith("_")]
    versions = [detail["version"] for detail in details]
    assert versions == sorted(set(versions))


def test_task_role_is_enforced(stack: Stack) -> None:
    arn = stack.run("put")
    task = stack.reach(arn, "STOPPED")
    role, task_id = stack.role.rsplit("/", 1)[-1], arn.rsplit("/", 1)[-1]
    assert task["containers"][0]["exitCode"] == 0, stack.log(arn, "")
    assert stack.log(arn, "AccessDenied") == [f"AccessDenied arn:aws:sts::000000000000:assumed-role/{role}/{task_id}"]
    keys = [item["Key"] for item in stack.aws("s3").list_objects_v2(Bucket=stack.bucket)["Contents"]]
    assert keys == ["allowed/a"]


@pytest.mark.parametrize(("do", "code", "reason", "stop_code"), [
    ("polite", 143, "no longer needed", "UserInitiated"),
    ("stubborn", 137, "no longer needed", "UserInitiated"),
    ("polite", 143, "Your Spot Task was interrupted.", "SpotInterruption"),
])  # fmt: skip
def test_stop_is_sigterm_then_sigkill(stack: Stack, do: str, code: int, reason: str, stop_code: str) -> None:
    arn = stack.run(do)
    stack.log(arn, "waiting")
    stack.reach(arn, "RUNNING")
    began = time.monotonic()
    answer = stack.ecs.stop_task(cluster=stack.name, task=arn, reason=reason)["task"]
    assert answer["desiredStatus"] == "STOPPED"
    task = stack.reach(arn, "STOPPED")
    assert (task["containers"][0]["exitCode"], task["stopCode"], task["stoppedReason"]) == (code, stop_code, reason)
    assert (time.monotonic() - began > 2) == (do == "stubborn")
    if do == "polite":
        assert "asked to stop" in stack.log(arn, "asked to stop")
    details = stack.events(arn)
    states = [(detail["lastStatus"], detail["desiredStatus"]) for detail in details]
    assert states[-2:] == [("RUNNING", "STOPPED"), ("STOPPED", "STOPPED")]
    assert details[-1]["stopCode"] == stop_code


def test_signal_that_ends_a_task_is_its_exit_code(stack: Stack) -> None:
    task = stack.reach(stack.run("die"), "STOPPED")
    assert task["containers"][0]["exitCode"] == 128 + 11


def test_same_client_token_is_the_same_task(stack: Stack) -> None:
    token = uuid.uuid4().hex
    first = stack.run("print", clientToken=token)
    assert stack.run("print", clientToken=token) == first
    assert stack.run("print", clientToken=uuid.uuid4().hex) != first
    with pytest.raises(ClientError) as refused:
        stack.run("exit1", clientToken=token)
    assert refused.value.response["Error"]["Code"] == "ConflictException"


def test_unknown_cluster_is_refused_and_not_created(stack: Stack) -> None:
    with pytest.raises(ClientError) as refused:
        stack.ecs.run_task(cluster="nowhere", taskDefinition=stack.name)
    assert refused.value.response["Error"]["Code"] == "ClusterNotFoundException"
    assert not [arn for arn in stack.ecs.list_clusters()["clusterArns"] if arn.endswith("/nowhere")]


def test_image_that_cannot_be_pulled_fails_the_start(stack: Stack) -> None:
    arn = stack.run("print", definition=stack.define(stack.image.replace(":one", ":two")))
    task = stack.reach(arn, "STOPPED")
    assert task["stopCode"] == "TaskFailedToStart"
    assert task["stoppedReason"].startswith("CannotPullContainerError: manifest for")
    assert stack.image.replace(":one", ":two") in task["stoppedReason"]
    assert "exitCode" not in task["containers"][0]
    assert stack.events(arn)[-1]["stopCode"] == "TaskFailedToStart"


def test_fifo_queue_feeds_a_function_under_its_role(stack: Stack, aws: Client) -> None:
    source = """
import boto3, os
def handler(event, context):
    ids = [record["body"] for record in event["Records"]]
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET"], Key="allowed/" + ids[0], Body=b"")
    failed = [record for record in event["Records"] if record["body"].startswith("bad")]
    return {"batchItemFailures": [{"itemIdentifier": record["messageId"]} for record in failed]}
"""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", source)
    dead = stack.make_queue("dead.fifo", FifoQueue="true")
    queue = stack.make_queue(
        "jobs.fifo", FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout="1",
        RedrivePolicy=json.dumps({"deadLetterTargetArn": stack.arn(dead), "maxReceiveCount": 1}),
    )  # fmt: skip
    actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "s3:PutObject"]
    role = stack.make_role("lambda.amazonaws.com", actions, "*")
    aws("lambda").create_function(
        FunctionName=stack.name, Runtime="python3.13", Handler="app.handler", Role=role, Timeout=10,
        Code={"ZipFile": archive.getvalue()}, Environment={"Variables": {"BUCKET": stack.bucket}},
    )  # fmt: skip
    aws("lambda").create_event_source_mapping(
        FunctionName=stack.name, EventSourceArn=stack.arn(queue), FunctionResponseTypes=["ReportBatchItemFailures"]
    )
    for body in ("good", "bad"):
        aws("sqs").send_message(QueueUrl=queue, MessageBody=body, MessageGroupId=body)
    s3 = aws("s3")
    until("the function's object", lambda: s3.list_objects_v2(Bucket=stack.bucket, Prefix="allowed/good")["KeyCount"])
    message = until("the dead letter", lambda: aws("sqs").receive_message(QueueUrl=dead).get("Messages"))
    assert [each["Body"] for each in message] == ["bad"]


def test_presigned_addresses_are_checked_with_the_users_own_key(stack: Stack, aws: Client) -> None:
    iam = aws("iam")
    iam.create_user(UserName=stack.name)
    statement = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{stack.bucket}/uploads/*"}
    iam.put_user_policy(UserName=stack.name, PolicyName="only", PolicyDocument=policy(statement))
    key = iam.create_access_key(UserName=stack.name)["AccessKey"]
    own = aws("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"])
    forged = aws("s3", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key="not the secret")

    def put(client: Any, name: str) -> int:
        url = client.generate_presigned_url("put_object", Params={"Bucket": stack.bucket, "Key": name})
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data=b"sound", method="PUT")) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            return error.code

    assert put(own, "uploads/a b.wav") == 200
    assert put(own, "elsewhere/a.wav") == 403
    assert put(forged, "uploads/b.wav") == 403
    assert aws("s3").get_object(Bucket=stack.bucket, Key="uploads/a b.wav")["Body"].read() == b"sound"


@pytest.fixture
def notes(cloud: Cloud) -> Iterator[str]:
    """A table with one row of each of two users, that PostgREST has learnt of."""
    table = f"notes_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(cloud.database_url, autocommit=True) as connection:
        connection.execute(f"""
            create table public.{table} (id int primary key, owner uuid, text text);
            alter table public.{table} enable row level security;
            create policy own on public.{table} for select to authenticated using (owner = auth.uid());
            insert into public.{table} values
                (1, '00000000-0000-0000-0000-000000000001', 'of one'),
                (2, '00000000-0000-0000-0000-000000000002', 'of two');
            notify pgrst, 'reload schema';
        """)  # fmt: skip
        yield table
        connection.execute(f"drop table public.{table}; notify pgrst, 'reload schema'")


def test_supabase_client_with_service_key_and_under_row_level_security(cloud: Cloud, notes: str) -> None:
    service = create_client(cloud.supabase_url, cloud.supabase_service_key)
    seen = until("the new table", lambda: _rows(service, notes))
    assert [row["text"] for row in seen] == ["of one", "of two"]
    assert until("the update", lambda: _rewritten(service, notes)) == ["ä" * 200_000]
    user = {"sub": "00000000-0000-0000-0000-000000000001", "role": "authenticated", "aud": "authenticated"}
    token = jwt.encode(user | {"exp": int(time.time()) + 60}, cloud.supabase_jwt_secret, algorithm="HS256")
    options = ClientOptions(headers={"Authorization": f"Bearer {token}"})
    signed_in = create_client(cloud.supabase_url, cloud.supabase_anon_key, options)
    assert [row["text"] for row in _rows(signed_in, notes) or []] == ["ä" * 200_000]
    assert _rows(create_client(cloud.supabase_url, cloud.supabase_anon_key), notes) == []


def _rows(client: Any, table: str) -> list[dict[str, Any]] | None:
    from postgrest.exceptions import APIError

    try:
        return list(client.table(table).select("*").order("id").execute().data)
    except APIError as error:
        # The schema is read again a moment after it has changed.
        if error.code in {"PGRST205", "42P01"} or "schema cache" in str(error.message):
            return None
        raise


def _rewritten(client: Any, table: str) -> list[str]:
    from postgrest.exceptions import APIError

    try:
        rows = client.table(table).update({"text": "ä" * 200_000}).eq("id", 1).execute().data
    except APIError as error:
        # Reading needs no schema cache, writing does: until it is renewed PostgREST answers 404 with "{}".
        if error.code is error.message is None:
            return []
        raise
    return [str(row["text"]) for row in rows]


@pytest.mark.parametrize(("path", "api_key", "status", "text"), [
    ("/rest/v1/jobs", None, 401, "No API key"),
    ("/rest/v1/jobs", "wrong", 401, "Invalid API key"),
    ("/auth/v1/token", "right", 404, "does not have"),
    ("/rest/v1/no_such_table", "right", 404, "no_such_table"),
])  # fmt: skip
def test_gateway_refuses_in_words(cloud: Cloud, path: str, api_key: str | None, status: int, text: str) -> None:
    headers = {} if api_key is None else {"apikey": cloud.supabase_service_key if api_key == "right" else api_key}
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{cloud.supabase_url}{path}", headers=headers))
    assert refused.value.code == status
    assert text in json.loads(refused.value.read())["message"]


def test_nothing_listens_beyond_loopback_and_no_secret_is_in_a_command_line(cloud: Cloud) -> None:
    secrets = [cloud.secret_access_key, cloud.supabase_jwt_secret, cloud.supabase_service_key]
    secrets.append(str(psycopg.conninfo.conninfo_to_dict(cloud.database_url)["password"]))
    family = _descendants(cloud.pid)
    assert len(family) >= 4
    for pid in family:
        argv = Path(f"/proc/{pid}/cmdline").read_text()
        assert not [secret for secret in secrets if secret in argv]
    inodes = {link.readlink().name for pid in family for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            columns = line.split()
            listening = columns[3] == "0A"
            if listening and f"socket:[{columns[9]}]" in inodes:
                assert columns[1].startswith("0100007F:"), line


def _descendants(pid: int) -> list[int]:
    """Return the living processes below a process, itself included."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] != "Z":
            parents[int(stat.parent.name)] = int(fields[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def test_up_again_says_that_it_runs_and_env_is_quoted_for_a_shell(cloud: Cloud, cloud_state: Path) -> None:
    again = local_cloud(cloud_state, "up")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("The embedded cloud is running already.")
    shown = subprocess.run(
        ["/bin/sh", "-c", f'{local_cloud(cloud_state, "env").stdout}\nprintf %s "$AWS_SECRET_ACCESS_KEY"'],
        text=True, capture_output=True, check=True,
    )  # fmt: skip
    assert shown.stdout == cloud.secret_access_key
