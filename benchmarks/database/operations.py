"""What is measured: each call of the system, on rows that it finds as it does in production."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from benchmarks.database.stage import TASK

CLAIM = "select public.claim_job(%s, 1, 'uploads/a.wav', 'audio-clean', null, 600)"
START = "select public.start_job(%s, 1, %s, 120)"
HEARTBEAT = "select public.heartbeat_job(%s, 1, %s, 0.5, 120)"
COMPLETE = "select public.complete_job(%s, 1, '{\"outputs\": {}}')"
RETRY = "select public.retry_job(%s, 1, 'failure', null, 'It did not work.', 30)"
REOPEN = "select public.reopen_job(%s, 1)"
MY_JOBS = "select * from public.jobs order by created_at desc limit 50"
# A hold of nothing: what was handed out is due again for the next call, so that every call finds a full page.
DUE_RETRIES = "select * from public.due_retries(100, 0)"
DUE_DEAD_LETTERS = "select * from public.due_dead_letters(100, 0)"

Connection = psycopg.Connection[tuple[Any, ...]]


@dataclass(frozen=True)
class Operation:
    """One statement, and the arguments of each of its calls; ``as_users``: called as these signed-in users."""

    name: str
    statement: str
    arguments: Sequence[Sequence[object]]
    as_users: bool = False


def operations(admin: Connection, calls: int) -> Iterator[Operation]:
    """Yield the operations in the order of a job's life; each looks for its rows when the one before it is done."""
    new = [str(uuid.uuid4()) for _ in range(calls)]
    waiting = _ids(admin, "status = 'queued'", calls)
    failed = _ids(admin, "status = 'failed' and dead_letter_at is null", calls)
    yield Operation("claim_job, new row", CLAIM, [[job_id] for job_id in new])
    yield Operation("claim_job, queued row", CLAIM, [[job_id] for job_id in waiting])
    yield Operation("start_job", START, [[job_id, TASK] for job_id in waiting])
    yield Operation("heartbeat_job", HEARTBEAT, [[job_id, TASK] for job_id in waiting])
    yield Operation("complete_job", COMPLETE, [[job_id] for job_id in waiting])
    yield Operation("retry_job", RETRY, [[job_id] for job_id in new])
    yield Operation("reopen_job", REOPEN, [[job_id] for job_id in failed])
    # Back to where they were: the smaller table has few that failed.
    admin.execute(
        "update public.jobs set status = 'failed', retry_at = null, failed_at = now() where job_id = any(%s)", [failed]
    )
    yield Operation("expired_jobs, 100 rows", "select * from public.expired_jobs(100)", [[]] * calls)
    yield Operation("due_retries, 100 rows", DUE_RETRIES, [[]] * calls)
    _make_dead_letters_due(admin)
    yield Operation("due_dead_letters, 100 rows", DUE_DEAD_LETTERS, [[]] * calls)
    admin.execute("update public.jobs set dead_letter_at = null where dead_letter_at is not null")
    yield Operation("jobs_overview", "select public.jobs_overview()", [[]] * calls)
    yield Operation("my jobs, newest 50 (RLS)", MY_JOBS, [[user] for user in _users(admin, calls)], as_users=True)


def latencies(connection: Connection, operation: Operation) -> list[float]:
    """Return the milliseconds of each call, from its sending to its answer on a local socket."""
    connection.execute("set role authenticated" if operation.as_users else "set role service_role")
    measured: list[float] = []
    if not operation.arguments:
        raise RuntimeError(f"{operation.name}: there is no row to measure it with.")
    for arguments in operation.arguments:
        values = arguments
        if operation.as_users:
            claims = "select set_config('request.jwt.claims', json_build_object('sub', %s::text)::text, false)"
            connection.execute(claims, arguments)
            values = []
        began = time.perf_counter()
        rows = connection.execute(operation.statement.encode(), values, prepare=True).fetchall()
        measured.append((time.perf_counter() - began) * 1000)
        if not rows or rows[0][0] is False or rows[0][0] == "lost":
            raise RuntimeError(f"{operation.name} found nothing to do: it measured no work.")
    return measured


def _ids(admin: Connection, condition: str, number: int) -> list[str]:
    query = f"select job_id from public.jobs where {condition} order by random() limit %s"  # noqa: S608 our own text
    return [row[0] for row in admin.execute(query.encode(), [number])]


def _users(admin: Connection, number: int) -> list[str]:
    query = "select user_id::text from public.jobs tablesample system_rows(%s) where user_id is not null"
    admin.execute("create extension if not exists tsm_system_rows")
    users = [row[0] for row in admin.execute(query, [number])]
    return (users * number)[:number]


def _make_dead_letters_due(admin: Connection) -> None:
    admin.execute(
        """update public.jobs set dead_letter_at = now() where job_id in (
             select job_id from public.jobs where status = 'failed' order by failed_at desc limit 100)"""
    )
