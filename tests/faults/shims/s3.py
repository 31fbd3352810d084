"""S3 that answers 500 and 503, and connections to it that break in the middle of a body."""

from __future__ import annotations

from aiohttp import web
from tamma_local.relay import Relay

from tests.faults.shims.faulty import FaultyRelay
from tests.faults.shims.plan import Fault, refused

BROKEN = refused(500, "InternalError")
BUSY = refused(503, "SlowDown")

_BY_METHOD = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject", "POST": "Post"}
# Parameters of the query that make another operation of a method.
_BY_PARAMETER = {
    ("PUT", "partNumber"): "UploadPart",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
}


def operation(request: web.Request) -> str:
    """Name the operation on an object as S3 does."""
    found = (name for (method, key), name in _BY_PARAMETER.items() if request.method == method and key in request.query)
    return next(found, _BY_METHOD.get(request.method, request.method))


class FaultyS3(FaultyRelay):
    """Spoils calls about objects, whose owner is the path and the number of the part. It reads no body to tell."""

    async def identify(self, request: web.Request) -> tuple[str, str] | None:
        if request.path.strip("/").count("/") == 0:  # the bucket itself
            return None
        # Not the rest of the query: an upload's id is another one in every run.
        return operation(request), f"{request.path}#{request.query.get('partNumber', '')}"

    def refusal(self, fault: Fault) -> web.Response:
        text = f"<Error><Code>{fault.code}</Code><Message>Please reduce your request rate.</Message></Error>"
        return web.Response(status=fault.status, text=text, content_type="application/xml")


class BoastfulS3(Relay):
    """Says of some objects that they are larger than they are: nobody stores six gibibytes for a test."""

    def __init__(self, target: str, size: int) -> None:
        super().__init__(target)
        self.names: set[str] = set()  # bucket and key
        self._size = size

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        answer = await self.pass_on(request, body)
        if request.method == "HEAD" and request.path.lstrip("/") in self.names:
            answer.headers["Content-Length"] = str(self._size)
        return answer
