"""The dispatcher's handler on the real schema: batches in, RunTask, dead letters and partial batch responses out."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from dispatching import Dispatcher
from network import NetworkError, find_network
from pacing import TokenBucket
from planning import Network, read_pipelines
from queues import Queues
from settings import Settings
from task_runner import TaskRunner

from tests.unit.functions.aws import FakeAws, fake_queues, refusal, sent
from tests.unit.functions.conftest import ENVIRONMENT, Context, load_app
from tests.unit.functions.metrics import read_counts

if TYPE_CHECKING:
    from job_store import JobStore

    from tests.unit.functions.rest import RestOverDatabase
    from tests.unit.supabase.database import Database

app = load_app("dispatcher")
STARTED = {"tasks": [{"taskArn": "arn:task-1"}], "failures": []}
NO_CAPACITY = {"tasks": [], "failures": [{"arn": "x", "reason": "RESOURCE:MEMORY", "detail": "none left"}]}
DLQ = "tamma-dev-jobs-dlq.fifo"


class World:
    """The dispatcher with everything around it: one database, one SQS, one ECS."""

    def __init__(self, database: Database, rest: RestOverDatabase, store: JobStore) -> None:
        self.database, self.rest = database, rest
        self.sqs = fake_queues()
        self.ecs = FakeAws("ecs", RunTask=STARTED)
        self.context = Context()
        self.settings = Settings.read(ENVIRONMENT)
        dispatcher = Dispatcher(
            store,
            TaskRunner(self.ecs.client, TokenBucket(1000)),
            "tamma-dev-cluster",
            read_pipelines(ENVIRONMENT),
            Network(["subnet-1"], ["sg-1"], "DISABLED"),
            600,
            {"LEASE_SECONDS": "120"},
            app.logger,
        )
        self.services = app.Services(dispatcher, Queues(self.sqs.client, self.settings), self.settings)

    def send(self, *records: dict[str, Any]) -> list[str]:
        """Deliver a batch; returns the ids of the messages that came back."""
        response = app.dispatch_batch(self.services, {"Records": list(records)}, self.context)
        return [item["itemIdentifier"] for item in response["batchItemFailures"]]

    @property
    def run_tasks(self) -> list[dict[str, Any]]:
        return self.ecs.parameters("RunTask")

    def waits(self) -> dict[str, int]:
        batches = self.sqs.parameters("ChangeMessageVisibilityBatch")
        return {entry["ReceiptHandle"]: entry["VisibilityTimeout"] for batch in batches for entry in batch["Entries"]}


@pytest.fixture
def world(database: Database, rest: RestOverDatabase, store: JobStore) -> World:
    return World(database, rest, store)


def record(job_id: str = "job", group: str | None = None, receives: int = 1, **changes: Any) -> dict[str, Any]:
    body = changes.pop("body", None) or json.dumps({"job_id": job_id, "s3_key": "uploads/a.wav"} | changes)
    return {
        "messageId": f"m-{job_id}",
        "receiptHandle": f"r-{job_id}",
        "body": body,
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:tamma-dev-jobs.fifo",
        "messageAttributes": {},
        "attributes": {"MessageGroupId": group or job_id, "ApproximateReceiveCount": str(receives)},
    }


def test_a_job_is_claimed_started_and_noted(world: World) -> None:
    assert world.send(record(preset="podcast")) == []
    job = world.database.job("job")
    assert (job["status"], job["attempt"], job["task_arn"], job["preset"]) == ("starting", 1, "arn:task-1", "podcast")
    assert len(world.run_tasks) == 1
    assert world.rest.calls == ["rpc/claim_job", "rpc/attach_task"], "a good message costs two calls of the database"
    assert world.sqs.calls == []


def test_what_is_changed_of_the_preset_is_kept_in_the_row(world: World) -> None:
    assert world.send(record(overrides={"loudness_lufs": -18, "formats": ["mp3"]})) == []
    assert world.database.job("job")["overrides"] == {"loudness_lufs": -18, "formats": ["mp3"]}


def test_a_second_delivery_starts_nothing(world: World) -> None:
    assert world.send(record(), record()) == []
    assert world.send(record()) == []
    assert len(world.run_tasks) == 1


def test_a_job_that_is_over_is_acknowledged(world: World) -> None:
    world.send(record())
    world.database.call("fail_job", p_job_id="job", p_attempt=1, p_error_code="x", p_error_message="No.")
    assert world.send(record(), record("other"), record(attempt=2)) == []
    assert [request["startedBy"] for request in world.run_tasks] == ["job", "other"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("not json", "The body is not valid JSON."),
        ('{"s3_key": "a"}', "job_id is missing."),
        ('{"job_id": "bad", "s3_key": "a/../b"}', 's3_key contains the path segment "..".'),
        ('{"job_id": "bad", "s3_key": "a.mp4"}', "The pipeline video is not deployed here; deployed: audio-clean."),
    ],
)
def test_malformed_messages_are_set_aside_once_and_their_mates_start(world: World, body: str, reason: str) -> None:
    # All in one group: even there poison is no reason to hold back what follows.
    assert world.send(record("a", "g"), record("bad", "g", body=body), record("b", "g")) == []
    [letter] = sent(world.sqs, DLQ)
    assert letter["MessageAttributes"]["reason"]["StringValue"] == reason
    assert (letter["MessageBody"], letter["MessageGroupId"], letter["MessageDeduplicationId"]) == (body, "g", "m-bad")
    assert [request["startedBy"] for request in world.run_tasks] == ["a", "b"]


def test_an_oversize_body_is_set_aside_with_its_beginning(world: World) -> None:
    assert world.send(record("big", body="é" * 200_000)) == []
    [letter] = sent(world.sqs, DLQ)
    assert letter["MessageBody"] == "é" * 100_000
    assert "400000 bytes" in letter["MessageAttributes"]["reason"]["StringValue"]
    assert "cut" in letter["MessageAttributes"]["reason"]["StringValue"]


def test_a_message_that_cannot_be_set_aside_comes_back(world: World) -> None:
    world.sqs.answers["SendMessage"] = refusal("ServiceUnavailable", 503)
    assert world.send(record("bad", body="x"), record("good")) == ["m-bad"]


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (NO_CAPACITY, False),
        ({"tasks": [], "failures": []}, False),
        (refusal("ThrottlingException"), False),
        (refusal("ServerException", 500), False),
        (refusal("InternalFailure", 503), False),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:9"), False),
        (refusal("InvalidParameterException"), True),
        (refusal("AccessDeniedException"), True),
        (refusal("ClusterNotFoundException"), True),
        (refusal("ConflictException"), True),
    ],
)
def test_what_was_not_started_is_released_and_comes_back(
    world: World, answer: Any, wrong: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world.ecs.answers["RunTask"] = answer
    with caplog.at_level(logging.WARNING):
        assert world.send(record(receives=3)) == ["m-job"]
    job = world.database.job("job")
    assert (job["status"], job["attempt"], job["failed_attempts"], job["start_failures"]) == ("queued", 0, 0, 0)
    assert sent(world.sqs, DLQ) == []
    assert [entry.levelno for entry in caplog.records] == [logging.ERROR if wrong else logging.WARNING]

    world.ecs.answers["RunTask"] = STARTED
    assert world.send(record(receives=4)) == []
    assert (world.database.job("job")["status"], world.database.job("job")["attempt"]) == ("starting", 1)


def test_only_the_group_of_a_failed_record_is_held_back(world: World) -> None:
    world.ecs.answers["RunTask"] = lambda asked: NO_CAPACITY if asked["startedBy"] == "a1" else STARTED
    records = [record("a0", "a"), record("a1", "a", 2), record("b1", "b"), record("a2", "a", 9), record("b2", "b")]
    assert world.send(*records) == ["m-a1", "m-a2"]
    started = [request["startedBy"] for request in world.run_tasks]
    assert [job for job in started if job in {"a0", "a1", "a2"}] == ["a0", "a1"]
    assert [job for job in started if job in {"b1", "b2"}] == ["b1", "b2"]
    waits = world.waits()
    assert set(waits) == {"r-a1", "r-a2"}
    assert waits["r-a1"] == waits["r-a2"], "a mate that is hidden longer would hold the group back"


def test_waits_grow_but_never_beyond_the_bound(world: World) -> None:
    world.ecs.answers["RunTask"] = NO_CAPACITY
    seen = []
    for receives in (1, 2, 3, 4, 5, 6, 50, 999):
        world.send(record(receives=receives))
        seen.append(world.waits()["r-job"])
    assert seen[:5] == sorted(seen[:5])
    assert max(seen) <= 45
    assert min(seen[-3:]) >= 33, "1000 deliveries at this rate are more than 9 hours, the contract asks for 6"


def test_a_failing_visibility_change_is_no_failure_of_its_own(world: World) -> None:
    world.ecs.answers["RunTask"] = NO_CAPACITY
    world.sqs.answers["ChangeMessageVisibilityBatch"] = refusal("AccessDenied")
    assert world.send(record()) == ["m-job"]


@pytest.mark.parametrize(
    "outage",
    [
        httpx.ConnectTimeout("slow"),
        httpx.Response(503, text="<html>"),
        httpx.Response(200, text="<html>a page</html>"),
        httpx.Response(401, json={"code": "PGRST301", "message": "JWT expired"}),
        httpx.Response(500, json={"code": "XX000"}),
    ],
)
def test_supabase_outages_return_the_message_and_touch_nothing(
    world: World, outage: httpx.Response | Exception
) -> None:
    world.rest.outages = [outage]
    assert world.send(record()) == ["m-job"]
    assert (world.run_tasks, sent(world.sqs, DLQ)) == ([], [])
    assert world.send(record(receives=2)) == []
    assert len(world.run_tasks) == 1


def test_a_connection_that_died_in_the_pause_is_tried_once_more(world: World) -> None:
    world.rest.outages = [httpx.RemoteProtocolError("closed")]
    assert world.send(record()) == []
    assert len(world.run_tasks) == 1


def test_a_claim_whose_answer_got_lost_is_continued(world: World) -> None:
    """The first request won, its answer broke off, the second says "lost": the attempt is ours all the same."""
    world.rest.lost_answers = [httpx.ReadError("reset")]
    assert world.send(record()) == []
    assert world.rest.calls == ["rpc/claim_job", "rpc/claim_job", "jobs", "rpc/attach_task"]
    job = world.database.job("job")
    assert (job["status"], job["attempt"], job["task_arn"]) == ("starting", 1, "arn:task-1")
    assert len(world.run_tasks) == 1


def test_a_claim_that_was_never_answered_is_continued_by_the_next_delivery(world: World) -> None:
    world.rest.lost_answers = [httpx.ReadTimeout("slow")]
    assert world.send(record()) == ["m-job"]
    assert (world.database.job("job")["status"], world.run_tasks) == ("starting", [])
    assert world.send(record(receives=2)) == []
    assert len(world.run_tasks) == 1


def test_two_dispatchers_with_one_attempt_leave_one_task_at_work(world: World) -> None:
    """Both see the attempt without a task and ask for one: with one client token, and one of two tasks may start."""
    both_asked = threading.Barrier(2, timeout=30)
    arns = iter(["arn:task-1", "arn:task-2"])  # as if ECS had forgotten the token

    def run_task(_: dict[str, Any]) -> dict[str, Any]:
        both_asked.wait()
        return {"tasks": [{"taskArn": next(arns)}], "failures": []}

    world.ecs.answers["RunTask"] = run_task
    assert world.send(record(group="a"), record(group="b")) == []
    first, second = world.run_tasks
    assert first == second
    starts = [
        world.database.call("start_job", p_job_id="job", p_attempt=1, p_task_arn=arn, p_lease_seconds=120)
        for arn in ("arn:task-2", "arn:task-1")
    ]
    assert sorted(starts) == [False, True]


def test_groups_are_dispatched_at_the_same_time(world: World) -> None:
    """Each RunTask waits for all ten: one after the other, the first would wait for ever."""
    all_asked = threading.Barrier(10, timeout=30)

    def run_task(_: dict[str, Any]) -> dict[str, Any]:
        all_asked.wait()
        return STARTED

    world.ecs.answers["RunTask"] = run_task
    assert world.send(*(record(f"j{number}") for number in range(10))) == []
    assert len(world.run_tasks) == 10


def test_log_lines_of_groups_name_their_own_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    output = io.StringIO()
    monkeypatch.setattr(app.logger.registered_handler, "stream", output)
    world.send(*(record(f"j{number}") for number in range(10)), record("bad", body="x"))
    lines = [json.loads(line) for line in output.getvalue().splitlines()]
    started = {line["job_id"] for line in lines if "was started" in line["message"]}
    assert started == {f"j{number}" for number in range(10)}
    assert all(line["message_id"] == f"m-{line['job_id']}" for line in lines if "job_id" in line)
    assert ["job_id" in line for line in lines if "Set aside" in line["message"]] == [False]


def test_each_record_is_counted_once(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tamma-dev-dispatcher")
    no_answer = ReadTimeoutError(endpoint_url="http://127.0.0.1:9")
    answers: dict[str, Any] = {
        "full": NO_CAPACITY,
        "busy": refusal("ThrottlingException"),
        "wrong": refusal("AccessDeniedException"),
        "mute": no_answer,
    }
    world.ecs.answers["RunTask"] = lambda asked: answers.get(asked["startedBy"], STARTED)
    world.send(record("ok"), record("ok"), record("bad", body="x"), *map(record, answers), record("later", "full"))
    assert read_counts(capsys) == {
        "Dispatched": 1,
        "NothingToDo": 1,
        "SetAside": 1,
        "ReturnedCapacity": 1,
        "ReturnedThrottled": 1,
        "ReturnedRefused": 1,
        "ReturnedUnreachable": 1,
        "ReturnedBehind": 1,
    }
    world.rest.outages = [httpx.Response(503, text="")]
    world.send(record("new"))
    world.context.remaining = 14_000
    world.send(record("new"))
    assert read_counts(capsys) == {"ReturnedStore": 1, "ReturnedTime": 1}


def test_a_task_whose_turn_comes_too_late_is_returned_and_its_attempt_released(world: World) -> None:
    paced = TaskRunner(world.ecs.client, TokenBucket(1 / 60))
    dispatcher = dataclasses.replace(world.services.dispatcher, runner=paced)
    world.services = dataclasses.replace(world.services, dispatcher=dispatcher)
    assert world.send(record("a", "g"), record("b", "g")) == ["m-b"], "the second turn is a minute away"
    assert world.database.job("b")["status"] == "queued"
    assert len(world.run_tasks) == 1


def test_values_that_the_database_refuses_are_poison(world: World) -> None:
    world.rest.outages = [httpx.Response(400, json={"code": "23514", "message": "violates"})]
    assert world.send(record()) == []
    assert "SQLSTATE 23514" in sent(world.sqs, DLQ)[0]["MessageAttributes"]["reason"]["StringValue"]


def test_dispatcher_that_died_after_the_claim_is_continued(world: World, store: JobStore) -> None:
    """Claimed, RunTask perhaps called, then dead: the same client token makes a second call harmless."""
    world.rest.outages = []
    world.ecs.answers["RunTask"] = MemoryError()  # nothing after RunTask is done, as if the sandbox had gone
    assert world.send(record()) == ["m-job"]
    assert (world.database.job("job")["status"], world.database.job("job")["task_arn"]) == ("starting", None)
    world.ecs.answers["RunTask"] = STARTED
    assert world.send(record(receives=2)) == []
    assert world.database.job("job")["task_arn"] == "arn:task-1"
    first, second = world.run_tasks
    assert first == second


def test_an_answer_that_got_lost_keeps_the_attempt(world: World) -> None:
    world.ecs.answers["RunTask"] = ReadTimeoutError(endpoint_url="http://127.0.0.1:9")
    assert world.send(record()) == ["m-job"]
    assert world.database.job("job")["status"] == "starting"
    world.ecs.answers["RunTask"] = STARTED
    assert world.send(record(receives=2)) == []
    assert world.run_tasks[0]["clientToken"] == world.run_tasks[-1]["clientToken"]


def test_a_token_that_is_taken_gives_its_task(world: World) -> None:
    world.ecs.answers["RunTask"] = refusal("ConflictException", resourceIds=["arn:first"])
    assert world.send(record()) == []
    assert world.database.job("job")["task_arn"] == "arn:first"


def test_release_and_attach_may_fail(world: World) -> None:
    down = httpx.Response(503, text="")

    def run_task_while_supabase_goes_down(_: dict[str, Any]) -> dict[str, Any]:
        world.rest.outages = [down]
        return answers.pop(0)

    answers: list[dict[str, Any]] = [NO_CAPACITY, STARTED]
    world.ecs.answers["RunTask"] = run_task_while_supabase_goes_down
    assert world.send(record()) == ["m-job"]
    assert world.database.job("job")["status"] == "starting"
    assert world.send(record(receives=2)) == []
    assert world.database.job("job")["task_arn"] is None


def retried(world: World, reason: str, times: int) -> None:
    for attempt in range(1, times + 1):
        assert world.send(record(attempt=attempt)) == []
        world.database.call(
            "retry_job",
            p_job_id="job",
            p_attempt=attempt,
            p_reason=reason,
            p_error_code=None,
            p_error_message=None,
            p_delay_seconds=0,
        )


def test_after_two_interruptions_the_next_attempt_is_on_demand(world: World) -> None:
    retried(world, "interruption", 2)
    assert world.send(record(attempt=3)) == []
    spot = [
        any(item["capacityProvider"] == "FARGATE_SPOT" for item in request["capacityProviderStrategy"])
        for request in world.run_tasks
    ]
    assert spot == [True, True, False]
    assert [
        request["overrides"]["containerOverrides"][0]["environment"][2]["value"] for request in world.run_tasks
    ] == ["1", "2", "3"]


def test_after_running_out_of_memory_the_next_attempt_is_larger(world: World) -> None:
    world.ecs.answers["DescribeTaskDefinition"] = {"taskDefinition": {"cpu": "1024", "memory": "8192"}}
    retried(world, "memory", 1)
    assert world.send(record(attempt=2)) == []
    overrides = world.run_tasks[1]["overrides"]
    assert (overrides["cpu"], overrides["memory"]) == ("2048", "16384")


def test_an_unknown_size_is_no_reason_to_run_a_smaller_one(world: World) -> None:
    world.ecs.answers["DescribeTaskDefinition"] = refusal("AccessDeniedException")
    retried(world, "memory", 1)
    assert world.send(record(attempt=2)) == ["m-job"]
    assert (world.database.job("job")["status"], world.database.job("job")["attempt"]) == ("retrying", 1)


def test_without_time_a_record_is_returned_untouched(world: World) -> None:
    world.context.remaining = 14_000
    assert world.send(record()) == ["m-job"]
    assert (world.rest.calls, world.run_tasks) == ([], [])


def test_no_secret_is_logged(
    world: World, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    world.rest.outages = [httpx.Response(401, json={"code": "PGRST301", "message": "JWT expired"})]
    world.send(record(), record("bad", body="x"), record("good"))
    output = capsys.readouterr()
    assert "service-key" not in output.out + output.err + caplog.text


def test_a_dead_letter_that_anybody_sends_back_starts_its_job_once(world: World) -> None:
    assert world.send(record()) == []
    for attempt in range(1, 6):
        retried = {"p_reason": "failure", "p_error_code": None, "p_error_message": "No.", "p_delay_seconds": 0}
        world.database.call("retry_job", p_job_id="job", p_attempt=attempt, **retried)
        assert world.send(record(attempt=attempt + 1)) == []
    # The letter's attempt reopened the job, which had failed in attempt 5; a second copy finds it at work.
    assert world.database.history("job")[-3:] == [("failed", 5), ("retrying", 5), ("starting", 6)]
    started = len(world.run_tasks)
    assert world.send(record(attempt=6)) == []
    assert world.database.job("job")["attempt"] == 6
    assert len(world.run_tasks) == started


SUBNETS = {
    "Subnets": [
        {"SubnetId": "subnet-b", "VpcId": "vpc-1", "Tags": [{"Key": "Name", "Value": "tamma-dev-private-b"}]},
        {"SubnetId": "subnet-a", "VpcId": "vpc-1", "Tags": [{"Key": "Name", "Value": "tamma-dev-private-a"}]},
    ]
}


def test_cold_start_looks_everything_up(
    world: World, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = {
        "ec2": FakeAws(
            "ec2", DescribeSubnets=SUBNETS, DescribeSecurityGroups={"SecurityGroups": [{"GroupId": "sg-9"}]}
        ),
        "ssm": FakeAws(
            "ssm",
            GetParameters={
                "Parameters": [
                    {"Name": environment["SUPABASE_URL_PARAMETER"], "Value": "http://127.0.0.1:9"},
                    {"Name": environment["SUPABASE_SERVICE_KEY_PARAMETER"], "Value": "service-key"},
                ]
            },
        ),
        "ecs": world.ecs,
        "sqs": world.sqs,
    }
    monkeypatch.setattr(app, "client", lambda service: clients[service].client)
    monkeypatch.setattr(app, "JobStore", lambda url, key, scale, **_: world.services.dispatcher.store)
    app.services.cache_clear()
    try:
        assert app.handler({"Records": [record()]}, world.context) == {"batchItemFailures": []}
        assert app.handler({"Records": [record("second")]}, world.context) == {"batchItemFailures": []}
    finally:
        app.services.cache_clear()
    network = world.run_tasks[0]["networkConfiguration"]["awsvpcConfiguration"]
    assert network == {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-9"], "assignPublicIp": "DISABLED"}
    assert len(clients["ssm"].calls) == 1, "a warm sandbox looks nothing up"


@pytest.mark.parametrize(
    ("subnets", "groups", "part"),
    [
        ([], [], "no subnet with the Name tamma-dev-private-a"),
        (SUBNETS["Subnets"], [], "no security group tamma-dev-worker-sg"),
    ],
)
def test_a_missing_network_is_named(subnets: list[Any], groups: list[Any], part: str) -> None:
    ec2 = FakeAws("ec2", DescribeSubnets={"Subnets": subnets}, DescribeSecurityGroups={"SecurityGroups": groups})
    with pytest.raises(NetworkError, match=part):
        find_network(ec2.client, ["tamma-dev-private-b", "tamma-dev-private-a"], "tamma-dev-worker-sg", "DISABLED")
