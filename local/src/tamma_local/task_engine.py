"""What runs tasks: a Docker engine when one is reachable, else processes."""

import contextlib
import http.client
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tamma_local.errors import LocalCloudError

DEFAULT_SOCKET = "/var/run/docker.sock"
# A local engine answers at once; a slower one would make every task slow.
_PING_SECONDS = 2.0
_CONNECTION_VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_TLS")


@dataclass(frozen=True)
class TaskEngine:
    """The kind (`docker` or `process`), where it listens, and what a Docker client needs to know."""

    kind: str
    docker_host: str
    connection: Mapping[str, str] = field(default_factory=dict)

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a Docker client."""
        return {"DOCKER_HOST": self.docker_host, **self.connection}


def choose(wanted: str, own_socket: Path, environment: Mapping[str, str] = os.environ) -> TaskEngine:
    """Choose by TAMMA_TASK_ENGINE: `auto`, `docker` or `process`; LocalCloudError for an engine that is not there."""
    host = environment.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if wanted not in {"auto", "docker", "process"}:
        raise LocalCloudError(f"TAMMA_TASK_ENGINE is {wanted!r}: it must be auto, docker or process.")
    if wanted != "process" and reachable(host):
        connection = {name: environment[name] for name in _CONNECTION_VARIABLES if name in environment}
        return TaskEngine("docker", host, connection)
    if wanted == "docker":
        raise LocalCloudError(
            f"No Docker engine answers at {host}: start one, or let tasks run as processes with "
            "TAMMA_TASK_ENGINE=process."
        )
    return TaskEngine("process", f"unix://{own_socket}")


def reachable(docker_host: str) -> bool:
    """Say whether a Docker engine answers at `unix://…` or accepts connections at `tcp://…` now."""
    scheme, _, address = docker_host.partition("://")
    with contextlib.suppress(OSError, ValueError, http.client.HTTPException):
        if scheme == "unix":
            return _ping(address)
        if scheme in {"tcp", "http", "https"}:
            name, _, port = address.rstrip("/").rpartition(":")
            socket.create_connection((name, int(port)), _PING_SECONDS).close()
            return True
    return False


def _ping(path: str) -> bool:
    connection = http.client.HTTPConnection("localhost", timeout=_PING_SECONDS)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(_PING_SECONDS)
        connection.sock.connect(path)
        connection.request("GET", "/_ping")
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()
