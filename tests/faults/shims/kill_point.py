"""Proxies that hold a worker's call while its process is killed, before or after the service has carried it out."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

from aiohttp import web
from tamma_local.relay import Relay

from tests.faults.shims.s3 import operation

# Whether the job's worker was killed at this call; the last argument is BEFORE or AFTER.
Strike = Callable[[str, str, str], Awaitable[bool]]
BEFORE, AFTER = "before", "after"


class KillPoint(Relay):
    """Asks `strike` about each call, twice; a call whose caller is dead gets no answer."""

    def __init__(self, target: str, strike: Strike) -> None:
        super().__init__(target)
        self._strike = strike

    def identify(self, request: web.Request, body: bytes) -> tuple[str, str] | None:
        """Return the job and what is done for it; None for a call of nobody's."""
        raise NotImplementedError

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        call = self.identify(request, body)
        if call is None:
            return await self.pass_on(request, body)
        if await self._strike(*call, BEFORE):
            return web.Response(status=503)
        answer = await self.pass_on(request, body)
        await self._strike(*call, AFTER)
        return answer


class S3KillPoint(KillPoint):
    """Calls are named by operation and file: `PutObject manifest.json`, `GetObject recording`."""

    def identify(self, request: web.Request, body: bytes) -> tuple[str, str] | None:
        bucket, _, key = request.path.lstrip("/").partition("/")
        parts = key.split("/")  # derived/<job>/…/<file>, uploads/<job>/<file>
        if len(parts) < 3:
            return None
        return parts[1], f"{operation(request)} {parts[-1] if bucket.endswith('-derived') else 'recording'}"


class SupabaseKillPoint(KillPoint):
    """Calls are named by the SQL function."""

    def identify(self, request: web.Request, body: bytes) -> tuple[str, str] | None:
        if "/rpc/" not in request.path:
            return None
        return str(json.loads(body).get("p_job_id", "")), request.path.rpartition("/")[2]
