"""Who sees and changes what: row-level security and grants, on real PostgreSQL."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

if TYPE_CHECKING:
    from tests.unit.supabase.database import Database

ALICE = "00000000-0000-4000-8000-00000000000a"
BOB = "00000000-0000-4000-8000-00000000000b"


@pytest.fixture(autouse=True)
def jobs(database: Database) -> None:
    database.service.execute(
        "insert into public.jobs (job_id, s3_key, user_id) values ('hers', 'a.wav', %s), ('his', 'b.wav', %s),"
        " ('nobodys', 'c.wav', null)",
        [ALICE, BOB],
    )


@pytest.mark.parametrize("table", ["jobs", "jobs_events"])
def test_signed_in_user_sees_own_rows_only(database: Database, table: str) -> None:
    query = f"select job_id from public.{table}"  # noqa: S608 the names above
    with database.connect("authenticated", ALICE) as session:
        assert session.execute(query).fetchall() == [{"job_id": "hers"}]
    with database.connect("authenticated") as stranger:
        assert stranger.execute(query).fetchall() == []


@pytest.mark.parametrize("role", ["anon", "authenticated"])
@pytest.mark.parametrize(
    "statement",
    [
        "insert into public.jobs (job_id, s3_key, user_id) values ('mine', 'd.wav', auth.uid())",
        "update public.jobs set preset = 'podcast'",
        "delete from public.jobs",
        "truncate public.jobs cascade",
        "insert into public.jobs_events (job_id, attempt, to_status) values ('hers', 1, 'failed')",
        "select public.fail_job('hers', 0, 'x', 'x')",
        "select public.claim_job('hers', 1, 'a.wav', 'audio-clean', null, 60)",
        "select * from public.expired_jobs(1)",
        "select public.reopen_job('hers', 0)",
        "select public.jobs_overview()",
    ],
)
def test_only_the_service_role_writes(database: Database, role: str, statement: str) -> None:
    with database.connect(role, ALICE) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute(statement)


def test_anonymous_reads_nothing(database: Database) -> None:
    with database.connect("anon") as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("select * from public.jobs")


def test_history_cannot_be_rewritten_by_the_service_role(database: Database) -> None:
    for statement in ("update public.jobs_events set attempt = 9", "delete from public.jobs_events"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            database.service.execute(statement)


def test_pruning_a_job_prunes_its_history(database: Database) -> None:
    database.service.execute("delete from public.jobs where job_id = 'hers'")
    assert database.history("hers") == []
    assert database.history("his") == [("queued", 0)]


def test_every_function_is_the_service_roles_alone_with_a_fixed_search_path(database: Database) -> None:
    functions = database.admin.execute(
        """select proname, prosecdef, proconfig, has_function_privilege('anon', oid, 'execute') as anon,
                  has_function_privilege('authenticated', oid, 'execute') as authenticated,
                  has_function_privilege('service_role', oid, 'execute') as service
           from pg_proc where pronamespace = 'public'::regnamespace"""
    ).fetchall()
    assert len(functions) >= 14
    for function in functions:
        assert function["proconfig"] == ['search_path=""'], function["proname"]
        assert (function["prosecdef"], function["anon"], function["authenticated"], function["service"]) == (
            False,
            False,
            False,
            True,
        ), function["proname"]


def test_changes_are_published_to_realtime(database: Database) -> None:
    tables = database.admin.execute(
        "select tablename from pg_publication_tables where pubname = 'supabase_realtime'"
    ).fetchall()
    assert tables == [{"tablename": "jobs"}]


@pytest.mark.parametrize(
    ("query", "indexes"),
    [
        (
            """select * from public.jobs where status in ('starting', 'running') and lease_until < now()
               order by lease_until limit 10""",
            {"jobs_working_idx"},
        ),
        ("select * from public.jobs where retry_at <= now() order by retry_at limit 10", {"jobs_waiting_idx"}),
        (
            "select * from public.jobs where dead_letter_at <= now() order by dead_letter_at limit 10",
            {"jobs_dead_letter_idx"},
        ),
        (
            "update public.jobs set attempt = 2 where job_id = 'job' and attempt = 1 and status = 'succeeded'",
            {"jobs_pkey"},
        ),
        (
            "select * from public.jobs where user_id = auth.uid() order by created_at desc limit 10",
            {"jobs_user_idx"},
        ),
        ("select error_code from public.jobs where status = 'failed' and failed_at > now()", {"jobs_failed_idx"}),
    ],
)
def test_sweeps_transitions_and_lists_use_their_index(database: Database, query: str, indexes: set[str]) -> None:
    assert indexes_of(database, query) == indexes


def test_overview_reads_no_row_that_is_over(database: Database) -> None:
    body = database.admin.execute("select prosrc from pg_proc where proname = 'jobs_overview'").fetchone()
    assert body is not None
    assert indexes_of(database, body["prosrc"].replace("p_hours", "24")) == {
        "jobs_working_idx",
        "jobs_waiting_idx",
        "jobs_dead_letter_idx",
        "jobs_failed_idx",
    }


def indexes_of(database: Database, query: str) -> set[str]:
    """Return the indexes that a query uses where it can; a table read from end to end is called "Seq Scan"."""
    with database.admin.transaction():
        database.admin.execute("set local enable_seqscan = off")
        database.admin.execute("set local enable_bitmapscan = off")
        plan = database.admin.execute(f"explain {query}").fetchall()
    return {
        "Seq Scan" if "Seq Scan" in line else line.split(" using ")[1].split(" on ")[0]
        for line in (row["QUERY PLAN"] for row in plan)
        if "Seq Scan" in line or " using " in line
    }


def test_heartbeats_touch_no_index(database: Database) -> None:
    assert database.call(
        "claim_job",
        p_job_id="hers",
        p_attempt=1,
        p_s3_key="a.wav",
        p_pipeline="audio-clean",
        p_preset=None,
        p_lease_seconds=60,
    )
    assert database.call("start_job", p_job_id="hers", p_attempt=1, p_task_arn="task", p_lease_seconds=60)
    before = updates(database)
    for beat in range(1, 6):
        assert database.call(
            "heartbeat_job",
            p_job_id="hers",
            p_attempt=1,
            p_task_arn="task",
            p_progress=beat / 10,
            p_lease_seconds=60 + beat,
        )
    after = updates(database)
    assert (after["all"] - before["all"], after["hot"] - before["hot"]) == (5, 5)


def updates(database: Database) -> dict[str, int]:
    """Return how many updates of the table there were, and how many of them needed no index entry (HOT)."""
    database.service.execute("select pg_stat_force_next_flush()")
    row = database.admin.execute(
        """select n_tup_upd as all, n_tup_hot_upd as hot from pg_stat_user_tables where relname = 'jobs'"""
    ).fetchone()
    assert row is not None
    return row
