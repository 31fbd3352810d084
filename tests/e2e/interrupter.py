"""A proxy that ends a run in the middle: after so many requests that write, each of them carried out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

from aiohttp import web

from benchmarks.converge.recorder import Recorder, call_of

_FIRST_REFUSAL = 400
_PAUSE = 0.01  # seconds; what is waited for is over in milliseconds


class Interrupter(Recorder):
    """Passes everything on until it is told to interrupt.

    A request that AWS refuses has written nothing and does not count. While the last request that may pass is under
    way, others that write are kept waiting, so that the number is exact though the lanes of a run write at the same
    time. The client never sees the answer to the last one: a process dies with the change made and nothing known of it.
    """

    def __init__(self, target: str, latency: float = 0) -> None:
        super().__init__(target, latency)
        self._limit: int | None = None
        self._passed = self._under_way = 0
        self._dead = False
        self._turn = asyncio.Condition()
        self._end: Callable[[], None] = lambda: None

    @contextlib.contextmanager
    def interrupting(self, writes: int, end: Callable[[], None]) -> Iterator[None]:
        """Call `end` once `writes` requests are carried out, and pass on none that comes later.

        Leaves when what was passed on has finished and the clients have hung up, be they killed or done.
        """
        self._passed, self._limit, self._end = 0, writes, end
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(self._settle(), self._loop).result()

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if self._limit is None or call_of(request, body).reads:
            return _refusal() if self._dead else await super().answer(request, body)
        async with self._turn:
            await self._turn.wait_for(lambda: self._dead or self._passed + self._under_way < (self._limit or 0))
            if self._dead:
                return _refusal()
            self._under_way += 1
        answered = await super().answer(request, body)
        async with self._turn:
            self._under_way -= 1
            self._passed += answered.status < _FIRST_REFUSAL
            if self._passed == self._limit:
                self._dead = True
                await asyncio.to_thread(self._end)
            self._turn.notify_all()
        return answered

    async def _settle(self) -> None:
        async with self._turn:
            self._dead = True
            self._turn.notify_all()
        # Nobody is left who could send anything but what the kernel still holds of them.
        while self._under_way or (self._runner.server and self._runner.server.connections):  # noqa: ASYNC110 - see below
            await asyncio.sleep(_PAUSE)  # aiohttp tells nobody when a client hangs up
        self._dead, self._limit = False, None


def _refusal() -> web.Response:
    return web.Response(status=503)
