"""Loopback ports: the ones of the last run, else the usual ones, else free ones."""

import socket
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from tamma_local.private_files import read_json, write_json

LOOPBACK = "127.0.0.1"


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


def any_free(taken: Iterable[int]) -> int:
    """Return a free port that is none of those already given out."""
    while True:
        with socket.socket() as probe:
            probe.bind((LOOPBACK, 0))
            port = int(probe.getsockname()[1])
        if port not in taken:
            return port


def choose(path: Path) -> Ports:
    """Choose the ports of this run and keep them for the next at the path given."""
    last = read_json(path) or {}
    chosen: dict[str, int] = {}
    for field in fields(Ports):
        wanted = (last.get(field.name), field.default)
        free = (port for port in wanted if isinstance(port, int) and port not in chosen.values() and is_free(port))
        chosen[field.name] = next(free, None) or any_free(chosen.values())
    ports = Ports(**chosen)
    write_json(path, asdict(ports))
    return ports
