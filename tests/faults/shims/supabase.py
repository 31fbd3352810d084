"""Supabase that is down, answers with the error pages of a proxy, answers late, or does what it is told in silence."""

from __future__ import annotations

import json

from aiohttp import web

from tests.faults.shims.faulty import FaultyRelay
from tests.faults.shims.plan import Fault, refused

BROKEN, BAD_GATEWAY, UNAVAILABLE = refused(500), refused(502), refused(503)


class FaultySupabase(FaultyRelay):
    """Spoils everything; the operation is the SQL function or the table, the owner `<job id>/<attempt>`.

    A sweep's calls belong to nobody: their faults come in the order in which they are made.
    """

    async def identify(self, request: web.Request) -> tuple[str, str] | None:
        name = request.path.rpartition("/")[2]
        if "/rpc/" not in request.path:
            return name, request.query.get("job_id", "").removeprefix("eq.")
        told = json.loads(await request.read())
        return name, f"{told.get('p_job_id', '')}/{told.get('p_attempt', '')}"

    def refusal(self, fault: Fault) -> web.Response:
        """Return the page of the proxy in front: Supabase's own JSON is what an outage does not give."""
        text = f"<html><body><h1>{fault.status} Server Error</h1></body></html>"
        return web.Response(status=fault.status, text=text, content_type="text/html")
