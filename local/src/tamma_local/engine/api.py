"""The part of the Docker API that the emulator uses, on a unix socket."""

import asyncio
import json
import logging
import re
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web

from tamma_local.engine.containers import Container, Spec, StartError, Watch
from tamma_local.engine.images import Image, ImageError, Images
from tamma_local.engine.journal import STDERR, STDOUT, Line, rfc3339

_log = logging.getLogger("tamma_local.tasks")

# docker-py asks for 1.24 or newer and uses what it is offered, up to what it knows.
_API_VERSION = "1.44"
_ZERO_TIME = "0001-01-01T00:00:00Z"
# Docker's own grace on `stop` when the caller names none, in seconds.
_STOP_SECONDS = 10

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Engine:
    """Containers and images, and the application that serves them."""

    def __init__(self, images: Path, containers: Path, programs: Path, watch: Watch) -> None:
        self._images = Images(images)
        self._folder = containers
        self._programs = programs
        self._watch = watch
        self._containers: dict[str, Container] = {}
        self._draining = False
        # Nothing can be running in folders of an engine that is gone.
        for leftover in containers.iterdir():
            shutil.rmtree(leftover, ignore_errors=True)

    def application(self) -> web.Application:
        """Return the web application; every path also answers below `/v<version>`."""
        app = web.Application(middlewares=[_errors])
        app.on_response_prepare.append(_identify)
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/_ping", self._ping),
            ("HEAD", "/_ping", self._ping),
            ("GET", "/version", self._version),
            ("GET", "/containers/json", self._list),
            ("POST", "/containers/create", self._create),
            ("GET", "/containers/{id}/json", self._inspect),
            ("POST", "/containers/{id}/start", self._start),
            ("POST", "/containers/{id}/wait", self._wait),
            ("POST", "/containers/{id}/stop", self._stop),
            ("POST", "/containers/{id}/kill", self._kill),
            ("GET", "/containers/{id}/logs", self._logs),
            ("DELETE", "/containers/{id}", self._remove),
            ("GET", "/images/json", self._list_images),
            ("POST", "/images/create", self._pull),
            ("GET", "/images/{name:.+}/json", self._inspect_image),
            ("POST", "/images/{name:.+}/tag", self._tag_image),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, path, handler)
            app.router.add_route(method, "/v{version:[0-9.]+}" + path, handler)
        return app

    async def drain(self, seconds: float) -> int:
        """Start nothing more, stop what runs with the grace given, and return how many containers that were."""
        self._draining = True
        running = [container for container in self._containers.values() if container.status == "running"]
        await asyncio.gather(*(container.stop(seconds) for container in running))
        return len(running)

    async def close(self) -> None:
        """Remove every container."""
        await self.drain(0)
        await asyncio.gather(*(container.remove() for container in self._containers.values()))
        self._containers.clear()

    def _find(self, request: web.Request) -> Container:
        wanted = request.match_info["id"]
        for container in self._containers.values():
            if container.id.startswith(wanted) or container.spec.name == wanted:
                return container
        raise _failure(404, f"No such container: {wanted}")

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response(text="OK")

    async def _version(self, _request: web.Request) -> web.Response:
        return web.json_response({
            "Version": "tamma-processes", "ApiVersion": _API_VERSION, "MinAPIVersion": "1.24", "Os": "linux",
            "Components": [{"Name": "Engine", "Version": "tamma-processes"}],
        })  # fmt: skip

    async def _list(self, request: web.Request) -> web.Response:
        filters = json.loads(request.query.get("filters") or "{}")
        if unknown := set(filters) - {"label", "status", "name"}:
            raise _failure(400, f"invalid filter: {', '.join(sorted(unknown))}")
        everything = request.query.get("all", "0").lower() in {"1", "true"}
        shown = [
            _summary(container)
            for container in self._containers.values()
            if (everything or container.status == "running") and _matches(container, filters)
        ]
        return web.json_response(shown)

    async def _create(self, request: web.Request) -> web.Response:
        if self._draining:
            raise _failure(503, "the embedded cloud is stopping")
        body = await request.json()
        name = request.query.get("name") or ""
        if name and any(container.spec.name == name for container in self._containers.values()):
            raise _failure(409, f'Conflict. The container name "/{name}" is already in use')
        if (body.get("HostConfig") or {}).get("Binds"):
            raise _failure(400, "the process engine mounts no volumes: a task with volumes needs Docker")
        image = self._images.find(body["Image"])
        if image is None:
            raise _failure(404, f"No such image: {body['Image']}")
        container = Container(_spec(body, name, image), self._folder, self._programs, self._watch)
        self._containers[container.id] = container
        return web.json_response({"Id": container.id, "Warnings": []}, status=201)

    async def _start(self, request: web.Request) -> web.Response:
        container = self._find(request)
        if container.status == "running":
            return web.Response(status=304)
        if self._draining:
            raise _failure(503, "the embedded cloud is stopping")
        try:
            await container.start()
        except StartError as error:
            raise _failure(400, str(error)) from error
        _log.info("%s started as process %d: %s", container.id[:12], container.pid, container.spec.name)
        return web.Response(status=204)

    async def _inspect(self, request: web.Request) -> web.Response:
        return web.json_response(_details(self._find(request)))

    async def _wait(self, request: web.Request) -> web.Response:
        return web.json_response({"StatusCode": await self._find(request).wait()})

    async def _stop(self, request: web.Request) -> web.Response:
        container = self._find(request)
        if container.status != "running":
            return web.Response(status=304)
        await container.stop(float(request.query.get("t", _STOP_SECONDS)))
        return web.Response(status=204)

    async def _kill(self, request: web.Request) -> web.Response:
        container = self._find(request)
        if container.status != "running":
            raise _failure(409, f"Container {container.id} is not running")
        container.signal(_signal_number(request.query.get("signal", "SIGKILL")))
        return web.Response(status=204)

    async def _logs(self, request: web.Request) -> web.StreamResponse:
        container, query = self._find(request), request.query
        streams = {
            number
            for number, name in ((STDOUT, "stdout"), (STDERR, "stderr"))
            if query.get(name, "0").lower() in {"1", "true"}
        }
        timestamps = query.get("timestamps", "0").lower() in {"1", "true"}
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.docker.multiplexed-stream"})
        await response.prepare(request)
        async for line in _selected(container, query.get("tail", "all"), query.get("follow", "0")):
            if line.stream in streams:
                await response.write(line.frame(timestamps=timestamps))
        await response.write_eof()
        return response

    async def _remove(self, request: web.Request) -> web.Response:
        container = self._find(request)
        if container.status == "running":
            if request.query.get("force", "0").lower() not in {"1", "true"}:
                raise _failure(409, f"You cannot remove a running container {container.id}. Stop it first")
            await container.stop(0)
        self._containers.pop(container.id, None)
        await container.remove()
        return web.Response(status=204)

    async def _list_images(self, _request: web.Request) -> web.Response:
        return web.json_response([_image_details(name, image) for name, image in self._images.all().items()])

    async def _pull(self, request: web.Request) -> web.Response:
        repository, reference = request.query.get("fromImage", ""), request.query.get("tag") or "latest"
        try:
            image = await self._images.pull(repository, reference)
        except ImageError as error:
            raise _failure(error.status, str(error)) from error
        return web.Response(text=json.dumps({"status": f"Digest: {image.digest}"}) + "\n")

    async def _inspect_image(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        return web.json_response(_image_details(name, self._image(name)))

    async def _tag_image(self, request: web.Request) -> web.Response:
        image = self._image(request.match_info["name"])
        self._images.tag(image, f"{request.query['repo']}:{request.query.get('tag') or 'latest'}")
        return web.Response(status=201)

    def _image(self, name: str) -> Image:
        image = self._images.find(name)
        if image is None:
            raise _failure(404, f"No such image: {name}")
        return image


def _failure(status: int, message: str) -> web.HTTPException:
    """Return an error as Docker answers it: JSON with a message."""
    kinds: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest, 404: web.HTTPNotFound, 409: web.HTTPConflict, 503: web.HTTPServiceUnavailable,
    }  # fmt: skip
    kind = kinds.get(status, web.HTTPInternalServerError)
    return kind(text=json.dumps({"message": message}), content_type="application/json")


