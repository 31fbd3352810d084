"""Who holds the other end of a connection: the wrong process must never be killed."""

from __future__ import annotations

import os
import socket
import sys

import pytest

from tests.faults.killing_endpoint import owner

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sockets are told apart by Linux's /proc")


def test_the_process_behind_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert owner(client.getsockname()[1]) == os.getpid()


def test_a_port_without_a_process_belongs_to_nobody() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LookupError, match=f"no process has the port {port}"):
        owner(port)
