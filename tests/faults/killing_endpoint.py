"""A loopback proxy in front of ECS that kills the process that asked for a task, once the task has been started."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web
from tamma_local.relay import Relay

from tests.e2e.faulty_endpoint import RUN_TASK

_LISTEN_OR_GONE = "0"  # the inode of a socket that no process holds


class KillingEndpoint(Relay):
    """The first RunTask of each job is passed on and never answered: its caller dies by SIGKILL.

    For a job in `twins` ECS seems to have forgotten the client token: a second task of the same attempt is started.
    """

    def __init__(self, target: str, twins: set[str], run_task: Callable[..., Any]) -> None:
        super().__init__(target)
        self.killed: dict[str, int] = {}  # job id → pid
        self._twins, self._run_task = twins, run_task

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        answer = await self.pass_on(request, body)
        if request.headers.get("X-Amz-Target") != RUN_TASK:
            return answer
        asked = json.loads(body)
        job_id = next(tag["value"] for tag in asked["tags"] if tag["key"] == "job_id")
        if job_id in self.killed:
            return answer
        assert request.transport is not None  # its client waits for the answer
        ends = (request.transport.get_extra_info(name)[1] for name in ("peername", "sockname"))
        pid = owner(*ends)
        self.killed[job_id] = pid
        os.kill(pid, signal.SIGKILL)
        if job_id in self._twins:
            await asyncio.to_thread(self._run_task, **asked | {"clientToken": asked["clientToken"][::-1]})
        if request.transport is not None:  # else the kernel has closed it for the dead process
            request.transport.abort()
        return answer


def owner(port: int, other: int) -> int:
    """Return the process whose end of a loopback connection has this port, to `other` (Linux). Raises LookupError.

    One port alone tells nothing: the kernel gives it to several connections that lead to different places.
    """
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        # proc(5): sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode; a port is hexadecimal
        fields = line.split()
        ends = tuple(int(end.rpartition(":")[2], 16) for end in fields[1:3])
        if ends == (port, other) and fields[9] != _LISTEN_OR_GONE:
            return _holder(f"socket:[{fields[9]}]")
    raise LookupError(f"no process has the port {port} to {other}")


def _holder(socket: str) -> int:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        # Files are closed and processes end while we look, and other users' are closed to us.
        with suppress(OSError):
            if str(link.readlink()) == socket:
                return int(link.parts[2])
    raise LookupError(f"no process holds {socket}")
