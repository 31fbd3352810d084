"""The gateway in front of PostgREST, with something that answers in PostgREST's place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from tamma_local import keys
from tamma_local.gateway import Gateway
from yarl import URL

KEYS = keys.make()
Scenario = Callable[[ClientSession], Awaitable[None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], list[dict[str, Any]]]:
    """Return a function that runs a scenario and returns what came through."""

    async def run(scenario: Scenario) -> list[dict[str, Any]]:
        came: list[dict[str, Any]] = []

        async def upstream(request: web.Request) -> web.Response:
            size = 0
            async for chunk in request.content.iter_any():
                size += len(chunk)
            came.append({"method": request.method, "path": request.raw_path, "headers": request.headers, "size": size})
            return web.Response(status=206, text="rows", headers={"Content-Range": "0-1/2"})

        behind = web.Application(client_max_size=0)
        behind.router.add_route("*", "/{path:.*}", upstream)
        socket = tmp_path / "s"
        runners = [web.AppRunner(behind), web.AppRunner(Gateway(KEYS, socket).application())]
        for runner in runners:
            await runner.setup()
        await web.UnixSite(runners[0], str(socket)).start()
        await web.TCPSite(runners[1], "127.0.0.1", 0).start()
        try:
            async with ClientSession(f"http://127.0.0.1:{runners[1].addresses[0][1]}") as session:
                await scenario(session)
        finally:
            for runner in runners:
                await runner.cleanup()
        return came

    return lambda scenario: asyncio.run(asyncio.wait_for(run(scenario), 20))


def test_request_and_answer_pass_unchanged_but_for_the_prefix_and_the_key(
    play: Callable[[Scenario], list[dict[str, Any]]],
) -> None:
    async def scenario(session: ClientSession) -> None:
        headers = {"apikey": KEYS.anon_key, "Authorization": "Bearer user", "Prefer": "count=exact", "Range": "0-1"}
        path = "/rest/v1/jobs?job_id=eq.a%2Fb&apikey=x&select=a,b(c)"
        answer = await session.get(URL(path, encoded=True), headers=headers)
        assert (answer.status, await answer.text()) == (206, "rows")
        assert answer.headers["Content-Range"] == "0-1/2"

    [request] = play(scenario)
    assert request["path"] == "/jobs?job_id=eq.a%2Fb&select=a,b(c)"
    assert request["headers"]["Prefer"] == "count=exact"
    assert request["headers"]["Authorization"] == "Bearer user"
    assert "apikey" not in request["headers"]


def test_key_stands_in_for_a_missing_token(play: Callable[[Scenario], list[dict[str, Any]]]) -> None:
    async def scenario(session: ClientSession) -> None:
        await session.get("/rest/v1/", headers={"apikey": KEYS.service_key})

    [request] = play(scenario)
    assert request["path"] == "/"
    assert request["headers"]["Authorization"] == f"Bearer {KEYS.service_key}"


def test_large_bodies_are_streamed(play: Callable[[Scenario], list[dict[str, Any]]]) -> None:
    async def scenario(session: ClientSession) -> None:
        async def body() -> Any:
            for _ in range(64):
                yield b"x" * 65536

        await session.post("/rest/v1/rpc/f", headers={"apikey": KEYS.service_key}, data=body())

    assert play(scenario)[0]["size"] == 64 * 65536


@pytest.mark.parametrize(("method", "path", "headers", "status", "words"), [
    ("GET", "/rest/v1/jobs", {}, 401, "No API key"),
    ("GET", "/rest/v1/jobs", {"apikey": "wrong"}, 401, "Invalid API key"),
    ("GET", "/rest/v1/jobs", {"Authorization": f"Bearer {KEYS.service_key}"}, 401, "No API key"),
    ("GET", "/rest/v1beta", {"apikey": KEYS.service_key}, 404, "offers /rest/v1 alone"),
    ("POST", "/auth/v1/token", {"apikey": KEYS.service_key}, 404, "offers /rest/v1 alone"),
    ("GET", "/", {}, 404, "offers /rest/v1 alone"),
])  # fmt: skip
def test_refusals_never_reach_postgrest(  # noqa: PLR0917 - pytest passes by name
    play: Callable[[Scenario], list[dict[str, Any]]],
    method: str, path: str, headers: dict[str, str], status: int, words: str,
) -> None:  # fmt: skip
    async def scenario(session: ClientSession) -> None:
        answer = await session.request(method, path, headers=headers)
        assert answer.status == status
        assert words in (await answer.json())["message"]

    assert play(scenario) == []


def test_preflight_of_a_browser_needs_no_key(play: Callable[[Scenario], list[dict[str, Any]]]) -> None:
    async def scenario(session: ClientSession) -> None:
        await session.options("/rest/v1/jobs", headers={"Origin": "http://127.0.0.1:3000"})

    assert [request["method"] for request in play(scenario)] == ["OPTIONS"]


def test_dead_postgrest_is_told(tmp_path: Path) -> None:
    async def scenario() -> None:
        runner = web.AppRunner(Gateway(KEYS, tmp_path / "none").application())
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
            answer = await session.get("/rest/v1/", headers={"apikey": KEYS.anon_key})
            assert answer.status == 503
            assert "PostgREST does not answer" in (await answer.json())["message"]
        await runner.cleanup()

    asyncio.run(scenario())
