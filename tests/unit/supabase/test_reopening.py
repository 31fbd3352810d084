"""A failed job's second life, jobs whose message never came, and what operators see of both."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.unit.supabase.test_transitions import claim, enqueue, put_into, retry, start

if TYPE_CHECKING:
    from tests.unit.supabase.database import Database

HOUR = 3600


def reopen(database: Database, attempt: int, delay: int = 0) -> bool:
    return bool(database.call("reopen_job", p_job_id="job", p_attempt=attempt, p_delay_seconds=delay))


def seconds_until(moment: datetime) -> float:
    return (moment - datetime.now(UTC)).total_seconds()


def use_up_the_bound(database: Database, first: int = 1) -> None:
    """Interrupt one attempt and let two run out of memory, which is one more than a job may."""
    for attempt, reason in enumerate(["interruption", "memory", "memory"], start=first):
        assert claim(database, attempt)
        retry(database, attempt, reason)
    assert database.job("job")["status"] == "failed"


def test_reopened_job_starts_afresh_and_keeps_what_is_known_of_it(database: Database) -> None:
    use_up_the_bound(database)
    assert reopen(database, 3)
    job = database.job("job")
    assert (job["status"], job["attempt"], job["reopened"]) == ("retrying", 3, 1)
    assert (job["memory_failures"], job["failed_attempts"], job["interruptions"]) == (0, 0, 1)
    assert (job["failed_at"], job["dead_letter_at"], job["error_code"]) == (None, None, "memory")
    assert database.history("job")[-2:] == [("failed", 3), ("retrying", 3)]
    assert database.rows("due_dead_letters", p_limit=5) == []


@pytest.mark.parametrize(
    ("reason", "column", "bound"),
    [
        ("failure", "failed_attempts", 5),
        ("start_failure", "start_failures", 10),
        ("missing_input", "missing_inputs", 4),
        ("memory", "memory_failures", 2),
    ],
)
def test_reopening_counts_from_nothing_again(database: Database, reason: str, column: str, bound: int) -> None:
    for attempt in range(1, bound + 1):
        assert claim(database, attempt)
        retry(database, attempt, reason)
    assert (database.job("job")["status"], database.job("job")[column]) == ("failed", bound)
    assert reopen(database, bound)
    assert database.job("job")[column] == 0


def test_reopening_twice_reopens_once(database: Database) -> None:
    put_into(database, "failed")
    assert [reopen(database, 1), reopen(database, 1)] == [True, False]
    assert database.job("job")["reopened"] == 1


def test_reopened_job_is_offered_by_the_sweep_and_has_all_its_bounds_again(database: Database) -> None:
    use_up_the_bound(database)
    assert reopen(database, 3)
    assert [row["attempt"] for row in database.rows("due_retries", p_limit=5)] == [3]
    use_up_the_bound(database, first=4)
    assert reopen(database, 6)
    assert claim(database, 7)
    assert start(database, 7)
    assert database.call("complete_job", p_job_id="job", p_attempt=7, p_outputs=Jsonb({"a": 1}))
    assert not reopen(database, 7)
    job = database.job("job")
    assert (job["status"], job["reopened"], job["interruptions"], job["error_code"]) == ("succeeded", 2, 2, None)


def replay(database: Database, attempt: int) -> bool:
    return bool(database.call("replay_job", p_job_id="job", p_attempt=attempt))


def test_a_dead_letter_that_comes_back_reopens_its_job_once(database: Database) -> None:
    use_up_the_bound(database)
    assert not replay(database, 3)
    assert not replay(database, 5)
    assert replay(database, 4)
    assert not replay(database, 4)
    job = database.job("job")
    assert (job["status"], job["attempt"], job["reopened"]) == ("retrying", 3, 1)


def test_what_has_no_dead_letter_is_not_replayed(database: Database) -> None:
    assert claim(database, 1)
    assert database.call("fail_job", p_job_id="job", p_attempt=1, p_error_code="bad_input", p_error_message="No.")
    assert not replay(database, 2)
    assert database.job("job")["status"] == "failed"


def test_reopened_job_can_wait(database: Database) -> None:
    put_into(database, "failed")
    assert reopen(database, 1, delay=HOUR)
    assert database.rows("due_retries", p_limit=5) == []
    assert HOUR - 60 < seconds_until(database.job("job")["retry_at"]) <= HOUR


def test_job_that_failed_before_its_first_attempt_can_be_reopened(database: Database) -> None:
    enqueue(database)
    assert database.call("fail_job", p_job_id="job", p_attempt=0, p_error_code="cancelled", p_error_message="No.")
    assert reopen(database, 0)
    assert claim(database, 1)


def test_released_attempt_of_a_reopened_job_goes_back_to_retrying(database: Database) -> None:
    put_into(database, "failed")
    assert reopen(database, 1)
    assert claim(database, 2)
    assert database.call("release_job", p_job_id="job", p_attempt=2)
    assert (database.job("job")["status"], database.job("job")["attempt"]) == ("retrying", 1)


@pytest.mark.parametrize("state", ["queued", "starting", "running", "retrying"])
def test_only_a_reopening_is_counted_as_one(database: Database, state: str) -> None:
    put_into(database, state)
    with pytest.raises(psycopg.errors.CheckViolation, match=f"is {state}: only a failed job can be reopened"):
        database.service.execute("update public.jobs set reopened = 1")


def test_new_row_is_offered_after_an_hour_and_then_every_hour(database: Database) -> None:
    enqueue(database)
    assert HOUR - 60 < seconds_until(database.job("job")["retry_at"]) <= HOUR
    assert database.rows("due_retries", p_limit=5) == []
    database.make_due("job")
    assert [row["status"] for row in database.rows("due_retries", p_limit=5, p_hold_seconds=60)] == ["queued"]
    assert HOUR - 60 < seconds_until(database.job("job")["retry_at"]) <= HOUR
    assert claim(database)
    assert database.job("job")["retry_at"] is None


def test_front_end_may_say_when_its_row_is_offered(database: Database) -> None:
    database.service.execute(
        "insert into public.jobs (job_id, s3_key, retry_at) values ('job', 'a.wav', now()), ('null', 'b.wav', null)"
    )
    assert [row["job_id"] for row in database.rows("due_retries", p_limit=5)] == ["job"]


def test_released_first_attempt_is_offered_after_the_hold(database: Database) -> None:
    enqueue(database)
    assert claim(database)
    assert database.call("release_job", p_job_id="job", p_attempt=1, p_hold_seconds=300)
    assert 240 < seconds_until(database.job("job")["retry_at"]) <= 300


@pytest.mark.parametrize("function", ["due_retries", "due_dead_letters"])
def test_limit_holds_whatever_plan_is_chosen(database: Database, function: str) -> None:
    database.service.execute(
        """insert into public.jobs (job_id, s3_key, retry_at)
             select 'queued-' || n, 'a.wav', now() from generate_series(1, 30) as n;
           insert into public.jobs (job_id, s3_key, status, error_code, error_message, dead_letter_at)
             select 'failed-' || n, 'a.wav', 'failed', 'x', 'No.', now() from generate_series(1, 30) as n"""
    )
    with database.service.transaction():
        # What the planner chooses on its own changes with statistics; this leaves it a nested loop, which reads twice.
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material"):
            database.service.execute(f"set local enable_{way} = off")
        assert len(database.rows(function, p_limit=3)) == 3


def overview(database: Database) -> dict[str, Any]:
    answer: dict[str, Any] = database.call("jobs_overview", p_hours=24)
    return answer


def test_overview_of_an_empty_table(database: Database) -> None:
    answer = overview(database)
    assert {value for value in answer.values() if isinstance(value, int)} == {0, 24}
    assert (answer["oldest_waiting"], answer["longest_running"], answer["failures"]) == (None, None, {})


def test_overview_tells_what_is_in_flight_and_what_failed_lately(database: Database) -> None:
    database.service.execute(
        """insert into public.jobs (job_id, s3_key, queued_at) values
             ('waits', 'a.wav', '2026-01-02T00:00:00Z'), ('waits-longer', 'a.wav', '2026-01-01T00:00:00Z');
           insert into public.jobs (job_id, s3_key, status, error_code, error_message, failed_at) values
             ('bad-1', 'a.wav', 'failed', 'not_media', 'No.', now()),
             ('bad-2', 'a.wav', 'failed', 'not_media', 'No.', now()),
             ('bad-3', 'a.wav', 'failed', 'cancelled', 'No.', now()),
             ('long-ago', 'a.wav', 'failed', 'cancelled', 'No.', now() - interval '25 hours')"""
    )
    claim(database)
    retry(database, 1, "interruption")
    claim(database, 2)
    start(database, 2)
    claim(database, job_id="starting")
    answer = overview(database)
    states = {state: answer[state] for state in ("queued", "starting", "running", "retrying")}
    assert states == {"queued": 2, "starting": 1, "running": 1, "retrying": 0}
    assert (answer["retried"], answer["interrupted"], answer["expired_leases"]) == (1, 1, 0)
    assert answer["oldest_waiting"]["job_id"] == "waits-longer"
    assert datetime.fromisoformat(answer["oldest_waiting"]["since"]) == datetime(2026, 1, 1, tzinfo=UTC)
    assert (answer["longest_running"]["job_id"], answer["longest_running"]["attempt"]) == ("job", 2)
    assert answer["failures"] == {"not_media": 2, "cancelled": 1}


def test_overview_counts_what_waits_for_the_sweep(database: Database) -> None:
    use_up_the_bound(database)
    claim(database, job_id="silent")
    database.make_due("silent")
    answer = overview(database)
    assert (answer["expired_leases"], answer["pending_dead_letters"]) == (1, 1)
    assert reopen(database, 3)
    answer = overview(database)
    assert (answer["reopened"], answer["retrying"], answer["pending_dead_letters"]) == (1, 1, 0)
    since = datetime.fromisoformat(answer["oldest_waiting"]["since"])
    assert datetime.now(UTC) - since < timedelta(minutes=1)
