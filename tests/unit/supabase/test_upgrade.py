"""Migrations on a database that has been in use: nothing is lost, and what waits gets its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.rows import dict_row

from tests.unit.supabase.database import MIGRATIONS, bare_server

if TYPE_CHECKING:
    from collections.abc import Iterator

Connection = psycopg.Connection[dict[str, Any]]


@pytest.fixture(scope="module")
def upgraded() -> Iterator[Connection]:
    """Yield a connection to a database that held rows in every state when 0005 came."""
    with bare_server() as uri, psycopg.connect(uri, autocommit=True, row_factory=dict_row) as connection:
        connection.execute("set role migrator")
        migrations = sorted(MIGRATIONS.glob("*.sql"))
        for migration in migrations[:4]:
            connection.execute(migration.read_bytes())
        connection.execute(
            """insert into public.jobs (job_id, s3_key) values ('queued', 'a.wav');
               insert into public.jobs (job_id, s3_key, status, attempt, lease_until) values
                 ('starting', 'a.wav', 'starting', 1, now()), ('running', 'a.wav', 'running', 1, now());
               insert into public.jobs (job_id, s3_key, status, retry_at) values
                 ('retrying', 'a.wav', 'retrying', now());
               insert into public.jobs (job_id, s3_key, status, attempt, outputs) values
                 ('succeeded', 'a.wav', 'succeeded', 1, '{}');
               insert into public.jobs (job_id, s3_key, status, error_code, error_message, failed_at) values
                 ('failed', 'a.wav', 'failed', 'x', 'No.', now())"""
        )
        for migration in migrations[4:]:
            connection.execute(migration.read_bytes())
        yield connection


def test_every_row_is_as_it_was(upgraded: Connection) -> None:
    rows = upgraded.execute("select job_id, status, reopened from public.jobs").fetchall()
    assert len(rows) == 6
    assert all((row["job_id"], row["reopened"]) == (row["status"], 0) for row in rows)
    events = upgraded.execute("select count(*) as events from public.jobs_events").fetchone()
    assert events == {"events": 6}


def test_rows_that_wait_have_a_time_and_no_others(upgraded: Connection) -> None:
    rows = upgraded.execute(
        "select job_id, retry_at > now() + interval '50 minutes' as later from public.jobs where retry_at is not null"
    ).fetchall()
    assert {row["job_id"]: row["later"] for row in rows} == {"queued": True, "retrying": False}


def test_old_rows_live_on(upgraded: Connection) -> None:
    with upgraded.transaction(force_rollback=True):
        answer = upgraded.execute(
            """select public.reopen_job('failed', 0) as reopened,
                      public.claim_job('queued', 1, 'a.wav', 'audio-clean', null, 60) as claimed,
                      public.complete_job('running', 1, '{}') as completed,
                      public.release_job('starting', 1) as released"""
        ).fetchone()
    assert answer == {"reopened": True, "claimed": True, "completed": True, "released": True}
