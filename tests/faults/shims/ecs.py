"""RunTask that is throttled, fails, finds no capacity, or starts a task and does not say so."""

from __future__ import annotations

import json

from aiohttp import web

from tests.e2e.faulty_endpoint import RUN_TASK
from tests.faults.shims.faulty import FaultyRelay
from tests.faults.shims.plan import Fault, refused

THROTTLED = refused(400, "ThrottlingException")
BROKEN = refused(500, "ServerException")
# A 200 with failures[]. Source: Amazon ECS Developer Guide, "Amazon ECS API failure reasons".
NO_CAPACITY = refused(
    200, "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)
NO_INTERFACES = refused(200, "RESOURCE:ENI")
NO_MEMORY = refused(200, "RESOURCE:MEMORY")
NO_AGENT = refused(200, "AGENT")


class FaultyEcs(FaultyRelay):
    """Spoils RunTask alone; its owner is `<job id>/<attempt>`."""

    async def identify(self, request: web.Request) -> tuple[str, str] | None:
        if request.headers.get("X-Amz-Target") != RUN_TASK:
            return None
        asked = json.loads(await request.read())
        told = {one["name"]: one["value"] for one in asked["overrides"]["containerOverrides"][0]["environment"]}
        return "RunTask", f"{told['JOB_ID']}/{told['ATTEMPT']}"

    def refusal(self, fault: Fault) -> web.Response:
        if fault.status == 200:
            answer: dict[str, object] = {"tasks": [], "failures": [{"reason": fault.code}]}
        else:
            answer = {"__type": fault.code, "message": "Rate exceeded" if fault == THROTTLED else "Service Unavailable"}
        return web.json_response(answer, status=fault.status, content_type="application/x-amz-json-1.1")
