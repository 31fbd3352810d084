"""What runs tasks: a Docker engine of this machine when one is reachable, else processes."""

import contextlib
import http.client
import json
import os
import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tamma_local.errors import LocalCloudError

DEFAULT_SOCKET = "/var/run/docker.sock"
# A local engine answers at once; a slower one would make every task slow.
_PING_SECONDS = 2.0
# Unlike a ping, this has the engine look at its storage: a second on a busy machine.
_INFO_SECONDS = 5.0
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CONNECTION_VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_TLS")


@dataclass(frozen=True)
class TaskEngine:
    """The kind (`docker` or `process`), where it listens, what a Docker client needs to know, and what a person should.

    The note says why an engine that is there was not chosen; it is empty when there is nothing to say.
    """

    kind: str
    docker_host: str
    connection: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a Docker client."""
        return {"DOCKER_HOST": self.docker_host, **self.connection}


def choose(wanted: str, own_socket: Path, environment: Mapping[str, str] = os.environ) -> TaskEngine:
    """Choose by TAMMA_TASK_ENGINE: `auto`, `docker` or `process`; LocalCloudError for an engine that cannot be used."""
    host = environment.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    if wanted not in {"auto", "docker", "process"}:
        raise LocalCloudError(f"TAMMA_TASK_ENGINE is {wanted!r}: it must be auto, docker or process.")
    if wanted == "process":
        return TaskEngine("process", f"unix://{own_socket}")
    objection = trouble(host)
    if not objection:
        connection = {name: environment[name] for name in _CONNECTION_VARIABLES if name in environment}
        return TaskEngine("docker", host, connection)
    if wanted == "docker":
        raise LocalCloudError(
            f"{objection}: name another one with DOCKER_HOST, or let tasks run as processes with "
            "TAMMA_TASK_ENGINE=process."
        )
    # A machine without Docker is the usual case, and nothing to speak of.
    expected = environment.get("DOCKER_HOST") or Path(DEFAULT_SOCKET).exists()
    note = f"{objection}, so tasks run as processes." if expected else ""
    return TaskEngine("process", f"unix://{own_socket}", note=note)


def trouble(docker_host: str) -> str:
    """Say why tasks cannot run in the Docker engine there, without a full stop; empty when they can.

    Tasks reach the embedded cloud, and the engine its registry, on the loopback addresses of this machine.
    """
    try:
        if urlsplit(docker_host).scheme == "unix":
            return _elsewhere(docker_host, _info(docker_host.removeprefix("unix://")))
        if urlsplit(docker_host).hostname not in _LOOPBACK:
            return f"The Docker engine at {docker_host} is not on this machine, where tasks need it"
        if reachable(docker_host):
            return ""
    except PermissionError:
        return f"The Docker engine at {docker_host} is closed to this user (members of the group `docker` may use it)"
    except (OSError, ValueError, http.client.HTTPException):
        pass  # told below like an engine that is not there
    return f"No Docker engine answers at {docker_host}"


def _elsewhere(docker_host: str, info: Mapping[str, Any]) -> str:
    """Say that an engine's host network is not this machine's; what it does not tell counts as no difference."""
    machine = platform.node(), platform.release()
    if (info.get("Name", machine[0]), info.get("KernelVersion", machine[1])) != machine:
        return (
            f"The Docker engine at {docker_host} is in another or a virtual machine ({info.get('Name')}), where tasks "
            "cannot reach the embedded cloud"
        )
    if "name=rootless" in (info.get("SecurityOptions") or []):
        return f"The Docker engine at {docker_host} is rootless, where tasks cannot reach the embedded cloud"
    return ""


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
    return _get(path, "/_ping", _PING_SECONDS)[0] == http.client.OK


def _info(path: str) -> dict[str, Any]:
    """Return what an engine says about itself; OSError when it refuses."""
    status, body = _get(path, "/info", _INFO_SECONDS)
    if status != http.client.OK:
        raise OSError(f"status {status}")
    with contextlib.suppress(ValueError):
        info = json.loads(body)
        return info if isinstance(info, dict) else {}
    return {}


def _get(path: str, target: str, seconds: float) -> tuple[int, bytes]:
    """Ask on a unix socket and return status and body."""
    connection = http.client.HTTPConnection("localhost", timeout=seconds)
    connection.sock = socket.socket(socket.AF_UNIX)
    try:
        connection.sock.settimeout(seconds)
        connection.sock.connect(path)
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
