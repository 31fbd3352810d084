"""An endpoint of a few lines that speaks the query protocol, and counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote

import boto3
import pytest
from botocore.config import Config

POLICY = '{"Version": "2012-10-17", "Statement": []}'
_ANSWERS = {
    "GetCallerIdentity": "<Account>123456789012</Account><Arn>arn:aws:iam::123456789012:root</Arn><UserId>1</UserId>",
    "GetRole": (
        "<Role><Path>/</Path><RoleName>r</RoleName><RoleId>1</RoleId><Arn>arn:aws:iam::123456789012:role/r</Arn>"
        f"<AssumeRolePolicyDocument>{quote(POLICY)}</AssumeRolePolicyDocument></Role>"
    ),
    "CreateRole": "",
    "DeleteRole": "",
}


class Endpoint:
    """Answers on loopback; `asked` are the operations that came by, `refuse` maps one to a status and an error code."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.refuse: dict[str, tuple[int, str]] = {}
        self.url = ""

    def client(self, service: str) -> Any:
        config = Config(retries={"max_attempts": 0})
        # boto3's stubs know the services by literal names alone.
        make: Any = boto3.client
        return make(
            service, endpoint_url=self.url, region_name="us-east-1", config=config,
            aws_access_key_id="a", aws_secret_access_key="b",
        )  # fmt: skip

    def answer(self, body: str) -> tuple[int, str]:
        operation = parse_qs(body)["Action"][0]
        self.asked.append(operation)
        if operation in self.refuse:
            status, code = self.refuse[operation]
            error = f"<Error><Code>{code}</Code><Message>no</Message></Error>"
            return status, f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"
        result = f"<{operation}Result>{_ANSWERS[operation]}</{operation}Result>"
        return 200, f"<{operation}Response>{result}</{operation}Response>"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    served = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            status, text = served.answer(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
