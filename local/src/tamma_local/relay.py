"""A loopback proxy in front of an AWS endpoint: what stands between a client and the cloud in tests and benchmarks."""

import asyncio
import threading
from typing import Self

import aiohttp
from aiohttp import web
from yarl import URL

# What belongs to one connection and not to the request; lengths are counted anew.
_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})
# Headers that the client library would add where the request has none of its own.
_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class Relay:
    """Serves in a thread of its own between `with` and its end, many requests at a time.

    It passes everything on as it is: a signature covers the Host header, which names this proxy. Subclasses change
    `answer`, which runs in the proxy's thread.
    """

    def __init__(self, target: str) -> None:
        self.url = ""
        self._target = target
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def answer(self, request: web.Request, body: bytes) -> web.StreamResponse:
        """Return what the client gets."""
        return await self.pass_on(request, body)

    async def pass_on(self, request: web.Request, body: bytes) -> web.Response:
        """Repeat the request at the endpoint and return its answer."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        # As it came, with every %2F: the signature covers the path too.
        url = URL(f"{self._target}{request.raw_path}", encoded=True)
        async with self._session.request(
            request.method, url, data=body, headers=headers, allow_redirects=False, skip_auto_headers=_ADDED
        ) as answer:
            # The answer to HEAD has the length of a body that it does not bring.
            hop = _HOP - {"content-length"} if request.method == "HEAD" else _HOP
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in hop}
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Read the request and return what the client gets; for subclasses that do not even read all of it."""
        return await self.answer(request, await request.read())

    async def _start(self) -> None:
        app = web.Application(client_max_size=0)  # none: a layer is a request of many megabytes
        app.router.add_route("*", "/{path:.*}", self.handle)
        self._session = aiohttp.ClientSession(
            auto_decompress=False, connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )
        # A client that is killed in the middle of a request leaves nothing to wait for.
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def _stop(self) -> None:
        await self._runner.cleanup()
        await self._session.close()
