"""A database of its own with a table that has been in use for long: nearly everything in it is over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.unit.supabase.database import MIGRATIONS, bare_server

# The same number in flight at every size, so that a difference is the size's alone.
QUEUED, STARTING, RUNNING, RETRYING = 1000, 500, 2000, 500
TASK = "arn:aws:ecs:eu-central-1:123456789012:task/tamma-prod-cluster/0123456789abcdef"
IN_FLIGHT = QUEUED + STARTING + RUNNING + RETRYING
JOBS_PER_USER = 1000
# The schema that the rows are loaded into; what came later is applied to the full table, as a deployment does.
LOADED_WITH = 4

# One job every 2.88 s (30,000 a day); 3 in 100 failed. Ids and users look random, as a front end's do.
_OVER = """
insert into public.jobs (job_id, user_id, s3_key, pipeline, status, attempt, task_arn, progress, error_code,
  error_message, outputs, created_at, queued_at, starting_at, running_at, succeeded_at, failed_at, updated_at)
select id, md5('user' || n %% %(users)s)::uuid, 'uploads/' || id || '/recording.wav', 'audio-clean',
  case when failed then 'failed' else 'succeeded' end, 1,
  'arn:aws:ecs:eu-central-1:123456789012:task/tamma-prod-cluster/' || replace(id, '-', ''), 1,
  case when failed then (array['not_media', 'no_audio', 'too_long'])[1 + n %% 3] end,
  case when failed then 'The file holds no sound that we can read.' end,
  case when not failed then jsonb_build_object('job_id', id, 'attempt', 1, 'outputs', jsonb_build_object(
    'audio', jsonb_build_object('key', 'derived/' || id || '/1/audio.m4a', 'bytes', 4200000 + n,
      'sha256', md5(id) || md5(s), 'content_type', 'audio/mp4'),
    'report', jsonb_build_object('key', 'derived/' || id || '/1/report.json', 'bytes', 1800,
      'sha256', md5(s) || md5(id), 'content_type', 'application/json'))) end,
  at, at, at + interval '2 s', at + interval '40 s', case when not failed then at + interval '3 min' end,
  case when failed then at + interval '1 min' end, at + interval '3 min'
from (
  select n, n::text as s, md5('job' || n)::uuid::text as id, n %% 100 < 3 as failed,
    now() - interval '5 min' - interval '2.88 s' * (%(over)s - n) as at
  from generate_series(1, %(over)s) as n
) as job
"""

_HISTORY = """
insert into public.jobs_events (job_id, user_id, at, attempt, from_status, to_status, task_arn)
select job_id, user_id, created_at + interval '10 s' * step, (step > 0)::integer,
  (array[null, 'queued', 'starting', 'running'])[step + 1],
  (array['queued', 'starting', 'running', status])[step + 1], case when step > 1 then task_arn end
from public.jobs, generate_series(0, 3) as step
"""

_IN_FLIGHT = """
insert into public.jobs (job_id, user_id, s3_key, pipeline, status, attempt, lease_until, retry_at,
  starting_at, running_at, task_arn)
select state || '-' || n, md5('user' || n %% %(users)s)::uuid, 'uploads/' || n || '.wav', 'audio-clean', state,
  (state <> 'queued')::integer,
  case when state in ('starting', 'running') then now() + interval '1 day' - interval '1 day 1 s' * (n %% 10 = 0)::int
  end,
  case when state = 'retrying' then now() end, now(), case when state = 'running' then now() end,
  case when state in ('starting', 'running') then %(task)s end
from (values ('queued', %(queued)s), ('starting', %(starting)s), ('running', %(running)s), ('retrying', %(retrying)s))
  as wanted (state, number), generate_series(1, number) as n
"""


@dataclass(frozen=True)
class Stage:
    """A loaded database: its address, how many jobs it holds, and the seconds of loading and of upgrading it."""

    uri: str
    rows: int
    loading: float
    upgrading: float
    size: str


@contextmanager
def stage(rows: int) -> Iterator[Stage]:
    """Yield a database with ``rows`` jobs and their history; it is gone afterwards."""
    with bare_server() as uri:
        with psycopg.connect(uri, autocommit=True) as connection:
            # How fast the log reaches the disk depends on the disk and not on the number of rows.
            for setting in ("fsync = off", "synchronous_commit = off", "max_wal_size = '8GB'"):
                connection.execute(f"alter system set {setting}")
            connection.execute("select pg_reload_conf()")
            began = time.monotonic()
            _migrate(connection, upto=LOADED_WITH)
            _load(connection, rows)
            connection.execute("vacuum (analyze) public.jobs, public.jobs_events")
            loading = time.monotonic() - began
            began = time.monotonic()
            _migrate(connection, after=LOADED_WITH)
            upgrading = time.monotonic() - began
            connection.execute("vacuum (analyze) public.jobs")
            connection.execute("checkpoint")
            size = connection.execute("select pg_size_pretty(pg_database_size(current_database()))").fetchall()[0][0]
        yield Stage(uri, rows, loading, upgrading, size)


def _migrate(connection: psycopg.Connection, after: int = 0, upto: int | None = None) -> None:
    connection.execute("set role migrator")
    for migration in sorted(MIGRATIONS.glob("*.sql"))[after:upto]:
        connection.execute(migration.read_bytes())
    connection.execute("reset role")


def _load(connection: psycopg.Connection, rows: int) -> None:
    """Fill both tables without triggers and make the indexes afterwards, which takes a fraction of the time."""
    over = rows - IN_FLIGHT
    if over < IN_FLIGHT:
        raise ValueError(f"rows is {rows}, and must be at least {2 * IN_FLIGHT}: {IN_FLIGHT} are in flight.")
    numbers = {
        "over": over, "users": rows // JOBS_PER_USER,
        "queued": QUEUED, "starting": STARTING, "running": RUNNING, "retrying": RETRYING, "task": TASK,
    }  # fmt: skip
    connection.execute("set session_replication_role = replica")
    connection.execute("set maintenance_work_mem = '1GB'")
    put_back = _take_indexes_away(connection)
    for statement in (_OVER, _HISTORY, _IN_FLIGHT):
        # Values are put into the text: in a prepared statement the planner could not see how many rows it makes.
        connection.execute(psycopg.ClientCursor(connection).mogrify(statement, numbers).encode())
    for definition in put_back:
        connection.execute(definition.encode())
    connection.execute("set session_replication_role = origin")


def _take_indexes_away(connection: psycopg.Connection) -> list[str]:
    """Drop indexes and keys of both tables; return the statements that make them again, in order."""
    constraints = connection.execute(
        """select format('alter table %s drop constraint %I', conrelid::regclass, conname),
                  format('alter table %s add constraint %I %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
           from pg_constraint where conrelid in ('public.jobs'::regclass, 'public.jobs_events'::regclass)
             and contype in ('p', 'f') order by contype"""
    ).fetchall()
    for drop, _ in constraints:
        connection.execute(drop.encode())
    indexes = connection.execute(
        "select indexname, indexdef from pg_indexes where schemaname = 'public' and tablename like 'jobs%'"
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"drop index public.{name}".encode())
    return [add for _, add in reversed(constraints)] + [definition for _, definition in indexes]
