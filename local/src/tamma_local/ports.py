"""Loopback ports: the ones of the last run, else the usual ones, else free ones."""

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tamma_local.errors import LocalCloudError
from tamma_local.private_files import read_json, write_json

LOOPBACK = "127.0.0.1"

# Below the ranges that systems take the near end of connections from (32768 on Linux, 49152 elsewhere): a port from
# there could be gone between the choice and the part's start.
_FREE_RANGE = range(20000, 32000)


@dataclass(frozen=True)
class Ports:
    """The defaults are those that LocalStack and the Supabase CLI use."""

    aws: int = 4566
    supabase: int = 54321
    database: int = 54322


def is_free(port: int) -> bool:
    """Say whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still fading away is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


class Reservations:
    """Ports that this supervisor has chosen: another one that starts at the same moment chooses others.

    Each is a locked file in a folder of the user; the kernel unlocks them however the process ends.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / f"tamma-ports-{os.getuid()}"
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._locks = contextlib.ExitStack()

    def take(self, port: int) -> bool:
        """Reserve a port; False when it is in use or reserved by somebody else."""
        file = (self._folder / str(port)).open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        if not is_free(port):
            file.close()
            return False
        self._locks.enter_context(file)
        return True

    def close(self) -> None:
        """Give the ports back."""
        self._locks.close()


def choose(path: Path, reservations: Reservations) -> Ports:
    """Reserve the ports of this run and keep them for the next at the path given."""
    last = read_json(path) or {}
    chosen = {}
    for field in fields(Ports):
        candidates = _candidates(last.get(field.name), field.default)
        chosen[field.name] = next((port for port in candidates if reservations.take(port)), 0)
        if not chosen[field.name]:
            raise LocalCloudError(f"No port from {_FREE_RANGE[0]} to {_FREE_RANGE[-1]} is free: end some programs.")
    ports = Ports(**chosen)
    write_json(path, asdict(ports))
    return ports


def _candidates(last: object, default: object) -> Iterator[int]:
    """Yield the ports to try: the last one, the default, then free ones in random order."""
    for port in (last, default):
        if isinstance(port, int):
            yield port
    yield from random.sample(_FREE_RANGE, len(_FREE_RANGE))