@web.middleware
async def _errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer everything that goes wrong in Docker's words, unknown calls included."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.content_type == "application/json" or error.status < 400:  # noqa: PLR2004 - not an error
            raise
        raise _failure(error.status, f"{request.method} {request.path}: not offered by the process engine") from error
    except (ValueError, KeyError) as error:
        raise _failure(400, f"{request.method} {request.path} was not understood: {error!r}") from error


async def _identify(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers["Api-Version"] = _API_VERSION
    response.headers["Ostype"] = "linux"


def _spec(body: dict[str, Any], name: str, image: Image) -> Spec:
    """Return what to run: Docker's rule is that an entry point given drops the image's command as well."""
    config = image.config
    entry_point = body.get("Entrypoint") or config.get("Entrypoint") or []
    command = body.get("Cmd") or ([] if body.get("Entrypoint") else config.get("Cmd") or [])
    pairs = (entry.partition("=") for entry in body.get("Env") or [])
    return Spec(
        name=name,
        image=image,
        image_name=body["Image"],
        argv=[image.resolve(part) for part in (*entry_point, *command)],
        environment={key: value for key, _, value in pairs},
        working_folder=_working_folder(body.get("WorkingDir") or config.get("WorkingDir") or "", image),
        labels=body.get("Labels") or {},
    )


def _working_folder(path: str, image: Image) -> str:
    """Return the folder to start in, or nothing for the container's own: an image has no other folders here."""
    resolved = image.resolve(path)
    return resolved if resolved != path and Path(resolved).is_dir() else ""


def _matches(container: Container, filters: dict[str, Any]) -> bool:
    for label in filters.get("label") or []:
        key, given, value = label.partition("=")
        if key not in container.spec.labels or (given and container.spec.labels[key] != value):
            return False
    if filters.get("name") and not any(re.search(name, container.spec.name) for name in filters["name"]):
        return False
    return not filters.get("status") or container.status in filters["status"]


def _summary(container: Container) -> dict[str, Any]:
    return {
        "Id": container.id,
        "Names": [f"/{container.spec.name}"],
        "Image": container.spec.image_name,
        "ImageID": container.spec.image.image_id,
        "Command": " ".join(container.spec.argv),
        "Created": container.created_ns // 1_000_000_000,
        "State": container.status,
        "Status": container.status,
        "Labels": dict(container.spec.labels),
        "Ports": [],
        "Mounts": [],
    }


def _details(container: Container) -> dict[str, Any]:
    spec = container.spec
    return {
        "Id": container.id,
        "Name": f"/{spec.name}",
        "Created": rfc3339(container.created_ns),
        "Path": spec.argv[0] if spec.argv else "",
        "Args": list(spec.argv[1:]),
        "Image": spec.image.image_id,
        "State": {
            "Status": container.status,
            "Running": container.status == "running",
            "Paused": False,
            "Restarting": False,
            "OOMKilled": False,
            "Dead": False,
            "Pid": container.pid,
            "ExitCode": container.exit_code,
            "Error": container.error,
            "StartedAt": rfc3339(container.started_ns) if container.started_ns else _ZERO_TIME,
            "FinishedAt": rfc3339(container.finished_ns) if container.finished_ns else _ZERO_TIME,
        },
        "Config": {"Image": spec.image_name, "Labels": dict(spec.labels), "Tty": False, "Cmd": list(spec.argv)},
        "HostConfig": {"NetworkMode": "host", "LogConfig": {"Type": "json-file", "Config": {}}},
        "NetworkSettings": {"Networks": {}, "Ports": {}},
        "Mounts": [],
    }


def _image_details(name: str, image: Image) -> dict[str, Any]:
    return {
        "Id": image.image_id,
        "RepoTags": [] if "@" in name else [name],
        "RepoDigests": [f"{name.partition('@')[0].rpartition(':')[0]}@{image.digest}"],
        "Config": dict(image.config),
        "Size": image.size,
    }


def _signal_number(name: str) -> int:
    """Return the number of a signal given as a number, `TERM` or `SIGTERM`; ValueError when there is none."""
    if name.isdigit():
        return signal.Signals(int(name))
    try:
        return signal.Signals[name if name.startswith("SIG") else f"SIG{name}"]
    except KeyError as error:
        raise ValueError(f"no signal {name}") from error


async def _selected(container: Container, tail: str, follow: str) -> AsyncIterator[Line]:
    """Yield the lines asked for: the last `tail` ones or all, and those to come when following."""
    following = follow.lower() in {"1", "true"}
    skip = 0
    if tail.isdigit():
        skip = max(0, len([line async for line in container.journal.lines(follow=False)]) - int(tail))
    number = 0
    async for line in container.journal.lines(follow=following):
        number += 1
        if number > skip:
            yield line
