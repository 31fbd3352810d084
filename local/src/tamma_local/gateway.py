"""Supabase's front door: `/rest/v1` to PostgREST, for callers that show an API key."""

import hmac
from pathlib import Path

import aiohttp
from aiohttp import web
from yarl import URL

from tamma_local.keys import Keys

_PREFIX = "/rest/v1"
# Of one connection only (RFC 9110, 7.6.1), or of no interest behind the gateway.
_NOT_FORWARDED = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "host", "apikey",
})  # fmt: skip
# Long uploads and downloads may take their time; a PostgREST that does not accept a connection is gone.
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10)
_CHUNK_BYTES = 64 * 1024


class Gateway:
    """The gateway's web application."""

    def __init__(self, keys: Keys, postgrest_socket: Path) -> None:
        self._api_keys = (keys.anon_key.encode(), keys.service_key.encode())
        self._socket = postgrest_socket
        self._session: aiohttp.ClientSession | None = None

    def application(self) -> web.Application:
        """Return the application; it opens and closes its connections to PostgREST itself."""
        # No limit on bodies: they are streamed, and PostgREST sets its own.
        app = web.Application(client_max_size=0)
        app.router.add_route("*", "/{path:.*}", self._answer)
        app.on_startup.append(self._open)
        app.on_cleanup.append(self._close)
        return app

    async def _open(self, _app: web.Application) -> None:
        # limit=0: one connection per request in flight; PostgREST queues for its pool.
        connector = aiohttp.UnixConnector(str(self._socket), limit=0)
        # Bodies pass as they are, compressed or not.
        self._session = aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, auto_decompress=False)

    async def _close(self, _app: web.Application) -> None:
        if self._session:
            await self._session.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        if path != _PREFIX and not path.startswith(f"{_PREFIX}/"):
            text = f"The embedded cloud offers {_PREFIX} alone; {path} is a service of Supabase that it does not have."
            return _refusal(404, text)
        # A browser's preflight carries no key.
        if request.method != "OPTIONS":
            api_key = request.headers.get("apikey") or request.query.get("apikey")
            if not api_key:
                return _refusal(401, "No API key found in request: send the anon or service key in the header apikey.")
            if not self._knows(api_key):
                return _refusal(401, "Invalid API key: it is neither the anon nor the service key of this cloud.")
        return await self._forward(request, path.removeprefix(_PREFIX) or "/")

    def _knows(self, api_key: str) -> bool:
        given = api_key.encode()
        return any(hmac.compare_digest(given, known) for known in self._api_keys)

    async def _forward(self, request: web.Request, path: str) -> web.StreamResponse:
        assert self._session  # noqa: S101 - opened before the first request
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_FORWARDED}
        if "Authorization" not in headers and "apikey" in request.headers:
            headers["Authorization"] = f"Bearer {request.headers['apikey']}"
        # PostgREST would take the key for a column of the table.
        query = "&".join(part for part in request.rel_url.raw_query_string.split("&") if not part.startswith("apikey="))
        url = URL(f"http://postgrest{path}{'?' if query else ''}{query}", encoded=True)
        body = request.content if request.body_exists else None
        try:
            upstream = await self._session.request(request.method, url, headers=headers, data=body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return _refusal(503, f"PostgREST does not answer: {error}")
        async with upstream:
            return await _passed_on(request, upstream)


async def _passed_on(request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=upstream.status, reason=upstream.reason)
    for name, value in upstream.headers.items():
        if name.lower() not in _NOT_FORWARDED:
            response.headers.add(name, value)
    await response.prepare(request)
    async for chunk in upstream.content.iter_chunked(_CHUNK_BYTES):
        await response.write(chunk)
    await response.write_eof()
    return response


def _refusal(status: int, message: str) -> web.Response:
    # A page of the front end must be able to read why.
    return web.json_response({"message": message}, status=status, headers={"Access-Control-Allow-Origin": "*"})
