"""Retrying and cancelling a job: the row decides, the task follows, and a second time changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.contract.emulators import Emulator
from tests.contract.operating import CLUSTER, Operated
from tests.unit.supabase.conftest import database, database_server  # noqa: F401 the fixtures of the schema's tests
from tests.unit.supabase.database import Database


@pytest.fixture
def operated(
    emulator: Callable[[str], Emulator],
    database: Database,  # noqa: F811 the fixture, not the import
    monkeypatch: pytest.MonkeyPatch,
) -> Operated:
    return Operated(emulator("ministack"), database, monkeypatch)


def _queue(operated: Operated, job_id: str, key: str = "uploads/talk.wav") -> None:
    operated.database.admin.execute("insert into public.jobs (job_id, s3_key) values (%s, %s)", [job_id, key])


def _start(operated: Operated, job_id: str) -> str:
    """Let a job run in a task of the cluster; without an engine behind it a task runs for ever."""
    operated.ecs.register_task_definition(
        family="t", containerDefinitions=[{"name": "worker", "image": "t", "memory": 512}]
    )
    task = operated.ecs.run_task(cluster=CLUSTER, taskDefinition="t", startedBy=job_id)["tasks"][0]["taskArn"]
    operated.claim(job_id, 1)
    assert operated.database.call("start_job", p_job_id=job_id, p_attempt=1, p_task_arn=task, p_lease_seconds=600)
    return str(task)


def _task_wanted(operated: Operated, task: str) -> str:
    return str(operated.ecs.describe_tasks(cluster=CLUSTER, tasks=[task])["tasks"][0]["desiredStatus"])


def test_a_running_job_is_cancelled_with_its_task_and_only_once(operated: Operated) -> None:
    task = _start(operated, "talk")
    preview = operated.operate("cancelled", "talk", check=True)
    assert preview.changed
    assert preview.differs == {"status", "error_code", "error_message", "task_wanted"}
    assert (operated.database.job("talk")["status"], _task_wanted(operated, task)) == ("running", "RUNNING")
    outcome = operated.operate("cancelled", "talk", reason="You asked us to stop.")
    assert outcome.result["report"] == ["Job talk: running in attempt 1, 0 % done → failed in attempt 1 (cancelled)."]
    job = operated.database.job("talk")
    assert (job["status"], job["error_code"], job["error_message"]) == ("failed", "cancelled", "You asked us to stop.")
    assert _task_wanted(operated, task) == "STOPPED"
    assert not operated.operate("cancelled", "talk").changed
    # The worker's own end, and a message that is still under way, find the job over.
    assert operated.database.call(
        "retry_job", p_job_id="talk", p_attempt=1, p_reason="interruption", p_error_code=None, p_error_message=None,
        p_delay_seconds=0, p_task_arn=task,
    ) == "lost"  # fmt: skip
    assert operated.database.history("talk")[-1] == ("failed", 1)


def test_a_task_that_a_killed_cancellation_left_running_is_stopped_by_the_next(operated: Operated) -> None:
    task = _start(operated, "talk")
    operated.database.call("fail_job", p_job_id="talk", p_attempt=1, p_error_code="cancelled", p_error_message="No.")
    outcome = operated.operate("cancelled", "talk")
    assert outcome.differs == {"task_wanted"}
    assert _task_wanted(operated, task) == "STOPPED"
    assert not operated.operate("cancelled", "talk").changed


def test_a_queued_job_is_cancelled_and_its_message_starts_nothing(operated: Operated) -> None:
    _queue(operated, "talk")
    assert operated.operate("cancelled", "talk").resource["status"] == "failed"
    assert not operated.database.call(
        "claim_job", p_job_id="talk", p_attempt=1, p_s3_key="uploads/talk.wav", p_pipeline="audio-clean",
        p_preset=None, p_lease_seconds=600,
    )  # fmt: skip


def test_a_job_whose_attempt_changes_meanwhile_is_cancelled_all_the_same(
    operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    _queue(operated, "talk")
    answer = operated.rest.handle_request
    attempts = iter((1,))

    def claimed_first(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("fail_job"):
            for attempt in attempts:
                operated.claim("talk", attempt)
        return answer(request)

    monkeypatch.setattr(operated.rest, "handle_request", claimed_first)
    outcome = operated.operate("cancelled", "talk")
    assert (outcome.resource["status"], outcome.resource["attempt"]) == ("failed", 1)
    assert [call for call in operated.rest.calls if call.endswith("fail_job")] == ["rpc/fail_job"] * 2


def test_a_job_that_succeeds_while_it_is_being_cancelled_stays_done(
    operated: Operated, monkeypatch: pytest.MonkeyPatch
) -> None:
    _start(operated, "talk")
    answer = operated.rest.handle_request

    def done_first(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("fail_job"):
            operated.database.call("complete_job", p_job_id="talk", p_attempt=1, p_outputs="{}")
        return answer(request)

    monkeypatch.setattr(operated.rest, "handle_request", done_first)
    outcome = operated.operate("cancelled", "talk")
    assert outcome.failed
    assert "it changed while it was being cancelled, and is succeeded" in outcome.message


def test_a_failed_job_is_retried_once_with_all_its_attempts(operated: Operated) -> None:
    operated.use_up("talk")
    assert operated.operate("retried", "talk", check=True).after["status"] == "retrying"
    assert operated.database.job("talk")["status"] == "failed"
    outcome = operated.operate("retried", "talk")
    assert outcome.result["report"] == ["Job talk: failed in attempt 5 (crashed) → waiting for attempt 6."]
    assert not operated.operate("retried", "talk").changed
    assert [(it["job_id"], it["attempt"]) for it in operated.sent()] == [("talk", 6)]
    job = operated.database.job("talk")
    assert (job["status"], job["attempt"], job["failed_attempts"], job["reopened"]) == ("retrying", 5, 0, 1)


def test_a_retry_that_is_killed_before_its_message_is_offered_by_the_sweep(operated: Operated) -> None:
    operated.use_up("talk")
    operated.sqs.delete_queue(QueueUrl=operated.jobs)  # so that it cannot even begin
    outcome = operated.operate("retried", "talk")
    assert outcome.failed
    assert "there is no queue t-jobs.fifo" in outcome.message
    assert operated.database.job("talk")["status"] == "failed"
    assert operated.database.call("reopen_job", p_job_id="talk", p_attempt=5)
    assert [row["job_id"] for row in operated.database.rows("due_retries", p_limit=10)] == ["talk"]


def test_a_job_that_never_ran_is_retried_in_the_pipeline_of_its_file(operated: Operated) -> None:
    _queue(operated, "film", "uploads/film.mp4")
    operated.operate("cancelled", "film")
    operated.operate("retried", "film")
    assert [(it["attempt"], it["pipeline"]) for it in operated.sent()] == [(1, "video")]


def test_a_job_that_is_under_way_is_left_alone(operated: Operated) -> None:
    _start(operated, "talk")
    outcome = operated.operate("retried", "talk")
    assert not outcome.changed
    assert outcome.result["report"] == ["Job talk: running in attempt 1, 0 % done."]
    assert operated.sent() == []


@pytest.mark.parametrize(
    ("state", "job_id", "words"),
    [
        ("retried", "done", "it is done, and its result is published; send its file as a new job"),
        ("cancelled", "done", "it is over (succeeded), so that nothing is left to cancel"),
        ("cancelled", "broken", "it is over (failed in attempt 1 (bad_input)), so that nothing is left to cancel"),
        ("retried", "nobody", "there is no such job in this environment; check the id"),
        ("retried", "", "which one is not said; add -e job_id=THE-JOB"),
        ("cancelled", "../x\n", "a job id has 1-128 of the characters A-Z a-z 0-9 . _ -"),
        ("cancelled", "x" * 129, "a job id has 1-128 of the characters A-Z a-z 0-9 . _ -"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(operated: Operated, state: str, job_id: str, words: str) -> None:
    for name in ("done", "broken"):
        operated.claim(name, 1)
    operated.database.call("complete_job", p_job_id="done", p_attempt=1, p_outputs="{}")
    operated.database.call("fail_job", p_job_id="broken", p_attempt=1, p_error_code="bad_input", p_error_message="No.")
    outcome: Any = operated.operate(state, job_id)
    assert outcome.failed
    assert words in outcome.message
    assert "\n" not in outcome.message
