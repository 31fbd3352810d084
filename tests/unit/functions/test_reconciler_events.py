"""Events of tasks that are late, foreign, odd or made up: harmless, on the real schema through the handler."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from job_message import MAX_ATTEMPT, parse

from tests.unit.functions.aws import sent
from tests.unit.functions.hostile import sqs_takes
from tests.unit.functions.test_reconciler import DLQ, JOBS, SWEEP, TWIN, World, stopped

if TYPE_CHECKING:
    from job_store import JobStore

    from tests.unit.functions.rest import RestOverDatabase
    from tests.unit.supabase.database import Database


@pytest.fixture
def world(database: Database, rest: RestOverDatabase, store: JobStore) -> World:
    return World(database, rest, store)


def test_an_attempt_that_somebody_made_up_ends(world: World) -> None:
    """The number after it would be refused by the parser, again and again."""
    assert world.claim(attempt=MAX_ATTEMPT), "a message alone makes the row"
    assert world.send(stopped(143, attempt=MAX_ATTEMPT), SWEEP) == []
    assert (world.status(), world.database.job("job")["error_code"]) == ("failed", "attempts_used_up")
    assert world.sqs.calls == []


def test_a_key_that_sqs_refuses_plain_is_offered_again(world: World) -> None:
    world.run()
    world.database.service.execute("update public.jobs set s3_key = 'a\ufffe.wav'")
    assert world.send(stopped(143)) == []
    [message] = sent(world.sqs, JOBS)
    assert message["MessageBody"].isascii()
    assert parse(message["MessageBody"]).s3_key == "a\ufffe.wav"


def test_a_reason_from_the_row_is_made_fit_for_sqs(world: World) -> None:
    """The worker's sentence may quote what a tool printed."""
    for attempt in range(1, 6):
        world.run(attempt=attempt)
        world.database.service.execute(
            "select public.retry_job('job', %s, 'failure', 'x', %s, 0)", [attempt, "It said \x1b[31mno\uffff." * 100]
        )
    assert world.send(SWEEP) == []
    [letter] = sent(world.sqs, DLQ)
    reason = letter["MessageAttributes"]["reason"]["StringValue"]
    assert sqs_takes(reason)
    assert len(reason) <= 1000
    assert world.database.job("job")["dead_letter_at"] is None


ALIVE = [{"lastStatus": status, "stopCode": None} for status in ("PROVISIONING", "PENDING", "RUNNING", "STOPPING")]


@pytest.mark.parametrize("changes", ALIVE, ids=lambda changes: changes["lastStatus"])
def test_events_in_the_wrong_order_change_nothing(world: World, changes: dict[str, Any]) -> None:
    world.run()
    assert world.send(stopped(None, **changes), stopped(139), stopped(None, **changes)) == []
    before, calls = world.database.job("job"), len(world.sqs.calls)
    assert (before["status"], before["failed_attempts"]) == ("retrying", 1)
    assert world.send(stopped(None, **changes)) == []
    assert (world.database.job("job"), len(world.sqs.calls)) == (before, calls)


def test_an_older_attempt_ending_late_leaves_the_newer_alone(world: World) -> None:
    world.run()
    assert world.worker_retries("interruption") == "retrying"
    world.run(attempt=2, task_arn=TWIN)
    before, calls = world.database.job("job"), len(world.sqs.calls)
    late = [stopped(code, stopCode=stop) for code in (0, 1, 65, 66, 143, None) for stop in ("", "SpotInterruption")]
    assert world.send(*late) == []
    assert (world.database.job("job"), len(world.sqs.calls)) == (before, calls)


def test_a_task_of_another_cluster_does_not_end_ours(world: World) -> None:
    """The rule lets only our cluster's events through; should one slip in, its task is not the attempt's."""
    world.run(task_arn="arn:aws:ecs:us-east-1:1:task/tamma-dev-cluster/a")
    before = world.database.job("job")
    foreign = {"taskArn": "arn:aws:ecs:us-east-1:1:task/other/b", "clusterArn": "arn:aws:ecs:us-east-1:1:cluster/other"}
    assert world.send(stopped(65, **foreign), stopped(137, stopCode="SpotInterruption", **foreign)) == []
    assert world.database.job("job") == before
    assert world.sqs.calls == []


def test_a_task_that_a_person_stops_is_done_again_but_a_cancelled_job_is_not(world: World) -> None:
    by_hand = {"stopCode": "UserInitiated", "stoppedReason": "Task stopped by user"}
    world.run()
    world.run("cancelled", task_arn=TWIN)
    assert world.database.call(
        "fail_job", p_job_id="cancelled", p_attempt=1, p_error_code="cancelled", p_error_message="Cancelled."
    )
    assert world.send(stopped(137, **by_hand), stopped(137, "cancelled", taskArn=TWIN, **by_hand), SWEEP) == []
    assert (world.status(), world.status("cancelled")) == ("retrying", "failed")
    assert {message["MessageDeduplicationId"] for message in sent(world.sqs, JOBS)} == {"job.2"}
    assert sent(world.sqs, DLQ) == []


def test_an_end_that_nothing_explains_cannot_go_round_for_ever(world: World) -> None:
    for attempt in range(1, 6):
        world.run(attempt=attempt)
        assert world.send(stopped(None, attempt=attempt)) == []
    assert (world.status(), world.database.job("job")["failed_attempts"]) == ("failed", 5)
    assert len(sent(world.sqs, DLQ)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"containers": None},
        {"containers": ["worker"]},
        {"containers": [{"name": "sidecar"}, {"name": "worker"}]},
        {"containers": [{"name": "sidecar", "exitCode": 0}]},
        {"overrides": None},
        {"overrides": ["worker"]},
        {"overrides": {"containerOverrides": [{"environment": [{"name": "JOB_ID", "value": "job"}]}]}},
        {"stopCode": ["x"], "stoppedReason": {"a": 1}, "startedAt": 7},
        {"taskArn": {"arn": 1}},
    ],
)
def test_events_of_odd_shapes_end_in_a_clear_state(world: World, changes: dict[str, Any]) -> None:
    world.run()
    world.run("mate", task_arn=TWIN)
    assert world.send(stopped(**changes), stopped(143, "mate", taskArn=TWIN)) == []
    assert world.status() in {"running", "retrying"}
    assert world.status("mate") == "retrying", "mates of the batch are served"
