"""A proxy that spoils what its plan says; each service adds how its calls are told apart and how it says no."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from urllib.parse import urlsplit

from aiohttp import web
from tamma_local.relay import Relay

from tests.faults.shims.plan import Fault, Kind, Plan


class FaultyRelay(Relay):
    """Serves between `with` and its end, and passes on as it is what the plan leaves alone."""

    def __init__(self, target: str, plan: Plan) -> None:
        super().__init__(target)
        self.plan = plan
        self._refusing = False

    @abstractmethod
    async def identify(self, request: web.Request) -> tuple[str, str] | None:
        """Return the operation and its owner; None for what is never spoiled."""

    @abstractmethod
    def refusal(self, fault: Fault) -> web.Response:
        """Return an error in the service's own words."""

    def refuse_connections(self) -> None:
        """Close the port, and hang up on connections that are open at their next request."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()

    def accept_connections(self) -> None:
        """Open the same port again."""
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self._refusing:
            return _hang_up(request)
        call = await self.identify(request)
        fault = self.plan.decide(*call) if call else None
        return await (super().handle(request) if fault is None else self._spoil(fault, request))

    async def _spoil(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        if fault.kind is Kind.CUT:
            return _hang_up(request)
        if fault.kind is Kind.TORN:
            await request.content.readany()
            return _hang_up(request)
        body = await request.read()
        if fault.kind is Kind.REFUSED:
            return self.refusal(fault)
        if fault.kind is Kind.SLOW:
            await asyncio.sleep(fault.seconds)
        answer = await self.pass_on(request, body)
        if fault.kind is Kind.LOST:
            return _hang_up(request)
        return await _half(request, answer) if fault.kind is Kind.HALF else answer

    async def _close(self) -> None:
        self._refusing = True
        for site in list(self._runner.sites):
            await site.stop()

    async def _open(self) -> None:
        self._refusing = False
        await web.TCPSite(self._runner, "127.0.0.1", urlsplit(self.url).port).start()


def _hang_up(request: web.Request) -> web.Response:
    """Break the connection; what is returned never leaves."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


async def _half(request: web.Request, answer: web.Response) -> web.StreamResponse:
    """Announce all of an answer and send half of it."""
    assert isinstance(answer.body, bytes)
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-length"}
    begun = web.StreamResponse(status=answer.status, headers=headers)
    begun.content_length = len(answer.body)
    await begun.prepare(request)
    await begun.write(answer.body[: len(answer.body) // 2])
    _hang_up(request)
    return begun
