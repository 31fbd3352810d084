"""The running cloud as others see it: `cloud.json`, and the lock that says whether it runs."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from tamma_local.layout import Layout
from tamma_local.private_files import read_json, write_json

REGION = "us-east-1"
ACCOUNT_ID = "000000000000"


@dataclass(frozen=True)
class Cloud:
    """Where everything is; docs/architecture.md describes the fields."""

    aws_endpoint_url: str
    region: str
    account_id: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    supabase_url: str
    supabase_anon_key: str = field(repr=False)
    supabase_service_key: str = field(repr=False)
    supabase_jwt_secret: str = field(repr=False)
    database_url: str = field(repr=False)
    task_engine: str
    docker_host: str
    python_version: str
    pid: int

    def write(self, layout: Layout) -> None:
        """Publish it, for its owner alone."""
        write_json(layout.cloud_file, asdict(self))


def running_cloud(layout: Layout) -> Cloud | None:
    """Return the cloud that runs and is ready, or None; a `cloud.json` that a crash left behind is not believed."""
    pid = supervisor_pid(layout)
    values = read_json(layout.cloud_file)
    if pid is None or values is None or values.get("pid") != pid:
        return None
    return Cloud(**{field.name: values[field.name] for field in fields(Cloud)})


def supervisor_pid(layout: Layout) -> int | None:
    """Return the process id of the live supervisor of this state folder, or None: the lock, not the number, decides."""
    try:
        with layout.lock_file.open("r+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return _written_pid(layout.lock_file)
    except FileNotFoundError:
        return None
    return None


def _written_pid(path: Path) -> int:
    # Between taking the lock and writing the number there is a moment with an empty file.
    return int(path.read_text().strip() or 0)


class AlreadyRunningError(Exception):
    """Another supervisor holds the lock of the state folder."""


@contextlib.contextmanager
def supervisor_lock(layout: Layout) -> Iterator[None]:
    """Hold the lock of the state folder; the kernel gives it back however the process ends."""
    with layout.lock_file.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunningError from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)
