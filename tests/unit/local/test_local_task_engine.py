"""Processes behind the Docker API."""

from __future__ import annotations

import asyncio
import io
import json
import platform
import signal
import socket
import struct
import sys
import tarfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, UnixConnector, web
from tamma_local import task_engine
from tamma_local.engine import images
from tamma_local.engine.api import Engine
from tamma_local.engine.containers import environment
from tamma_local.engine.images import Image, ImageError, unpack
from tamma_local.engine.journal import MAX_LINE_BYTES, STDERR, STDOUT, Journal
from tamma_local.errors import LocalCloudError

IMAGE = "127.0.0.1:1/worker:one"
Scenario = Callable[[ClientSession, Engine], Awaitable[None]]


class Watch:
    def __init__(self) -> None:
        self.groups: set[int] = set()

    def add(self, group: int) -> None:
        self.groups.add(group)

    def discard(self, group: int) -> None:
        self.groups.discard(group)


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scenario], Watch]:
    """Return a function that runs a scenario against an engine on a unix socket, with one image that runs a shell."""

    async def run(scenario: Scenario) -> Watch:
        for name in ("images", "containers"):
            (tmp_path / name).mkdir()
        (tmp_path / "containers" / "left-by-a-crash").mkdir()
        watch = Watch()
        engine = Engine(tmp_path / "images", tmp_path / "containers", Path(sys.executable).parent, watch)
        config = {"Env": ["PYTHONPATH=/app/src", "FROM=image"], "Entrypoint": ["/bin/sh", "-c"]}
        engine._images.tag(Image("sha256:1", "sha256:2", tmp_path / "images" / "x", config), IMAGE)
        runner = web.AppRunner(engine.application(), shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "s")).start()
        try:
            async with ClientSession("http://docker", connector=UnixConnector(str(tmp_path / "s"))) as session:
                await scenario(session, engine)
        finally:
            await engine.close()
            await runner.cleanup()
        assert list((tmp_path / "containers").iterdir()) == []
        return watch

    return lambda scenario: asyncio.run(asyncio.wait_for(run(scenario), 20))


async def create(session: ClientSession, script: str, **body: Any) -> str:
    answer = await session.post("/v1.44/containers/create", json={"Image": IMAGE, "Cmd": [script], **body})
    assert answer.status == 201, await answer.text()
    return str((await answer.json())["Id"])


async def start(session: ClientSession, script: str, **body: Any) -> str:
    container = await create(session, script, **body)
    assert (await session.post(f"/v1.44/containers/{container}/start")).status == 204
    return container


async def logs(session: ClientSession, container: str, query: str = "stdout=1&stderr=1&follow=1") -> list[Any]:
    data = await (await session.get(f"/containers/{container}/logs?{query}")).read()
    frames = []
    while data:
        stream, size = struct.unpack(">BxxxI", data[:8])
        frames.append((stream, data[8 : 8 + size].decode()))
        data = data[8 + size :]
    return frames


async def code(session: ClientSession, container: str) -> int:
    return int((await (await session.post(f"/containers/{container}/wait")).json())["StatusCode"])


