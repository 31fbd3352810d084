"""A loopback proxy in front of the AWS endpoint that spoils chosen RunTask calls and passes everything else on."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self

import aiohttp
from aiohttp import web

RUN_TASK = "AmazonEC2ContainerServiceV20141113.RunTask"
# What belongs to one connection and not to the request; lengths are counted anew.
_HOP = frozenset({"connection", "content-length", "transfer-encoding", "content-encoding", "keep-alive"})


class Fault(Enum):
    """What happens to one RunTask call; LOST passes it on and then hangs up without an answer."""

    NO_CAPACITY = "Capacity is unavailable"
    NO_RESOURCES = "RESOURCE:ENI"
    THROTTLED = "ThrottlingException"
    BROKEN = "ServerException"
    LOST = "lost"


def _answer_of(fault: Fault) -> tuple[int, dict[str, Any]]:
    """Return the HTTP status and the body with which ECS says it."""
    if fault in {Fault.NO_CAPACITY, Fault.NO_RESOURCES}:
        return 200, {"tasks": [], "failures": [{"reason": fault.value}]}
    return 400 if fault is Fault.THROTTLED else 500, {"__type": fault.value, "message": "Not now."}


@dataclass(frozen=True)
class Call:
    """One RunTask call that came by; fault None: it was passed on."""

    client_token: str
    fault: Fault | None


class FaultyEndpoint:
    """Serves in a thread of its own between `with` and its end; `faults` are used up by each job's calls in order."""

    def __init__(self, target: str) -> None:
        self.faults: dict[str, list[Fault]] = {}
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self.url = ""
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="faulty-endpoint")

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._session = aiohttp.ClientSession(auto_decompress=False)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        fault = self._fault(json.loads(body)) if request.headers.get("X-Amz-Target") == RUN_TASK else None
        if fault is None:
            return await self._pass_on(request, body)
        if fault is Fault.LOST:
            await self._pass_on(request, body)
            assert request.transport is not None
            request.transport.abort()
        status, answer = _answer_of(fault)
        return web.json_response(answer, status=status, content_type="application/x-amz-json-1.1")

    def _fault(self, asked: dict[str, Any]) -> Fault | None:
        variables = asked["overrides"]["containerOverrides"][0]["environment"]
        job_id = next(item["value"] for item in variables if item["name"] == "JOB_ID")
        planned = self.faults.get(job_id)
        fault = planned.pop(0) if planned else None
        self.calls[job_id].append(Call(asked["clientToken"], fault))
        return fault

    async def _pass_on(self, request: web.Request, body: bytes) -> web.Response:
        """Repeat the request as it is: its signature covers the Host header that names this proxy."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        async with self._session.request(
            request.method, f"{self._target}{request.raw_path}", data=body, headers=headers, allow_redirects=False
        ) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)
