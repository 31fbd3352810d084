"""A loopback proxy in front of the AWS endpoint that spoils chosen RunTask calls and passes everything else on."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from enum import Enum
from typing import Any

from aiohttp import web
from tamma_local.relay import Relay

RUN_TASK = "AmazonEC2ContainerServiceV20141113.RunTask"


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


class FaultyEndpoint(Relay):
    """Serves between `with` and its end; `faults` are used up by each job's calls in order."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.faults: dict[str, list[Fault]] = {}
        self.calls: dict[str, list[Call]] = defaultdict(list)

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        fault = self._fault(json.loads(body)) if request.headers.get("X-Amz-Target") == RUN_TASK else None
        if fault is None:
            return await self.pass_on(request, body)
        if fault is Fault.LOST:
            await self.pass_on(request, body)
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