def test_container_runs_with_its_own_environment_and_folder(
    play: Callable[[Scenario], Watch], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OF_THE_SUPERVISOR", "1")

    async def scenario(session: ClientSession, _engine: Engine) -> None:
        body = {"Env": ["A=b=c", "URL=http://host.docker.internal:4566/v4"], "Labels": {"x": "1"}}
        container = await start(session, "env; pwd", **body)
        assert await code(session, container) == 0
        lines = [text.rstrip("\n") for _stream, text in await logs(session, container)]
        values = dict(line.split("=", 1) for line in lines[:-1])
        assert values["A"] == "b=c"
        assert values["URL"] == "http://127.0.0.1:4566/v4"
        assert values["FROM"] == "image"
        assert values["PYTHONPATH"] == str(tmp_path / "images" / "x" / "app" / "src")
        assert values["PATH"].startswith(f"{Path(sys.executable).parent}:")
        assert values["HOME"] == values["TMPDIR"] == lines[-1]
        assert "OF_THE_SUPERVISOR" not in values

    assert play(scenario).groups == set()


@pytest.mark.parametrize(("script", "wanted"), [("exit 66", 66), ("kill -SEGV $$", 139), ("kill -9 $$", 137)])
def test_exit_codes(play: Callable[[Scenario], Watch], script: str, wanted: int) -> None:
    async def scenario(session: ClientSession, _engine: Engine) -> None:
        container = await start(session, script)
        assert await code(session, container) == wanted
        state = (await (await session.get(f"/containers/{container}/json")).json())["State"]
        assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", wanted, False)

    play(scenario)


def alive(pid: int) -> bool:
    """Say whether a process still does something: one that was killed may wait for its parent to notice."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_stop_asks_first_and_then_ends_the_whole_group(play: Callable[[Scenario], Watch]) -> None:
    async def scenario(session: ClientSession, engine: Engine) -> None:
        polite = await start(session, "trap 'echo asked; exit 143' TERM; echo up; while :; do sleep 0.05; done")
        stubborn = await start(session, "trap '' TERM; echo up; sleep 30 & echo $!; wait; sleep 30")
        for container in (polite, stubborn):
            # Its first line says that it is ready for signals.
            await anext(engine._containers[container].journal.lines(follow=True))
        await session.post(f"/containers/{polite}/stop?t=5")
        assert await code(session, polite) == 143
        assert (1, "asked\n") in await logs(session, polite)
        await session.post(f"/containers/{stubborn}/stop?t=0")
        assert await code(session, stubborn) == 137
        assert not alive(int((await logs(session, stubborn))[1][1]))

    play(scenario)


def test_what_a_dead_process_left_behind_does_not_hold_its_container_open(play: Callable[[Scenario], Watch]) -> None:
    async def scenario(session: ClientSession, _engine: Engine) -> None:
        container = await start(session, "sleep 30 & exit 3")
        assert await code(session, container) == 3

    play(scenario)


def test_logs_in_streams_with_times_and_tail(play: Callable[[Scenario], Watch]) -> None:
    async def scenario(session: ClientSession, _engine: Engine) -> None:
        container = await start(session, "echo one; echo two >&2; printf three")
        await code(session, container)
        everything = await logs(session, container)
        assert sorted(everything) == [(STDOUT, "one\n"), (STDOUT, "three"), (STDERR, "two\n")]
        assert await logs(session, container, "stderr=1") == [(STDERR, "two\n")]
        assert len(await logs(session, container, "stdout=1&stderr=1&tail=1")) == 1
        stamped = (await logs(session, container, "stdout=1&timestamps=1"))[0][1]
        assert stamped.split(" ")[0].endswith("Z")
        assert stamped.split(" ")[1] == "one\n"

    play(scenario)


def test_list_filters_and_names(play: Callable[[Scenario], Watch]) -> None:
    async def scenario(session: ClientSession, _engine: Engine) -> None:
        answer = await session.post("/containers/create?name=a", json={"Image": IMAGE, "Labels": {"k": "v"}})
        container = (await answer.json())["Id"]
        assert (await session.post("/containers/create?name=a", json={"Image": IMAGE})).status == 409
        for query, wanted in (
            ("", []),
            ("?all=1", [container]),
            ('?all=1&filters={"label":["k=v"]}', [container]),
            ('?all=1&filters={"label":["k"]}', [container]),
            ('?all=1&filters={"label":["k=w"]}', []),
        ):
            listed = await (await session.get(f"/containers/json{query}")).json()
            assert [each["Id"] for each in listed] == wanted, query
        assert (await session.get('/containers/json?filters={"ancestor":["x"]}')).status == 400
        assert (await session.delete("/containers/a")).status == 204

    play(scenario)


@pytest.mark.parametrize(("method", "path", "body", "status", "words"), [
    ("GET", "/containers/none/json", None, 404, "No such container: none"),
    ("POST", "/containers/create", {"Image": "none"}, 404, "No such image: none"),
    ("POST", "/containers/create", {"Image": IMAGE, "HostConfig": {"Binds": ["/:/x"]}}, 400, "needs Docker"),
    ("POST", "/containers/create", {}, 400, "was not understood"),
    ("GET", "/swarm", None, 404, "GET /swarm: not offered by the process engine"),
    ("POST", "/images/create?fromImage=debian&tag=x", None, 404, "the emulator's registry alone"),
    ("POST", "/images/create?fromImage=127.0.0.1:1/worker&tag=two", None, 500, "did not answer"),
])  # fmt: skip
def test_refusals_are_in_dockers_form(  # noqa: PLR0917 - pytest passes by name
    play: Callable[[Scenario], Watch], method: str, path: str, body: Any, status: int, words: str
) -> None:
    async def scenario(session: ClientSession, _engine: Engine) -> None:
        answer = await session.request(method, path, json=body)
        assert answer.status == status
        assert words in (await answer.json())["message"]

    play(scenario)


def test_program_that_does_not_exist_fails_the_start(play: Callable[[Scenario], Watch]) -> None:
    async def scenario(session: ClientSession, _engine: Engine) -> None:
        container = await create(session, "", Entrypoint=["no-such-program"])
        answer = await session.post(f"/containers/{container}/start")
        assert answer.status == 400
        assert '"no-such-program": executable file not found' in (await answer.json())["message"]
        state = (await (await session.get(f"/containers/{container}/json")).json())["State"]
        assert (state["Status"], state["ExitCode"]) == ("exited", 127)

    play(scenario)


def test_draining_engine_starts_nothing_more(play: Callable[[Scenario], Watch]) -> None:
    async def scenario(session: ClientSession, engine: Engine) -> None:
        created = await create(session, "exit 0")
        running = await start(session, "exec sleep 30")
        assert await engine.drain(5) == 1
        assert await code(session, running) == 128 + signal.SIGTERM
        assert (await session.post("/containers/create", json={"Image": IMAGE})).status == 503
        assert (await session.post(f"/containers/{created}/start")).status == 503

    play(scenario)


def test_long_lines_are_cut_and_nothing_is_lost(tmp_path: Path) -> None:
    async def scenario() -> None:
        journal, reader = Journal(tmp_path / "log"), asyncio.StreamReader()
        reader.feed_data(b"x" * (3 * MAX_LINE_BYTES) + b"\nshort\n")
        reader.feed_eof()
        await journal.record(STDOUT, reader)
        journal.close()
        lines = [line.text async for line in journal.lines(follow=True)]
        assert b"".join(lines) == b"x" * (3 * MAX_LINE_BYTES) + b"\nshort\n"
        assert max(map(len, lines)) <= MAX_LINE_BYTES
        assert lines[-1] == b"short\n"

    asyncio.run(scenario())


def archive(tmp_path: Path, *members: tarfile.TarInfo) -> Path:
    path = tmp_path / "layer.tar"
    with tarfile.open(path, "w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize("entry", [
    member("../out"), member("a/../../out"), member("dev", tarfile.CHRTYPE), member("link", tarfile.SYMTYPE, "/etc"),
    member("link", tarfile.SYMTYPE, "../../out"), member("hard", tarfile.LNKTYPE, "../out"), member("app/.wh.gone"),
], ids=lambda entry: f"{entry.name}-{entry.linkname}")  # fmt: skip
def test_layers_that_would_leave_their_folder_are_refused(tmp_path: Path, entry: tarfile.TarInfo) -> None:
    with pytest.raises(ImageError, match=r"the image"):
        unpack(archive(tmp_path, member("ok"), entry), tmp_path / "root", "the image")
    assert not (tmp_path / "out").exists()


def test_images_of_several_layers_and_indexes_need_docker() -> None:
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": "sha256:1"}
    config = {"digest": "sha256:2"}
    assert images._check_manifest({"layers": [layer], "config": config}, "i") == (layer, "sha256:2")
    for manifest in (
        {"layers": [layer, layer], "config": config},
        {"layers": [{**layer, "mediaType": "application/vnd.oci.image.layer.v1.tar+zstd"}], "config": config},
        {"manifests": [], "mediaType": "application/vnd.oci.image.index.v1+json"},
    ):
        with pytest.raises(ImageError, match="process engine"):
            images._check_manifest(manifest, "i")


def test_only_paths_of_the_image_below_app_are_resolved() -> None:
    image = Image("i", "d", Path("/unpacked"), {"Env": ["P=/app/src:/app:/apple:/usr/app", "Q=see /app"]})
    assert image.environment == {"P": "/unpacked/app/src:/unpacked/app:/apple:/usr/app", "Q": "see /app"}
    values = environment({"R": "/app/x"}, image, Path("/own"), Path("/programs"))
    assert values["R"] == "/app/x"


@pytest.fixture
def docker_socket(tmp_path: Path) -> Any:
    """A socket on which something answers 200 to everything."""
    path = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        yield path


def test_docker_is_used_when_it_answers_and_not_when_processes_are_wanted(docker_socket: Path) -> None:
    host = f"unix://{docker_socket}"
    assert task_engine.choose("process", Path("/own"), {"DOCKER_HOST": host}).docker_host == "unix:///own"
    chosen = task_engine.choose("auto", Path("/own"), {"DOCKER_HOST": host, "DOCKER_CERT_PATH": "/c", "SECRET": "x"})
    assert (chosen.kind, chosen.docker_host) == ("docker", host)
    assert chosen.variables == {"DOCKER_HOST": host, "DOCKER_CERT_PATH": "/c"}


def test_processes_are_used_without_docker_and_docker_that_is_wanted_and_absent_is_told(tmp_path: Path) -> None:
    nothing = {"DOCKER_HOST": f"unix://{tmp_path}/none"}
    assert task_engine.choose("auto", Path("/own"), nothing).kind == "process"
    with pytest.raises(LocalCloudError, match=r"No Docker engine answers.*TAMMA_TASK_ENGINE=process"):
        task_engine.choose("docker", Path("/own"), nothing)
    with pytest.raises(LocalCloudError, match="must be auto, docker or process"):
        task_engine.choose("podman", Path("/own"), nothing)


@pytest.fixture
def engine_that_says(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], str]]:
    """Return a function that makes an engine with these facts about itself and returns its address."""
    listener = socket.socket(socket.AF_UNIX)
    path = tmp_path / "says.sock"

    def make(info: dict[str, Any]) -> str:
        body = json.dumps(info).encode()
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return f"unix://{path}"

    yield make
    listener.close()


HERE = {"Name": platform.node(), "KernelVersion": platform.release(), "SecurityOptions": ["name=seccomp"]}


def test_the_engine_of_this_machine_is_used(engine_that_says: Callable[[dict[str, Any]], str]) -> None:
    chosen = task_engine.choose("auto", Path("/own"), {"DOCKER_HOST": engine_that_says(HERE)})
    assert (chosen.kind, chosen.note) == ("docker", "")


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({**HERE, "Name": "docker-desktop"}, "virtual machine"),
        ({**HERE, "KernelVersion": "6.6.0-linuxkit"}, "virtual machine"),
        ({**HERE, "SecurityOptions": ["name=seccomp", "name=rootless"]}, "rootless"),
    ],
)
def test_an_engine_with_another_loopback_is_not_used(
    engine_that_says: Callable[[dict[str, Any]], str], info: dict[str, Any], words: str
) -> None:
    chosen = task_engine.choose("auto", Path("/own"), {"DOCKER_HOST": engine_that_says(info)})
    assert chosen.kind == "process"
    assert words in chosen.note


def test_an_engine_on_another_host_is_not_used() -> None:
    chosen = task_engine.choose("auto", Path("/own"), {"DOCKER_HOST": "tcp://192.0.2.1:2375"})
    assert chosen.kind == "process"
    assert "not on this machine" in chosen.note


def test_an_engine_that_the_user_may_not_use_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: Any) -> None:
        raise PermissionError(13, "Permission denied")

    # Root may open every socket, so that permissions alone would refuse nothing there.
    monkeypatch.setattr(task_engine, "_get", refuse)
    environment = {"DOCKER_HOST": "unix:///var/run/docker.sock"}
    chosen = task_engine.choose("auto", Path("/own"), environment)
    assert chosen.kind == "process"
    assert "closed to this user" in chosen.note
    assert chosen.note.endswith("so tasks run as processes.")
    with pytest.raises(LocalCloudError, match=r"closed to this user.*TAMMA_TASK_ENGINE=process"):
        task_engine.choose("docker", Path("/own"), environment)


def test_a_machine_without_docker_is_nothing_to_speak_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(task_engine, "DEFAULT_SOCKET", str(tmp_path / "none"))
    assert task_engine.choose("auto", Path("/own"), {}).note == ""


def test_image_json_is_found_by_name_with_slashes(play: Callable[[Scenario], Watch]) -> None:
    async def scenario(session: ClientSession, _engine: Engine) -> None:
        found = await (await session.get(f"/images/{IMAGE}/json")).json()
        assert found["RepoTags"] == [IMAGE]
        assert found["RepoDigests"] == ["127.0.0.1:1/worker@sha256:2"]
        assert json.loads(await (await session.get("/images/json")).text())[0]["Id"] == "sha256:1"

    play(scenario)
