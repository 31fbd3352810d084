"""Every transition on real PostgreSQL: when it wins, when it loses, what it leaves in the row."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

if TYPE_CHECKING:
    from tests.unit.supabase.database import Database

TASK = "arn:aws:ecs:us-east-1:000000000000:task/tamma-dev-cluster/1"
TWIN = "arn:aws:ecs:us-east-1:000000000000:task/tamma-dev-cluster/2"


def claim(database: Database, attempt: int = 1, job_id: str = "job", **changes: Any) -> bool:
    arguments: dict[str, Any] = {
        "p_job_id": job_id,
        "p_attempt": attempt,
        "p_s3_key": "uploads/talk.wav",
        "p_pipeline": "audio-clean",
        "p_preset": None,
        "p_lease_seconds": 600,
    } | changes
    return bool(database.call("claim_job", **arguments))


def start(database: Database, attempt: int = 1, task: str = TASK) -> bool:
    return bool(database.call("start_job", p_job_id="job", p_attempt=attempt, p_task_arn=task, p_lease_seconds=120))


def retry(database: Database, attempt: int, reason: str, delay: int = 0, task: str | None = None) -> str:
    return str(
        database.call(
            "retry_job",
            p_job_id="job",
            p_attempt=attempt,
            p_reason=reason,
            p_error_code=None,
            p_error_message="It did not work.",
            p_delay_seconds=delay,
            p_task_arn=task,
        )
    )


def enqueue(database: Database) -> None:
    database.service.execute("insert into public.jobs (job_id, s3_key) values ('job', 'uploads/talk.wav')")


def put_into(database: Database, state: str) -> None:
    """Bring job "job" into a state by the ordinary transitions; attempt is 1 (0 when queued)."""
    if state == "queued":
        enqueue(database)
        return
    assert claim(database)
    if state == "starting":
        return
    assert start(database)
    if state == "succeeded":
        assert database.call("complete_job", p_job_id="job", p_attempt=1, p_outputs=Jsonb({"a": 1}))
    elif state == "failed":
        assert database.call("fail_job", p_job_id="job", p_attempt=1, p_error_code="x", p_error_message="No.")
    elif state == "retrying":
        assert retry(database, 1, "failure") == "retrying"


CALLS: dict[str, dict[str, Any]] = {
    "release_job": {"p_attempt": 1},
    "attach_task": {"p_attempt": 1, "p_task_arn": TASK},
    "start_job": {"p_attempt": 1, "p_task_arn": TWIN, "p_lease_seconds": 9},
    "heartbeat_job": {"p_attempt": 1, "p_task_arn": TASK, "p_progress": 0.5, "p_lease_seconds": 9},
    "complete_job": {"p_attempt": 1, "p_outputs": Jsonb({})},
    "fail_job": {"p_attempt": 1, "p_error_code": "x", "p_error_message": "No."},
    "retry_job": {
        "p_attempt": 1,
        "p_reason": "failure",
        "p_error_code": "x",
        "p_error_message": "No.",
        "p_delay_seconds": 0,
    },
    "reopen_job": {"p_attempt": 1},
}
WINS = {
    "release_job": {"starting"},
    "attach_task": {"starting", "running"},
    "start_job": {"starting"},
    "heartbeat_job": {"running"},
    "complete_job": {"starting", "running"},
    "fail_job": {"starting", "running", "retrying"},
    "retry_job": {"starting", "running"},
    "reopen_job": {"failed"},
}
STATES = ("queued", "starting", "running", "retrying", "succeeded", "failed")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("function", CALLS)
def test_transition_wins_only_where_the_contract_says(database: Database, function: str, state: str) -> None:
    put_into(database, state)
    before = database.job("job")

    answer = database.call(function, p_job_id="job", **CALLS[function])

    won = answer not in {False, "lost"}
    assert won == (state in WINS[function])
    assert won or database.job("job") == before, "a call that lost must not change anything"


@pytest.mark.parametrize("attempt", [0, 2, 7])
@pytest.mark.parametrize("function", CALLS)
@pytest.mark.parametrize("state", ["starting", "running", "failed"])
def test_another_attempt_never_wins(database: Database, function: str, attempt: int, state: str) -> None:
    put_into(database, state)
    assert database.call(function, p_job_id="job", **(CALLS[function] | {"p_attempt": attempt})) in {False, "lost"}


@pytest.mark.parametrize("function", CALLS)
def test_a_job_that_does_not_exist_is_lost(database: Database, function: str) -> None:
    assert database.call(function, p_job_id="nobody", **CALLS[function]) in {False, "lost"}


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("attempt", [1, 2])
def test_claim(database: Database, state: str, attempt: int) -> None:
    put_into(database, state)
    assert claim(database, attempt) == ((state, attempt) in {("queued", 1), ("retrying", 2)})


def test_claim_makes_a_missing_row_and_writes_what_the_message_says(database: Database) -> None:
    told = {
        "p_pipeline": "video",
        "p_preset": "podcast",
        "p_s3_key": "uploads/ü 😀.mp4",
        "p_overrides": '{"hum": true}',
    }
    assert claim(database, **told)
    job = database.job("job")
    assert job["overrides"] == {"hum": True}
    assert (job["status"], job["attempt"], job["pipeline"], job["preset"], job["s3_key"]) == (
        "starting",
        1,
        "video",
        "podcast",
        "uploads/ü 😀.mp4",
    )
    assert 590 < (job["lease_until"] - datetime.now(UTC)).total_seconds() <= 600
    assert database.history("job") == [("starting", 1)]


def test_claim_forgets_the_last_attempt(database: Database) -> None:
    put_into(database, "retrying")
    assert claim(database, 2)
    job = database.job("job")
    assert (job["task_arn"], job["error_code"], job["error_message"], job["progress"], job["retry_at"]) == (
        None,
        None,
        None,
        0,
        None,
    )


def test_release_goes_back_to_where_the_attempt_came_from(database: Database) -> None:
    enqueue(database)
    assert claim(database)
    assert database.call("release_job", p_job_id="job", p_attempt=1)
    assert (database.job("job")["status"], database.job("job")["attempt"]) == ("queued", 0)
    assert claim(database)
    assert retry(database, 1, "interruption") == "retrying"
    assert claim(database, 2)
    assert database.call("release_job", p_job_id="job", p_attempt=2)
    job = database.job("job")
    assert (job["status"], job["attempt"], job["failed_attempts"], job["interruptions"]) == ("retrying", 1, 0, 1)
    assert job["retry_at"] > datetime.now(UTC)
    assert claim(database, 2)


def test_first_task_stays_attached_until_a_twin_wins_the_start(database: Database) -> None:
    put_into(database, "starting")
    assert database.call("attach_task", p_job_id="job", p_attempt=1, p_task_arn=TASK)
    assert not database.call("attach_task", p_job_id="job", p_attempt=1, p_task_arn=TWIN)
    assert start(database, task=TWIN)
    assert database.job("job")["task_arn"] == TWIN
    assert not start(database, task=TASK)
    assert not database.call("attach_task", p_job_id="job", p_attempt=1, p_task_arn=TASK)


def test_owner_that_asks_again_wins_again(database: Database) -> None:
    put_into(database, "running")
    first = database.job("job")["running_at"]
    assert start(database)
    assert database.job("job")["running_at"] == first
    assert database.history("job") == [("starting", 1), ("running", 1)]


def test_heartbeat_extends_the_lease_and_progress_never_goes_back(database: Database) -> None:
    put_into(database, "running")
    for told, stored in ((0.25, 0.25), (0.1, 0.25), (None, 0.25), (7, 1.0)):
        assert database.call(
            "heartbeat_job", p_job_id="job", p_attempt=1, p_task_arn=TASK, p_progress=told, p_lease_seconds=1000
        )
        assert database.job("job")["progress"] == stored
    assert (database.job("job")["lease_until"] - datetime.now(UTC)).total_seconds() > 900
    assert not database.call(
        "heartbeat_job", p_job_id="job", p_attempt=1, p_task_arn=TWIN, p_progress=1, p_lease_seconds=1000
    )
    assert len(database.history("job")) == 2


@pytest.mark.parametrize(
    ("reason", "column", "events"),
    [
        ("failure", "failed_attempts", 5),
        ("start_failure", "start_failures", 10),
        ("missing_input", "missing_inputs", 4),  # three waits, then the end
        ("memory", "memory_failures", 2),  # one larger size, then the end
    ],
)
def test_bounds(database: Database, reason: str, column: str, events: int) -> None:
    for attempt in range(1, events + 1):
        assert claim(database, attempt)
        assert retry(database, attempt, reason) == ("failed" if attempt == events else "retrying")
    job = database.job("job")
    assert (job["status"], job[column], job["error_code"], job["error_message"]) == (
        "failed",
        events,
        reason,
        "It did not work.",
    )
    assert job["dead_letter_at"] is not None


def test_interruptions_have_no_bound(database: Database) -> None:
    for attempt in range(1, 31):
        assert claim(database, attempt)
        assert retry(database, attempt, "interruption") == "retrying"
    assert database.job("job")["interruptions"] == 30


def test_counted_attempts_of_all_kinds_share_the_bound_of_five(database: Database) -> None:
    reasons = ["failure", "missing_input", "memory", "missing_input", "interruption", "start_failure", "failure"]
    outcomes = []
    for attempt, reason in enumerate(reasons, start=1):
        assert claim(database, attempt)
        outcomes.append(retry(database, attempt, reason))
    assert outcomes == ["retrying"] * 6 + ["failed"]


def test_retry_and_fail_for_a_task_leave_the_attempt_of_its_twin_alone(database: Database) -> None:
    put_into(database, "running")
    assert retry(database, 1, "interruption", task=TWIN) == "lost"
    assert not database.call(
        "fail_job", p_job_id="job", p_attempt=1, p_error_code="x", p_error_message="No.", p_task_arn=TWIN
    )
    assert retry(database, 1, "interruption", task=TASK) == "retrying"


def test_retry_with_an_unknown_reason_is_refused_in_words(database: Database) -> None:
    put_into(database, "running")
    with pytest.raises(psycopg.DataError, match="p_reason is boredom, and must be"):
        retry(database, 1, "boredom")


def test_due_retries_hands_each_row_out_once_per_hold(database: Database) -> None:
    put_into(database, "retrying")
    assert [row["job_id"] for row in database.rows("due_retries", p_limit=5)] == ["job"]
    assert database.rows("due_retries", p_limit=5) == []
    database.make_due("job")
    assert [row["attempt"] for row in database.rows("due_retries", p_limit=5)] == [1]


def test_a_delayed_retry_is_not_due_yet(database: Database) -> None:
    put_into(database, "running")
    assert retry(database, 1, "failure", delay=3600) == "retrying"
    assert database.rows("due_retries", p_limit=5) == []


def test_expired_jobs_are_those_whose_lease_ran_out(database: Database) -> None:
    put_into(database, "running")
    claim(database, job_id="alive")
    assert database.rows("expired_jobs", p_limit=5) == []
    database.make_due("job")
    assert [row["job_id"] for row in database.rows("expired_jobs", p_limit=5)] == ["job"]


def test_dead_letter_is_due_until_it_is_confirmed(database: Database) -> None:
    for attempt in (1, 2):
        assert claim(database, attempt)
        retry(database, attempt, "memory")
    assert [row["job_id"] for row in database.rows("due_dead_letters", p_limit=5)] == ["job"]
    assert database.rows("due_dead_letters", p_limit=5) == []
    database.make_due("job")
    assert len(database.rows("due_dead_letters", p_limit=5)) == 1
    assert database.call("dead_letter_sent", p_job_id="job", p_attempt=2)
    assert not database.call("dead_letter_sent", p_job_id="job", p_attempt=2)
    database.make_due("job")
    assert database.rows("due_dead_letters", p_limit=5) == []


@pytest.mark.parametrize("state", ["succeeded", "failed"])
@pytest.mark.parametrize(
    "change",
    [
        "status = 'queued', outputs = null, retry_at = now()",
        "status = 'retrying', outputs = null, retry_at = now()",
        "status = 'retrying', outputs = null, retry_at = now(), reopened = 2",
        "status = 'retrying', outputs = null, retry_at = now(), reopened = 1, attempt = 0",
        "status = 'queued', outputs = null, retry_at = now(), reopened = 1",
        "attempt = 9",
        "reopened = 1",
    ],
)
def test_no_writer_leaves_a_terminal_state(database: Database, state: str, change: str) -> None:
    put_into(database, state)
    with pytest.raises(psycopg.errors.CheckViolation, match=f"has already {state}"):
        database.service.execute(f"update public.jobs set {change}")  # noqa: S608 constants above


@pytest.mark.parametrize(
    "values",
    [
        {"job_id": ""},
        {"job_id": "-a"},
        {"job_id": "a/b"},
        {"job_id": "a" * 129},
        {"job_id": "a\n"},
        {"job_id": "é"},
        {"s3_key": ""},
        {"s3_key": "/a"},
        {"s3_key": "a/../b"},
        {"s3_key": ".."},
        {"s3_key": "é" * 513},
        {"s3_key": "a\tb"},
        {"s3_key": "a\x85b"},
        {"pipeline": "shell"},
        {"preset": "A B"},
        {"overrides": "[]"},
        {"overrides": '"podcast"'},
        {"overrides": f'{{"hum": "{"x" * 5000}"}}'},
        {"status": "done"},
        {"attempt": -1},
        {"status": "running", "attempt": 1},
        {"status": "retrying"},
        {"status": "failed", "error_code": "x", "error_message": "No.", "retry_at": "2026-11-01T00:00:00Z"},
        {"reopened": -1},
        {"progress": 1.5},
        {"status": "failed"},
        {"status": "succeeded", "attempt": 1},
        {"interruptions": -1},
    ],
)
def test_rows_outside_the_contract_are_refused(database: Database, values: dict[str, Any]) -> None:
    row = {"job_id": "job", "s3_key": "uploads/a.wav"} | values
    columns, places = ", ".join(row), ", ".join(f"%({name})s" for name in row)
    query = f"insert into public.jobs ({columns}) values ({places})"  # noqa: S608 constants above
    with pytest.raises(psycopg.errors.CheckViolation):
        database.service.execute(query, row)


@pytest.mark.parametrize("round_number", range(5))
def test_concurrent_claims_have_exactly_one_winner(database: Database, round_number: int) -> None:
    if round_number % 2:
        enqueue(database)  # else the claims race to insert the row
    threads = 8
    gate = threading.Barrier(threads)

    def race(_: int) -> bool:
        connection = database.connect("service_role")
        gate.wait()
        with connection:
            return claim(database, on=connection)

    with ThreadPoolExecutor(threads) as pool:
        assert sorted(pool.map(race, range(threads))) == [False] * (threads - 1) + [True]


def test_overrides_of_the_row_stay_when_a_message_brings_none(database: Database) -> None:
    """A function of the release before claims without naming them."""
    assert claim(database, p_overrides='{"hum": false}')
    assert start(database)
    assert retry(database, 1, "interruption") == "retrying"
    assert claim(database, 2)
    assert database.job("job")["overrides"] == {"hum": False}
