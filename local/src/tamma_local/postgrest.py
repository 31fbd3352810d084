"""PostgREST, on a unix socket that the gateway alone uses."""

import os
import signal
from pathlib import Path

import aiohttp

from tamma_local.aws import answers
from tamma_local.errors import LocalCloudError
from tamma_local.keys import Keys
from tamma_local.layout import Layout, postgrest_program
from tamma_local.postgres import database_url
from tamma_local.processes import Child
from tamma_local.waiting import until

# It connects and reads the schema; the usual time is a tenth of a second.
_READY_SECONDS = 30
_STOP_SECONDS = 5


def environment(keys: Keys, database_port: int, socket: Path) -> dict[str, str]:
    """Return PostgREST's configuration; what Supabase sets has Supabase's value."""
    return {
        "PATH": "/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "PGRST_DB_URI": database_url("authenticator", keys.authenticator_password, database_port),
        "PGRST_DB_SCHEMAS": "public",
        "PGRST_DB_EXTRA_SEARCH_PATH": "public,extensions",
        "PGRST_DB_ANON_ROLE": "anon",
        "PGRST_DB_MAX_ROWS": "1000",
        "PGRST_DB_POOL": "20",
        "PGRST_JWT_SECRET": keys.jwt_secret,
        "PGRST_SERVER_UNIX_SOCKET": str(socket),
        "PGRST_SERVER_UNIX_SOCKET_MODE": "600",
        "PGRST_LOG_LEVEL": "error",
    }


class Postgrest:
    """PostgREST's process."""

    def __init__(self, layout: Layout, child: Child) -> None:
        self._layout = layout
        self.socket = layout.sockets / "postgrest.sock"
        self.child = child

    async def start(self, keys: Keys, database_port: int) -> None:
        """Start it and wait until it has read the schema."""
        program = postgrest_program()
        if not program.exists():
            raise LocalCloudError(f"PostgREST is not installed at {program}: run `make setup`.")
        # npm keeps the mode of a packed file, which not every packer sets.
        if not os.access(program, os.X_OK):
            program.chmod(program.stat().st_mode | 0o111)
        values = environment(keys, database_port, self.socket)
        await self.child.start([program], values, self._layout.state)
        connector = aiohttp.UnixConnector(str(self.socket))
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=5)) as session:
            ready = lambda: answers(session, "http://postgrest/")  # noqa: E731 - the name says what is waited for
            await until("PostgREST", ready, self.child.check, _READY_SECONDS)

    async def stop(self) -> None:
        """Stop it; it keeps nothing."""
        await self.child.stop(signal.SIGTERM, _STOP_SECONDS)
        self.socket.unlink(missing_ok=True)
