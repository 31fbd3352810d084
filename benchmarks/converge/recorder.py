"""The proxy between a tool and the emulator: it counts, records, and adds the latency of a real region."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web
from tamma_local.relay import Relay

from benchmarks.converge.calls import Call, classify


@dataclass(frozen=True)
class Exchange:
    """One request as it came, with what was answered."""

    call: Call
    method: str
    raw_path: str
    headers: dict[str, str]
    body: bytes
    status: int
    answer: bytes


class Recorder(Relay):
    """Passes requests on after `latency` seconds each, without one waiting for another."""

    def __init__(self, target: str, latency: float = 0) -> None:
        super().__init__(target)
        self.latency = latency
        self._exchanges: list[Exchange] = []

    def take(self) -> list[Exchange]:
        """Return what came by since the last time, in the order of arrival."""
        taken, self._exchanges = self._exchanges, []
        return taken

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Note the request, wait, pass it on."""
        headers, call = request.headers, call_of(request, body)
        place = len(self._exchanges)
        exchanges = self._exchanges
        exchanges.append(Exchange(call, request.method, request.raw_path, dict(headers), body, 0, b""))
        await asyncio.sleep(self.latency)
        answered = await self.pass_on(request, body)
        content = answered.body if isinstance(answered.body, bytes) else b""
        exchanges[place] = Exchange(
            call, request.method, request.raw_path, dict(headers), body, answered.status, content
        )
        return answered


def call_of(request: web.Request, body: bytes) -> Call:
    """Return the call that a request makes."""
    headers = request.headers
    return classify(
        request.method, request.raw_path, headers.get("Authorization", ""), headers.get("X-Amz-Target", ""), body
    )
