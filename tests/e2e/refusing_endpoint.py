"""A recording proxy in front of the AWS endpoint that answers chosen calls as AWS does when it refuses them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from fnmatch import fnmatch

from aiohttp import web

from benchmarks.converge.calls import Call, classify
from benchmarks.converge.recorder import Recorder

CUT, LOST, SILENT = "cut", "lost", "silent"
"""Instead of an error code: hang up unheard; carry out, then hang up; never answer."""


@dataclass
class Fault:
    """Calls by a pattern such as `ec2:Create*` get an error code, or one of CUT, LOST and SILENT, so many times."""

    calls: str
    code: str
    status: int = 400
    message: str = "Not today."
    times: float = float("inf")
    met: int = 0


class RefusingEndpoint(Recorder):
    """Serves between `with` and its end; the first of `faults` that fits a call and is not used up spoils it."""

    def __init__(self, target: str) -> None:
        super().__init__(target)
        self.faults: list[Fault] = []

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        headers = request.headers
        call = classify(
            request.method, request.raw_path, headers.get("Authorization", ""), headers.get("X-Amz-Target", ""), body
        )
        fault = next((one for one in self.faults if one.met < one.times and fnmatch(str(call), one.calls)), None)
        if fault is None:
            return await super().answer(request, body)
        fault.met += 1
        if fault.code == LOST:
            await super().answer(request, body)
        if fault.code == SILENT:
            await asyncio.sleep(3600)
        if fault.code in {CUT, LOST}:
            assert request.transport is not None
            request.transport.abort()
        return _refusal(request, call, fault)


def _refusal(request: web.Request, call: Call, fault: Fault) -> web.Response:
    """Return an error in the words of the service's protocol."""
    xml = f"<Error><Code>{fault.code}</Code><Message>{fault.message}</Message></Error>"
    if "/operation/" in request.path and "smithy-protocol" in request.headers:
        body = b"\xa2" + b"".join(map(_cbor, ("__type", fault.code, "message", fault.message)))
        return web.Response(
            status=fault.status, body=body, headers={"smithy-protocol": "rpc-v2-cbor"}, content_type="application/cbor"
        )
    if "X-Amz-Target" in request.headers or call.service == "lambda":
        answer = {"__type": fault.code, "message": fault.message}
        return web.json_response(answer, status=fault.status, headers={"x-amzn-errortype": fault.code})
    if call.service == "ec2":
        xml = f"<Response><Errors>{xml}</Errors><RequestID>0</RequestID></Response>"
    elif call.service != "s3":
        xml = f"<ErrorResponse>{xml}<RequestId>0</RequestId></ErrorResponse>"
    return web.Response(status=fault.status, text=xml, content_type="text/xml")


def _cbor(text: str) -> bytes:
    """Encode a text of less than 256 bytes."""
    return bytes([0x78, len(text.encode())]) + text.encode()
