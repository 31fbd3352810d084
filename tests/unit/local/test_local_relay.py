"""The proxy for tests and benchmarks changes nothing that a signature covers, and holds nobody up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from tamma_local.relay import Relay

from benchmarks.converge.calls import Call
from benchmarks.converge.recorder import Recorder

TOGETHER = 5
_SECONDS = 60


@contextmanager
def upstream(came: list[dict[str, Any]]) -> Iterator[str]:
    """Serve what notes requests; those for /together are answered when TOGETHER of them are there."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        came.append({"path": request.raw_path, "headers": dict(request.headers), "body": body})
        if request.path == "/together":
            await asyncio.wait_for(barrier.wait(), _SECONDS)
        if request.method == "HEAD":
            return web.Response(headers={"Content-Length": "42"})
        return web.Response(status=404 if request.path == "/missing" else 200, body=body, headers={"X-Theirs": "yes"})

    async def start() -> tuple[web.AppRunner, asyncio.Barrier]:
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(app, auto_decompress=False)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner, asyncio.Barrier(TOGETHER)

    runner, barrier = asyncio.run_coroutine_threadsafe(start(), loop).result(_SECONDS)
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def ask(url: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes, str | None]:
    connection = HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)
    connection.request("POST", path, body=body, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.read(), answer.getheader("X-Theirs")


def test_path_host_headers_and_body_arrive_as_they_were() -> None:
    came: list[dict[str, Any]] = []
    with upstream(came) as url, Relay(url) as relay:
        path, body = "/tags/arn%3Aaws%3As3%3A%3A%3Ab%2Fk?x=%2F&y", b"\x1f\x8b not really gzip"
        said = ask(relay.url, path, body, **{"Content-Encoding": "gzip", "X-Signed": "1"})
        assert said == (200, body, "yes")
        assert came[0]["path"] == path
        assert came[0]["body"] == body
        headers = came[0]["headers"]
        assert headers["Host"] == urlsplit(relay.url).netloc
        assert (headers["Content-Encoding"], headers["X-Signed"]) == ("gzip", "1")
        assert "User-Agent" not in headers


def test_the_answer_to_head_keeps_its_length() -> None:
    with upstream([]) as url, Relay(url) as relay:
        connection = HTTPConnection(urlsplit(relay.url).netloc, timeout=_SECONDS)
        connection.request("HEAD", "/object")
        answer = connection.getresponse()
        assert (answer.getheader("Content-Length"), answer.read()) == ("42", b"")


def test_requests_at_the_same_time_do_not_wait_for_each_other() -> None:
    with upstream([]) as url, Recorder(url, latency=0.1) as relay, ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(lambda _: ask(relay.url, "/together")[0], range(TOGETHER)))
        assert answers == [200] * TOGETHER
        assert len(relay.take()) == TOGETHER
        assert relay.take() == []


def test_recorder_keeps_requests_with_their_answers() -> None:
    scope = "AWS4-HMAC-SHA256 Credential=AKID/20261125/us-east-1/ssm/aws4_request, SignedHeaders=host"
    with upstream([]) as url, Recorder(url) as relay:
        ask(relay.url, "/missing", b"{}", **{"X-Amz-Target": "AmazonSSM.GetParameter", "Authorization": scope})
        (exchange,) = relay.take()
    assert exchange.call == Call("ssm", "GetParameter")
    assert (exchange.status, exchange.body, exchange.answer) == (404, b"{}", b"{}")
