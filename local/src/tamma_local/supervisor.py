"""One process that owns every part of the embedded cloud, from the first child to the last."""

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from aiohttp import web

from tamma_local import docker_tasks, migrations, ports, task_engine
from tamma_local import keys as key_store
from tamma_local.aws import Aws, python_version
from tamma_local.cloud import ACCOUNT_ID, REGION, Cloud, supervisor_lock
from tamma_local.engine.api import Engine
from tamma_local.errors import LocalCloudError
from tamma_local.gateway import Gateway
from tamma_local.keys import Keys
from tamma_local.layout import Layout, cloud_python, worker_programs
from tamma_local.layout import migrations as migrations_folder
from tamma_local.ports import LOOPBACK, Ports
from tamma_local.postgres import Postgres, database_url
from tamma_local.postgrest import Postgrest
from tamma_local.processes import Child, Guardian, end_leftovers
from tamma_local.task_engine import TaskEngine

_log = logging.getLogger("tamma_local")

# What a running task gets to tell the database that it was interrupted, in seconds.
_TASK_STOP_SECONDS = 10
# The emulator looks every tenth of a second whether a container has ended and then sends the events; they are kept.
_EVENTS_SECONDS = 0.5

Announce = Callable[[str], None]

# Tasks first, while everything they talk to still answers, and what others talk to last.
_STOP_ORDER = ("tasks", "AWS", "task containers", "task socket", "gateway", "PostgREST", "database")


class Supervisor:
    """Starts the parts, watches them, and stops them in order."""

    def __init__(self, layout: Layout, announce: Announce) -> None:
        self._layout = layout
        self._announce = announce
        self._stops: dict[str, Callable[[], Awaitable[None]]] = {}
        self._children: list[Child] = []
        self._engine: Engine | None = None
        self._note = ""
        self._reservations = ports.Reservations()

    async def run(self, leash: int | None = None) -> None:
        """Run until SIGINT or SIGTERM; LocalCloudError when a part does not start or dies.

        The leash is a file descriptor that whoever waits for the start holds open: its end before the cloud is ready
        means that nobody waits any more, and the start is undone.
        """
        began = time.monotonic()
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, stop.set)
        if leash is not None:
            loop.add_reader(leash, stop.set)
        guard = Guardian(self._layout.processes_file)
        try:
            cloud = await self._unless(stop, self._start(guard))
            if leash is not None:
                loop.remove_reader(leash)
            if cloud is not None:
                cloud.write(self._layout)
                said = summary(cloud, time.monotonic() - began)
                self._announce(f"{said}\n{self._note}" if self._note else said)
                await self._watch(stop)
        finally:
            self._layout.cloud_file.unlink(missing_ok=True)
            await self._stop_all()
            guard.close()
            self._reservations.close()

    @staticmethod
    async def _unless(stop: asyncio.Event, start: Awaitable[Cloud]) -> Cloud | None:
        """Wait for the start, or give it up when told to stop."""
        starting, stopping = asyncio.ensure_future(start), asyncio.ensure_future(stop.wait())
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not starting.done():
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            return None
        return starting.result()

    async def _start(self, guard: Guardian) -> Cloud:
        layout = self._layout
        keys = key_store.load_or_make(layout.secrets_file)
        chosen = ports.choose(layout.ports_file, self._reservations)
        wanted = os.environ.get("TAMMA_TASK_ENGINE") or "auto"
        engine = await asyncio.to_thread(task_engine.choose, wanted, layout.sockets / "docker.sock")
        self._note = engine.note
        # The two halves know nothing of each other; the first error ends both.
        async with asyncio.TaskGroup() as group:
            group.create_task(self._start_aws(guard, keys, chosen, engine))
            group.create_task(self._start_supabase(guard, keys, chosen))
        return describe(keys, chosen, engine)

    def _child(self, name: str, part: str, guard: Guardian) -> Child:
        child = Child(name, self._layout.log(part), guard)
        self._children.append(child)
        return child

    async def _start_aws(self, guard: Guardian, keys: Keys, chosen: Ports, engine: TaskEngine) -> None:
        if engine.kind == "process":
            await self._serve_tasks(guard, Path(engine.docker_host.removeprefix("unix://")))
        aws = Aws(self._layout, self._child("The AWS emulator", "aws", guard))
        self._stops["AWS"] = aws.stop
        await aws.start(keys, chosen, engine)
        if self._engine:
            self._stops["tasks"] = self._drain_tasks
        else:
            # What a crash left running would only lose against the tasks that follow.
            await asyncio.to_thread(docker_tasks.remove, self._layout, engine.docker_host)
            self._stops["tasks"] = lambda: self._drain_containers(engine.docker_host)
            self._stops["task containers"] = lambda: self._remove_containers(engine.docker_host)

    async def _serve_tasks(self, guard: Guardian, socket: Path) -> None:
        self._engine = Engine(self._layout.images, self._layout.containers, worker_programs(), guard)
        self._stops["task containers"] = self._engine.close
        # A socket file that a crash left behind is replaced; the folder is open to its owner alone.
        await self._serve(self._engine.application(), lambda runner: web.UnixSite(runner, str(socket)), "task socket")

    async def _drain_tasks(self) -> None:
        assert self._engine  # noqa: S101 - registered only beside the engine
        if await self._engine.drain(_TASK_STOP_SECONDS):
            await asyncio.sleep(_EVENTS_SECONDS)

    async def _drain_containers(self, docker_host: str) -> None:
        if await asyncio.to_thread(docker_tasks.stop, self._layout, docker_host, _TASK_STOP_SECONDS):
            await asyncio.sleep(_EVENTS_SECONDS)

    async def _remove_containers(self, docker_host: str) -> None:
        await asyncio.to_thread(docker_tasks.remove, self._layout, docker_host)

    async def _start_supabase(self, guard: Guardian, keys: Keys, chosen: Ports) -> None:
        postgres = Postgres(self._layout, self._child("PostgreSQL", "postgres", guard))
        self._stops["database"] = postgres.stop
        await postgres.start(keys, chosen.database)
        url = database_url("postgres", keys.postgres_password, chosen.database)
        applied = await asyncio.to_thread(migrations.apply, url, migrations_folder())
        _log.info("migrations applied: %s", ", ".join(applied) or "none")
        postgrest = Postgrest(self._layout, self._child("PostgREST", "postgrest", guard))
        self._stops["PostgREST"] = postgrest.stop
        await postgrest.start(keys, chosen.database)
        gateway = Gateway(keys, postgrest.socket).application()
        await self._serve(gateway, lambda runner: web.TCPSite(runner, LOOPBACK, chosen.supabase), "gateway")

    async def _serve(self, app: web.Application, site: Callable[[web.AppRunner], web.BaseSite], name: str) -> None:
        """Serve a web application inside this process."""
        # Whoever still follows a log has nothing more to see: half a second is enough to close.
        runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.5, access_log=None)
        await runner.setup()
        self._stops[name] = runner.cleanup
        await site(runner).start()

    async def _watch(self, stop: asyncio.Event) -> None:
        """Wait for the order to stop, or for the first child that ends on its own."""
        ordered = asyncio.ensure_future(stop.wait())
        lives = {child.ended for child in self._children if child.ended}
        await asyncio.wait({ordered, *lives}, return_when=asyncio.FIRST_COMPLETED)
        if not ordered.done():
            ordered.cancel()
            dead = next(child for child in self._children if child.ended and child.ended.done())
            raise LocalCloudError(f"{dead.obituary()}. The rest of the embedded cloud was stopped.")

    async def _stop_all(self) -> None:
        """Stop everything that was started; one part's trouble does not keep the others running."""
        _log.info("stopping")
        for name in sorted(self._stops, key=_STOP_ORDER.index):
            try:
                await self._stops[name]()
            except Exception:  # noqa: BLE001 - told in the log, and the next part is stopped
                _log.exception("%s did not stop cleanly", name)
        _log.info("stopped")


