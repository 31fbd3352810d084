"""Who holds the other end of a connection: the wrong process must never be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from tests.faults.killing_endpoint import owner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sockets are told apart by Linux's /proc")


def test_the_process_behind_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert owner(client.getsockname()[1], server.getsockname()[1]) == os.getpid()


def test_another_connection_with_the_same_port_is_told_apart() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [server.getsockname()[1] for server in (one, two)]
        with socket.create_connection(one.getsockname()) as client:
            port = client.getsockname()[1]
            command = (
                "import socket,sys; s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); "
                f"s.bind(('127.0.0.2', {port})); s.connect(('127.0.0.1', {ports[1]})); "
                "print(flush=True); sys.stdin.read()"
            )
            with subprocess.Popen([sys.executable, "-c", command], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as it:
                assert it.stdout is not None
                it.stdout.readline()
                assert [owner(port, other) for other in ports] == [os.getpid(), it.pid]
                it.communicate()


def test_a_port_without_a_process_belongs_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LookupError, match=f"no process has the port {port} to 9"):
        owner(port, 9)
