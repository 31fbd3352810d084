"""Tasks that do not start, or end before their time: the job is done all the same, and once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pytest
from tamma_local.cloud import Cloud

from tests.e2e import recordings
from tests.e2e.faulty_endpoint import Fault, FaultyEndpoint
from tests.e2e.local_stack import until
from tests.e2e.pipeline import CLUSTER, DISPATCHER, Pipeline, Row, moment

pytestmark = pytest.mark.usefixtures("late_upload")

# Botocore gives a call three tries when it is throttled, breaks or is cut off, so four or more faults send the message
# back to the queue at least once; an answer with failures[] is a success to botocore, so each sends it back.
PLANS = {
    "no-capacity": [Fault.NO_CAPACITY, Fault.NO_RESOURCES],
    "throttled": [Fault.THROTTLED] * 4,
    "broken": [Fault.BROKEN] * 4,
    "answer-lost": [Fault.LOST] * 3,
}
# Seconds of sound: more than three seconds of work for an idle core.
LONG = 150
# The contract's bounds from the death of a task to the next attempt.
AFTER_SIGTERM, AFTER_SIGKILL = timedelta(seconds=30), timedelta(seconds=60)


@pytest.fixture(scope="module")
def endpoint(stack: Pipeline) -> Iterator[FaultyEndpoint]:
    """Put a faulty endpoint between the dispatcher and ECS; every other service is reached as before."""
    with (
        FaultyEndpoint(stack.cloud.aws_endpoint_url) as endpoint,
        stack.reconfigured(DISPATCHER, {"AWS_ENDPOINT_URL_ECS": endpoint.url}),
    ):
        yield endpoint


@dataclass(frozen=True)
class Jobs:
    """Ids of the jobs of this file: by the name of their plan, and the two that die in the middle."""

    faulty: dict[str, str]
    interrupted: str
    killed: str


@pytest.fixture(scope="module")
def jobs(stack: Pipeline, endpoint: FaultyEndpoint, tmp_path_factory: pytest.TempPathFactory) -> Jobs:
    """Send all jobs at once, then end the tasks of two in the middle of their work."""
    folder = tmp_path_factory.mktemp("faults")
    short, long = recordings.GOOD["wav"](folder), recordings.long_recording(folder, LONG)
    interrupted, killed = stack.send(long, "interrupted"), stack.send(long, "killed")
    faulty = {}
    for name, plan in PLANS.items():
        job_id = f"{name}-{interrupted.rpartition('-')[2]}"
        endpoint.faults[job_id] = list(plan)
        stack.front_end.submit(job_id, stack.front_end.upload(short, job_id, lambda _count: None))
        faulty[name] = job_id
    task = _in_the_middle(stack, interrupted)
    # The embedded cloud takes a stop with this very reason for an interruption by Fargate Spot.
    stack.ecs.stop_task(cluster=CLUSTER, task=task, reason="Your Spot Task was interrupted.")
    _kill(stack.cloud, _in_the_middle(stack, killed))
    return Jobs(faulty, interrupted, killed)


def _in_the_middle(stack: Pipeline, job_id: str) -> str:
    """Wait until the job's worker has told that it is under way; return its task."""
    row = stack.reached(job_id, lambda row: row.get("progress", 0) > 0.1, "progress")
    assert (row["status"], row["attempt"]) == ("running", 1)
    return str(row["task_arn"])


def _kill(cloud: Cloud, task_arn: str) -> None:
    """Kill a task's container through the engine's own API, so that ECS learns of it only by its end."""
    transport = httpx.HTTPTransport(uds=cloud.docker_host.removeprefix("unix://"))
    with httpx.Client(transport=transport, base_url="http://engine") as engine:
        container = next(
            it for it in engine.get("/containers/json").json() if it["Labels"]["com.amazonaws.ecs.task-arn"] == task_arn
        )
        engine.post(f"/containers/{container['Id']}/kill", params={"signal": "KILL"}).raise_for_status()