def describe(keys: Keys, chosen: Ports, engine: TaskEngine) -> Cloud:
    """Return what `cloud.json` says."""
    return Cloud(
        aws_endpoint_url=f"http://{LOOPBACK}:{chosen.aws}",
        region=REGION,
        account_id=ACCOUNT_ID,
        access_key_id=keys.access_key_id,
        secret_access_key=keys.secret_access_key,
        supabase_url=f"http://{LOOPBACK}:{chosen.supabase}",
        supabase_anon_key=keys.anon_key,
        supabase_service_key=keys.service_key,
        supabase_jwt_secret=keys.jwt_secret,
        database_url=database_url("postgres", keys.postgres_password, chosen.database),
        task_engine=engine.kind,
        docker_host=engine.docker_host,
        python_version=python_version(cloud_python().parent.parent),
        pid=os.getpid(),
    )


def summary(cloud: Cloud, seconds: float | None) -> str:
    """Say where everything is, without a secret, and how long the start took when there was one."""
    database = cloud.database_url.rpartition("@")[2]
    tasks = "processes" if cloud.task_engine == "process" else f"containers of {cloud.docker_host}"
    return (
        f"The embedded cloud is ready{'' if seconds is None else f' ({seconds:.1f} s)'}.\n"
        f"  AWS       {cloud.aws_endpoint_url}  (account {cloud.account_id}, {cloud.region})\n"
        f"  Supabase  {cloud.supabase_url}\n"
        f"  Database  {database}\n"
        f"  Tasks     {tasks}\n"
        f'Point tools at it with: eval "$(python -m tamma_local env)"'
    )


def supervise(layout: Layout, announce: Announce, leash: int | None = None) -> None:
    """Run the cloud of a state folder in this process until it is told to stop."""
    layout.create()
    logging.basicConfig(
        level=logging.INFO, stream=layout.log("supervisor").open("a"), format="%(asctime)s %(name)s %(message)s"
    )
    with supervisor_lock(layout):
        if left := end_leftovers(layout.processes_file):
            _log.info("ended %d process groups of a cloud that had crashed", left)
        layout.clear_temporary()
        try:
            asyncio.run(Supervisor(layout, announce).run(leash))
        except ExceptionGroup as errors:
            # The group holds what ended the halves of the start; the first is the cause, the rest its consequences.
            raise errors.exceptions[0] from None
