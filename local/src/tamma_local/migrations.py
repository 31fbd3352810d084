"""The schema as ordered SQL, applied once each as the Supabase CLI does."""

import re
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tamma_local.errors import LocalCloudError

_FILE_NAME = re.compile(r"^(?P<version>\d+)_(?P<name>.+)\.sql$")

# Any number will do, as long as two supervisors or a supervisor and `up` use the same: one of them waits.
_LOCK = 7_244_662


@dataclass(frozen=True)
class Migration:
    """One file: `<version>_<name>.sql`."""

    version: str
    name: str
    path: Path


def found(folder: Path) -> list[Migration]:
    """Return the migrations of a folder in order of their versions; LocalCloudError for a name that has none."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.match(path.name)
        if not match:
            raise LocalCloudError(f"{path} has no version: call it <timestamp>_<name>.sql.")
        migrations.append(Migration(match["version"], match["name"], path))
    versions = [migration.version for migration in migrations]
    if len(set(versions)) != len(versions):
        raise LocalCloudError(f"Two migrations in {folder} have the same version: rename one of them.")
    return migrations


def apply(database_url: str, folder: Path) -> list[str]:
    """Apply what is not recorded yet, each in a transaction of its own, and return the versions applied.

    Applied as the role `postgres`, which is no superuser, as on Supabase. PostgREST is told to read the schema again.
    """
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("select pg_advisory_lock(%s)", [_LOCK])
        query = "select version from supabase_migrations.schema_migrations"
        recorded = {row[0] for row in connection.execute(query)}
        pending = [migration for migration in found(folder) if migration.version not in recorded]
        for migration in pending:
            _apply_one(connection, migration)
        if pending:
            connection.execute("notify pgrst, 'reload schema'")
    return [migration.version for migration in pending]


def _apply_one(connection: psycopg.Connection, migration: Migration) -> None:
    text = migration.path.read_text()
    try:
        with connection.transaction():
            connection.execute(text.encode())
            connection.execute(
                "insert into supabase_migrations.schema_migrations (version, name, statements) values (%s, %s, %s)",
                [migration.version, migration.name, [text]],
            )
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise LocalCloudError(f"Migration {migration.path.name} failed and changed nothing: {reason}") from error
