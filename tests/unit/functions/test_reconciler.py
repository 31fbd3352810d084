"""The reconciler's handler on the real schema: stopped tasks, delayed retries and the sweep."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from job_message import JobMessage, parse
from psycopg.types.json import Jsonb
from queues import Queues
from reconciling import Reconciler
from results import Results
from settings import Settings
from sweeping import Sweeper

from tests.unit.functions.aws import FakeAws, fake_queues, refusal, sent
from tests.unit.functions.conftest import ENVIRONMENT, Context, load_app
from tests.unit.functions.metrics import read_counts

if TYPE_CHECKING:
    from job_store import JobStore

    from tests.unit.functions.rest import RestOverDatabase
    from tests.unit.supabase.database import Database

app = load_app("reconciler")
JOBS, DLQ, EVENTS = "tamma-dev-jobs.fifo", "tamma-dev-jobs-dlq.fifo", "tamma-dev-task-events"
TASK, TWIN = "arn:task-1", "arn:task-2"
USER = "00000000-0000-4000-8000-00000000000a"


class World:
    """The reconciler with everything around it."""

    def __init__(self, database: Database, rest: RestOverDatabase, store: JobStore) -> None:
        self.database, self.rest = database, rest
        self.sqs = fake_queues()
        self.tasks: list[dict[str, Any]] = []
        self.ecs = FakeAws("ecs", DescribeTasks=lambda _: {"tasks": self.tasks, "failures": []}, StopTask={"task": {}})
        self.context = Context()
        settings = Settings.read(ENVIRONMENT)
        queues = Queues(self.sqs.client, settings)
        self.published: dict[str, bytes] = {}
        self.s3 = FakeAws("s3", GetObject=self._object)
        reconciler = Reconciler(store, queues, Results(self.s3.client, "tamma-dev-derived"), app.logger)
        sweeper = Sweeper(store, reconciler, self.ecs.client, "tamma-dev-cluster", app.logger)
        self.services = app.Services(reconciler, sweeper, queues, settings)

    def _object(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["Key"] in self.published:
            return {"Body": io.BytesIO(self.published[asked["Key"]])}
        return refusal("NoSuchKey", 404)

    def send(self, *messages: dict[str, Any] | str) -> list[str]:
        """Deliver a batch; returns the ids of the messages that came back."""
        records = [
            {
                "messageId": f"m{number}",
                "receiptHandle": f"r{number}",
                "eventSource": "aws:sqs",
                "body": message if isinstance(message, str) else json.dumps(message),
                "attributes": {"ApproximateReceiveCount": "1"},
                "messageAttributes": {},
            }
            for number, message in enumerate(messages)
        ]
        response = app.reconcile_batch(self.services, {"Records": records}, self.context)
        return [item["itemIdentifier"] for item in response["batchItemFailures"]]

    def run(self, job_id: str = "job", attempt: int = 1, task_arn: str = TASK, user_id: str | None = None) -> None:
        """Bring a job into "running"."""
        self.database.service.execute(
            "insert into public.jobs (job_id, s3_key, user_id) values (%s, 'uploads/a.wav', %s) on conflict do nothing",
            [job_id, user_id],
        )
        assert self.claim(job_id, attempt)
        assert self.database.call(
            "start_job", p_job_id=job_id, p_attempt=attempt, p_task_arn=task_arn, p_lease_seconds=120
        )

    def claim(self, job_id: str = "job", attempt: int = 1) -> bool:
        return bool(
            self.database.call(
                "claim_job",
                p_job_id=job_id,
                p_attempt=attempt,
                p_s3_key="uploads/a.wav",
                p_pipeline="audio-clean",
                p_preset="podcast",
                p_lease_seconds=600,
                p_overrides='{"hum": false}',
            )
        )

    def worker_retries(self, reason: str, attempt: int = 1, delay: int = 0) -> str:
        return str(
            self.database.call(
                "retry_job",
                p_job_id="job",
                p_attempt=attempt,
                p_reason=reason,
                p_error_code=reason,
                p_error_message="It did not work.",
                p_delay_seconds=delay,
            )
        )

    def status(self, job_id: str = "job") -> str:
        return str(self.database.job(job_id)["status"])


@pytest.fixture
def world(database: Database, rest: RestOverDatabase, store: JobStore) -> World:
    return World(database, rest, store)


def task(exit_code: int | None = 1, job_id: str = "job", attempt: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "taskArn": TASK,
        "lastStatus": "STOPPED",
        "stopCode": "EssentialContainerExited",
        "stoppedReason": "x",
        "startedAt": "2026-11-01T00:00:00Z",
        "containers": [{"name": "worker", "exitCode": exit_code}],
        "overrides": {
            "containerOverrides": [
                {
                    "name": "worker",
                    "environment": [{"name": "JOB_ID", "value": job_id}, {"name": "ATTEMPT", "value": str(attempt)}],
                }
            ]
        },
    } | changes


def stopped(exit_code: int | None = 1, job_id: str = "job", attempt: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": task(exit_code, job_id, attempt, **changes),
    }


SWEEP = {"tamma": "sweep"}


def test_an_interrupted_task_is_offered_again_at_once(world: World) -> None:
    world.run(user_id=USER)
    assert world.send(stopped(137, stopCode="SpotInterruption")) == []
    [message] = sent(world.sqs, JOBS)
    job = parse(message["MessageBody"])
    assert job == JobMessage("job", "uploads/a.wav", "audio-clean", "podcast", 2, '{"hum":false}')
    assert (message["MessageGroupId"], message["MessageDeduplicationId"]) == (USER, "job.2")
    assert (world.database.job("job")["interruptions"], world.database.job("job")["failed_attempts"]) == (1, 0)


def test_what_became_of_jobs_is_counted(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "tamma-dev-reconciler")
    world.run()
    world.send(stopped(143), stopped(143))
    assert read_counts(capsys) == {"RetriedInterruption": 1}, "the second event of one stop counts nothing"
    world.run("gone")
    world.database.make_due("gone")
    world.send(SWEEP)
    assert read_counts(capsys) == {"RetriedFailure": 1, "RecoveredBySweep": 1}


def test_duplicate_and_late_events_change_nothing(world: World) -> None:
    world.run()
    event = stopped(137, stopCode="SpotInterruption")
    assert world.send(event, event) == []
    assert {message["MessageDeduplicationId"] for message in sent(world.sqs, JOBS)} == {"job.2"}
    world.run(attempt=2, task_arn=TWIN)
    before, calls = world.database.job("job"), len(world.sqs.calls)
    assert world.send(event, stopped(65), stopped(0)) == []
    assert world.database.job("job") == before
    assert len(world.sqs.calls) == calls


def test_a_crash_waits_before_it_is_offered_again(world: World) -> None:
    world.run()
    assert world.send(stopped(139)) == []
    [message] = sent(world.sqs, EVENTS)
    assert message["DelaySeconds"] == 10
    assert sent(world.sqs, JOBS) == []

    requeue = json.loads(message["MessageBody"])
    assert world.send(requeue) == []
    assert 0 < sent(world.sqs, EVENTS)[1]["DelaySeconds"] <= 10, "too early: it waits for what is left"
    world.database.make_due("job")
    assert world.send(requeue) == []
    assert [parse(message["MessageBody"]).attempt for message in sent(world.sqs, JOBS)] == [2]
    assert world.claim(attempt=2)
    assert world.send(requeue) == []
    assert len(sent(world.sqs, JOBS)) == 1


@pytest.mark.parametrize(("reason", "delay", "queue"), [("interruption", 0, JOBS), ("missing_input", 60, EVENTS)])
def test_what_the_worker_decided_itself_is_sent(world: World, reason: str, delay: int, queue: str) -> None:
    world.run()
    assert world.worker_retries(reason, delay=delay) == "retrying"
    assert world.send(stopped(143)) == []
    assert len(sent(world.sqs, queue)) == 1
    assert len(world.sqs.parameters("SendMessage")) == 1


@pytest.mark.parametrize("exit_code", [75, 137, 143])
def test_what_was_published_is_committed_for_a_worker_that_could_not(world: World, exit_code: int) -> None:
    world.run()
    manifest = {"job_id": "job", "attempt": 1, "outputs": {}}
    world.published["derived/job/manifest.json"] = json.dumps(manifest).encode()
    assert world.send(stopped(exit_code)) == []
    row = world.database.job("job")
    assert (row["status"], row["outputs"]) == ("succeeded", manifest)
    assert sent(world.sqs, JOBS) == []
    assert sent(world.sqs, EVENTS) == []


def test_an_unreadable_bucket_decides_nothing(world: World) -> None:
    world.run()
    world.s3.answers["GetObject"] = refusal("SlowDown", 503)
    assert world.send(stopped(137)) == ["m0"]
    assert world.status() == "running"


@pytest.mark.parametrize(("exit_code", "status"), [(65, "failed"), (66, "retrying"), (75, "retrying"), (0, "running")])
def test_a_worker_that_could_not_decide(world: World, exit_code: int, status: str) -> None:
    world.run()
    assert world.send(stopped(exit_code)) == []
    assert world.status() == status


def test_a_task_that_never_started(world: World) -> None:
    assert world.claim()
    assert world.send(stopped(None, stopCode="TaskFailedToStart", startedAt=None)) == []
    job = world.database.job("job")
    assert (job["status"], job["start_failures"], job["failed_attempts"]) == ("retrying", 1, 0)


def test_the_end_of_a_twin_leaves_the_winner_alone(world: World) -> None:
    world.run(task_arn=TWIN)
    assert world.send(stopped(137, stopCode="SpotInterruption"), stopped(65)) == []
    assert world.status() == "running"


@pytest.mark.parametrize("by_worker", [True, False])
def test_attempts_used_up_end_in_the_dead_letter_queue_once(world: World, by_worker: bool) -> None:
    for attempt in range(1, 6):
        world.run(attempt=attempt)
        if attempt < 5 or by_worker:
            world.worker_retries("failure", attempt)
    assert world.send(stopped(1, attempt=5), stopped(1, attempt=5)) == []
    assert world.status() == "failed"
    [letter] = sent(world.sqs, DLQ)
    assert parse(letter["MessageBody"]).attempt == 6
    assert letter["MessageDeduplicationId"] == "job.6"
    assert "The job failed after attempt 5" in letter["MessageAttributes"]["reason"]["StringValue"]
    assert world.database.job("job")["dead_letter_at"] is None
    assert world.send(SWEEP) == []
    assert len(sent(world.sqs, DLQ)) == 1


def test_a_job_that_failed_for_good_is_no_dead_letter(world: World) -> None:
    world.run()
    assert world.send(stopped(65), SWEEP) == []
    assert world.sqs.calls == []


def test_a_failed_send_brings_the_event_back_and_then_it_is_sent(world: World) -> None:
    world.run()
    world.sqs.answers["SendMessage"] = refusal("ServiceUnavailable", 503)
    event = stopped(143)
    assert world.send(event) == ["m0"]
    assert world.status() == "retrying"
    assert world.sqs.parameters("ChangeMessageVisibilityBatch")[0]["Entries"][0]["VisibilityTimeout"] <= 2
    world.sqs.answers["SendMessage"] = {"MessageId": "1"}
    assert world.send(event) == []
    assert len([message for message in sent(world.sqs, JOBS) if message["MessageDeduplicationId"] == "job.2"]) >= 1


def test_supabase_down_returns_events_and_gives_up_sweeps(world: World) -> None:
    world.run()
    world.rest.outages = [httpx.ConnectTimeout("x") for _ in range(3)]
    assert world.send(stopped(143), SWEEP, {"tamma": "requeue", "job_id": "job", "attempt": 1}) == ["m0", "m2"]
    assert world.status() == "running"


@pytest.mark.parametrize(
    "message",
    [
        "not json",
        "[]",
        "{}",
        {"tamma": "dance"},
        {"tamma": "requeue", "job_id": "../x", "attempt": 1},
        {"tamma": "requeue", "job_id": "job", "attempt": True},
        {"detail-type": "ECS Task State Change"},
        {"detail-type": "ECS Task State Change", "detail": {"taskArn": ""}},
        "[" * 9000,
    ],
)
def test_unknown_messages_are_reported_and_dropped(
    world: World, message: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert world.send(message) == []
    assert "Ignored:" in caplog.text
    assert world.sqs.calls == []


@pytest.mark.parametrize(
    "event", [stopped(1, "nobody"), stopped(1, overrides={}), stopped(1, lastStatus="RUNNING"), stopped(1, attempt=7)]
)
def test_events_of_other_tasks_are_no_matter(world: World, event: dict[str, Any]) -> None:
    world.run()
    assert world.send(event) == []
    assert (world.status(), world.sqs.calls) == ("running", [])


# The sweep: no event ever came.


@pytest.mark.parametrize(
    ("known", "status", "counted"),
    [
        ([task(137, stopCode="SpotInterruption")], "retrying", "interruptions"),
        ([task(1)], "retrying", "failed_attempts"),
        ([task(0)], "retrying", "failed_attempts"),
        ([task(66)], "retrying", "missing_inputs"),
        ([], "retrying", "failed_attempts"),
        ([task(65)], "failed", None),
    ],
)
def test_sweep_concludes_running_jobs_whose_task_is_gone(
    world: World, known: list[dict[str, Any]], status: str, counted: str | None
) -> None:
    world.run()
    world.tasks = known
    world.database.make_due("job")
    assert world.send(SWEEP) == []
    job = world.database.job("job")
    assert job["status"] == status
    assert counted is None or job[counted] == 1


def test_sweep_leaves_jobs_with_a_lease_alone(world: World) -> None:
    world.run()
    assert world.send(SWEEP) == []
    assert (world.status(), world.ecs.calls) == ("running", [])


def expire(world: World, ago: timedelta) -> None:
    world.database.admin.execute("update public.jobs set lease_until = %s", [datetime.now(UTC) - ago])


@pytest.mark.parametrize(("minutes", "status", "stopped_tasks"), [(5, "running", 0), (16, "retrying", 1)])
def test_sweep_is_patient_with_a_task_that_ecs_calls_alive(
    world: World, minutes: int, status: str, stopped_tasks: int
) -> None:
    world.run()
    world.tasks = [task(None, lastStatus="RUNNING")]
    expire(world, timedelta(minutes=minutes))
    assert world.send(SWEEP) == []
    assert world.status() == status
    assert len(world.ecs.parameters("StopTask")) == stopped_tasks


@pytest.mark.parametrize(("minutes", "status"), [(30, "starting"), (61, "retrying")])
def test_sweep_lets_a_task_wait_for_its_instance(world: World, minutes: int, status: str) -> None:
    assert world.claim()
    world.database.call("attach_task", p_job_id="job", p_attempt=1, p_task_arn=TASK)
    world.tasks = [task(None, lastStatus="PROVISIONING")]
    expire(world, timedelta(minutes=minutes))
    assert world.send(SWEEP) == []
    assert world.status() == status


def test_sweep_recovers_a_dispatcher_that_died_and_whose_message_is_gone(world: World) -> None:
    assert world.claim()
    world.database.make_due("job")
    assert world.send(SWEEP) == []
    assert world.database.job("job")["start_failures"] == 1
    assert world.ecs.calls == []


def test_sweep_sends_retries_that_are_due_again_and_again_until_claimed(world: World) -> None:
    world.run()
    world.worker_retries("failure", delay=3600)
    assert world.send(SWEEP) == []
    assert sent(world.sqs, JOBS) == []
    for _ in range(2):
        world.database.make_due("job")
        assert world.send(SWEEP) == []
    assert [message["MessageDeduplicationId"] for message in sent(world.sqs, JOBS)] == ["job.2"] * 2
    assert world.claim(attempt=2)
    assert world.send(SWEEP) == []
    assert len(sent(world.sqs, JOBS)) == 2


@pytest.mark.parametrize("released", [False, True])
def test_sweep_offers_a_queued_job_whose_message_never_came(world: World, released: bool) -> None:
    world.database.service.execute("insert into public.jobs (job_id, s3_key) values ('job', 'uploads/a.wav')")
    if released:  # the dispatcher gave the attempt back, and its message was deleted with a duplicate
        assert world.claim()
        assert world.database.call("release_job", p_job_id="job", p_attempt=1)
    assert world.send(SWEEP) == []
    assert sent(world.sqs, JOBS) == []
    world.database.make_due("job")
    assert world.send(SWEEP, SWEEP) == []
    (offered,) = sent(world.sqs, JOBS)
    message = parse(offered["MessageBody"])
    assert (message.job_id, message.attempt, message.s3_key) == ("job", 1, "uploads/a.wav")
    world.run()
    assert world.database.call("complete_job", p_job_id="job", p_attempt=1, p_outputs=Jsonb({}))
    assert world.send(SWEEP) == []
    assert len(sent(world.sqs, JOBS)) == 1


def test_sweep_offers_a_reopened_job(world: World) -> None:
    world.run()
    assert world.database.call("fail_job", p_job_id="job", p_attempt=1, p_error_code="x", p_error_message="No.")
    assert world.database.call("reopen_job", p_job_id="job", p_attempt=1)
    assert world.send(SWEEP) == []
    assert [message["MessageDeduplicationId"] for message in sent(world.sqs, JOBS)] == ["job.2"]


def test_sweep_goes_on_beyond_one_page(world: World) -> None:
    world.database.service.execute(
        """insert into public.jobs (job_id, s3_key, pipeline, status, attempt, retry_at)
           select 'job-' || n, 'a.wav', 'audio-clean', 'retrying', 1, now() from generate_series(1, 230) as n"""
    )
    assert world.send(SWEEP) == []
    assert len(sent(world.sqs, JOBS)) == 230


def test_sweep_goes_on_behind_tasks_that_it_leaves_alone(world: World) -> None:
    """More tasks than one page wait for their instances, and the job behind them has lost its task."""
    world.database.service.execute(
        """insert into public.jobs (job_id, s3_key, status, attempt, lease_until, starting_at, task_arn)
           select 'job-' || n, 'a.wav', 'starting', 1, now() - interval '1 minute', now(), 'arn:task-' || n
           from generate_series(1, 230) as n"""
    )
    world.tasks = [{"taskArn": f"arn:task-{number}", "lastStatus": "PENDING"} for number in range(1, 231)]
    world.run("behind", task_arn="arn:gone")
    world.database.service.execute(
        "update public.jobs set lease_until = now() - interval '1 second' where job_id = 'behind'"
    )
    assert world.send(SWEEP) == []
    assert world.status("behind") == "retrying"
    assert world.status("job-1") == world.status("job-230") == "starting"


def test_an_orphan_is_offered_to_the_pipeline_of_its_key(world: World) -> None:
    world.database.service.execute(
        "insert into public.jobs (job_id, s3_key, retry_at) values ('job', 'uploads/talk.mp4', now())"
    )
    assert world.send(SWEEP) == []
    [message] = sent(world.sqs, JOBS)
    assert parse(message["MessageBody"]).pipeline == "video"


def test_sweep_stops_in_time(world: World) -> None:
    world.run()
    world.database.make_due("job")
    world.context.remaining = 10_000
    assert world.send(SWEEP) == []
    assert world.status() == "running"


def test_cold_start(world: World, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    ssm = FakeAws("ssm", GetParameters={"Parameters": []})
    clients = {"ssm": ssm, "ecs": world.ecs, "sqs": world.sqs, "s3": world.s3}
    monkeypatch.setattr(app, "client", lambda service: clients[service].client)
    monkeypatch.setattr(app, "JobStore", lambda url, key, scale, **_: world.services.reconciler.store)
    app.services.cache_clear()
    try:
        with pytest.raises(app.read_secrets.__globals__["MissingParameterError"], match="/tamma/dev/supabase_url does"):
            app.handler({"Records": []}, world.context)
        ssm.answers["GetParameters"] = {
            "Parameters": [
                {"Name": environment["SUPABASE_URL_PARAMETER"], "Value": "http://127.0.0.1:9"},
                {"Name": environment["SUPABASE_SERVICE_KEY_PARAMETER"], "Value": "service-key"},
            ]
        }
        body = json.dumps(SWEEP)
        record = {"messageId": "m", "receiptHandle": "r", "body": body, "eventSource": "aws:sqs", "attributes": {}}
        assert app.handler({"Records": [record]}, world.context) == {"batchItemFailures": []}
    finally:
        app.services.cache_clear()