@pytest.mark.parametrize("name", PLANS)
def test_task_that_does_not_start_at_first_is_started_once(
    stack: Pipeline, endpoint: FaultyEndpoint, jobs: Jobs, name: str
) -> None:
    job_id = jobs.faulty[name]
    row = stack.succeeded(job_id)
    tasks = stack.tasks(job_id)
    assert [task["taskArn"] for task in tasks] == [row["task_arn"]]
    # Not one of these tries counts: the job was never worked on.
    counted = ("failed_attempts", "start_failures", "interruptions", "missing_inputs", "memory_failures")
    assert (row["attempt"], *(row[name] for name in counted)) == (1, 0, 0, 0, 0, 0)
    assert not [letter for letter in stack.dead_letters() if job_id in letter.body]
    calls = endpoint.calls[job_id]
    assert [call.fault for call in calls][: len(PLANS[name])] == PLANS[name]
    assert {call.client_token for call in calls} == {hashlib.sha256(f"{job_id}:1".encode()).hexdigest()[:32]}
    said = [entry["message"] for entry in until("its log", lambda: stack.dispatcher_log(job_id))]
    assert [message for message in said if message.startswith("Returned to the queue after delivery 1")]


@pytest.mark.parametrize("name", ["no-capacity", "throttled", "broken"])
def test_attempt_is_given_back_while_no_task_starts(stack: Pipeline, jobs: Jobs, name: str) -> None:
    stack.succeeded(jobs.faulty[name])
    states = stack.states(jobs.faulty[name])
    returned = states.count(("queued", 0)) - 1
    assert returned >= 1
    assert states == [("queued", 0), ("starting", 1)] * (returned + 1) + [("running", 1), ("succeeded", 1)]


def test_interrupted_job_goes_on_elsewhere(stack: Pipeline, jobs: Jobs) -> None:
    row = stack.succeeded(jobs.interrupted)
    first, _second = stack.tasks(jobs.interrupted)
    assert (first["stopCode"], first["containers"][0]["exitCode"]) == ("SpotInterruption", 143)
    assert (row["attempt"], row["interruptions"], row["failed_attempts"]) == (2, 1, 0)
    assert _went_on(stack, jobs.interrupted, "interrupted") <= AFTER_SIGTERM
    _only_the_second_attempt_is_published(stack, row)


def test_killed_job_is_found_by_the_end_of_its_task(stack: Pipeline, jobs: Jobs) -> None:
    row = stack.succeeded(jobs.killed)
    first, _second = stack.tasks(jobs.killed)
    assert (first["stopCode"], first["containers"][0]["exitCode"]) == ("EssentialContainerExited", 137)
    assert (row["attempt"], row["interruptions"], row["failed_attempts"]) == (2, 0, 1)
    assert _went_on(stack, jobs.killed, "crashed") <= AFTER_SIGKILL
    _only_the_second_attempt_is_published(stack, row)


def _went_on(stack: Pipeline, job_id: str, code: str) -> timedelta:
    """Check the way of a job whose first attempt broke off; return the time from then to the second."""
    assert stack.states(job_id) == [
        ("queued", 0), ("starting", 1), ("running", 1), ("retrying", 1),
        ("starting", 2), ("running", 2), ("succeeded", 2),
    ]  # fmt: skip
    events: dict[tuple[str, int], Row] = {
        (event["to_status"], event["attempt"]): event for event in stack.history(job_id)
    }
    assert events["retrying", 1]["error_code"] == code
    dead_at: datetime = stack.tasks(job_id)[0]["stoppedAt"]
    return moment(events["starting", 2]["at"]) - min(dead_at, moment(events["retrying", 1]["at"]))


def _only_the_second_attempt_is_published(stack: Pipeline, row: Row) -> None:
    job_id = row["job_id"]
    manifest = stack.published(job_id)
    assert manifest == row["outputs"]
    assert manifest["attempt"] == 2
    named = {output["key"] for output in manifest["outputs"].values()}
    assert stack.keys(job_id) == named | {f"derived/{job_id}/manifest.json"}
    assert stack.unfinished_uploads(job_id) == []
    assert (row["error_code"], row["error_message"], row["progress"]) == (None, None, 1)
