"""The embedded cloud's own life: what survives a stop, and what is left after every kind of end (nothing)."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psycopg
import pytest
from supabase import create_client
from tamma_local.cloud import Cloud, running_cloud, supervisor_pid
from tamma_local.layout import REPOSITORY, Layout

from tests.conftest import aws_client, local_cloud
from tests.e2e.local_stack import Stack, make_worker, until


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "state"
    local_cloud(tmp_path / "state", "down")


def up(state: Path) -> Cloud:
    started = local_cloud(state, "up", TAMMA_TASK_ENGINE="process")
    assert started.returncode == 0, started.stdout + started.stderr
    cloud = running_cloud(Layout(state))
    assert cloud is not None
    return cloud


def left(state: Path) -> list[str]:
    """Return the living processes that have to do with a state folder: by command line, environment or open files."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if folder.name == str(os.getpid()):
            continue
        try:
            told = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes()
            files = {str(link.readlink()) for link in (folder / "fd").iterdir()}
        except OSError:
            continue
        if str(state).encode() in told or any(name.startswith(str(state)) for name in files):
            found.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


def test_state_survives_a_stop(state: Path) -> None:
    cloud = up(state)
    aws_client(cloud, "s3").create_bucket(Bucket="kept")
    aws_client(cloud, "s3").put_object(Bucket="kept", Key="a/b.bin", Body=b"\0" * 100_000)
    sqs = aws_client(cloud, "sqs")
    queue = sqs.create_queue(QueueName="kept.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    for number in ("1", "2"):
        sqs.send_message(QueueUrl=queue, MessageBody=number, MessageGroupId="g", MessageDeduplicationId=number)
    # In flight at the stop: it must come back, and before the other one of its group.
    sqs.receive_message(QueueUrl=queue, VisibilityTimeout=2)
    aws_client(cloud, "ssm").put_parameter(Name="/kept", Value="s", Type="SecureString")
    aws_client(cloud, "ecs").create_cluster(clusterName="kept")
    user = aws_client(cloud, "iam")
    user.create_user(UserName="kept")
    key = user.create_access_key(UserName="kept")["AccessKey"]
    service = create_client(cloud.supabase_url, cloud.supabase_service_key)
    with psycopg.connect(cloud.database_url) as connection:
        connection.execute("create table public.kept (id int primary key); insert into public.kept values (7)")
    assert local_cloud(state, "down").stdout == "The embedded cloud is stopped.\n"
    assert not (state / "cloud.json").exists()
    assert left(state) == []

    again = up(state)
    assert (again.access_key_id, again.supabase_service_key) == (cloud.access_key_id, cloud.supabase_service_key)
    assert (again.aws_endpoint_url, again.supabase_url) == (cloud.aws_endpoint_url, cloud.supabase_url)
    assert aws_client(again, "s3").get_object(Bucket="kept", Key="a/b.bin")["Body"].read() == b"\0" * 100_000
    assert aws_client(again, "ssm").get_parameter(Name="/kept", WithDecryption=True)["Parameter"]["Value"] == "s"
    assert aws_client(again, "ecs").describe_clusters(clusters=["kept"])["clusters"][0]["status"] == "ACTIVE"
    caller = aws_client(
        again, "sts", aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"]
    )
    assert caller.get_caller_identity()["Arn"].endswith(":user/kept")
    got: list[str] = []

    def received() -> bool:
        for message in aws_client(again, "sqs").receive_message(QueueUrl=queue).get("Messages", []):
            got.append(message["Body"])
            aws_client(again, "sqs").delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return len(got) == 2

    until("both messages", received)
    assert got == ["1", "2"]
    assert service.table("kept").select("*").execute().data == [{"id": 7}]
    assert local_cloud(state, "reset").returncode == 0
    assert not state.exists()


def busy(cloud: Cloud, folder: Path) -> tuple[Stack, str]:
    """Keep a task and a function's process running."""
    stack = Stack(cloud, partial(aws_client, cloud), make_worker(folder))
    task = stack.run("polite")
    stack.log(task, "waiting")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "def handler(event, context):\n    return 1\n")
    function = aws_client(cloud, "lambda")
    role = stack.make_role("lambda.amazonaws.com", "s3:PutObject", "*")
    function.create_function(
        FunctionName="f", Runtime="python3.13", Handler="app.handler", Role=role, Code={"ZipFile": archive.getvalue()}
    )
    assert function.invoke(FunctionName="f")["Payload"].read() == b"1"
    return stack, task


def test_tasks_are_stopped_before_what_they_talk_to_and_their_events_are_kept(state: Path, tmp_path: Path) -> None:
    stack, task = busy(up(state), tmp_path / "worker")
    assert local_cloud(state, "down").returncode == 0
    assert left(state) == []
    cloud = up(state)
    stack.use(partial(aws_client, cloud))
    assert stack.events(task)[-1]["containers"][0]["exitCode"] == 143
    # An image that was unpacked before is run again, pulled from the registry that was saved.
    assert stack.reach(stack.run("exit0"), "STOPPED")["containers"][0]["exitCode"] == 0


def test_nothing_outlives_a_killed_supervisor_and_the_next_start_is_clean(state: Path) -> None:
    cloud = up(state)
    busy(cloud, state.parent / "worker")
    assert any("tamma_worker" in command for command in left(state))
    os.kill(cloud.pid, signal.SIGKILL)
    until("the end of every process", lambda: left(state) == [])
    # Its cloud.json is still there and is not believed.
    assert (state / "cloud.json").exists()
    assert local_cloud(state, "status").returncode == 3
    assert local_cloud(state, "env").returncode == 1
    again = up(state)
    assert again.pid != cloud.pid


def test_death_of_a_part_is_told_and_ends_the_rest(state: Path) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "tamma_local", "run"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "local" / "src"), "TAMMA_LOCAL_DIR": str(state)},
    )  # fmt: skip
    until("the cloud", lambda: running_cloud(Layout(state)))
    postmaster = int((state / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(postmaster, signal.SIGKILL)
    _said, complaint = run.communicate(timeout=40)
    assert run.returncode == 1
    assert complaint.startswith("PostgreSQL was ended by signal 9. Its log ")
    assert complaint.count("\n") == 1
    assert left(state) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_foreground_run_stops_cleanly(state: Path, number: int) -> None:
    run = subprocess.Popen(
        [sys.executable, "-m", "tamma_local", "run"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "local" / "src"), "TAMMA_LOCAL_DIR": str(state)},
    )  # fmt: skip
    until("the cloud", lambda: running_cloud(Layout(state)))
    run.send_signal(number)
    said, complaint = run.communicate(timeout=40)
    assert (run.returncode, complaint) == (0, "")
    assert "The embedded cloud is ready" in said
    assert left(state) == []


@pytest.mark.parametrize(("moment", "number"), [
    ("secrets.json", signal.SIGINT),
    ("logs/postgres.log", signal.SIGINT),
    ("logs/aws.log", signal.SIGKILL),
])  # fmt: skip
def test_interrupted_up_leaves_nothing_half_started(state: Path, number: int, moment: str) -> None:
    starting = subprocess.Popen(
        [sys.executable, "-m", "tamma_local", "up"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY / "local" / "src"), "TAMMA_LOCAL_DIR": str(state)},
    )  # fmt: skip
    until(moment, (state / moment).exists)
    starting.send_signal(number)
    starting.communicate(timeout=40)
    until("the end of the supervisor", lambda: supervisor_pid(Layout(state)) is None, 40)
    until("the end of every process", lambda: left(state) == [])
    assert not (state / "cloud.json").exists()
    assert starting.returncode in {130, -9}
