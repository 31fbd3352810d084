"""A container that is a process group of this machine."""

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from tamma_local.engine.images import Image
from tamma_local.engine.journal import STDERR, STDOUT, Journal

# Pipes end with the group; only a process that left the group can hold one open, and nobody waits for that.
_LAST_WORDS_SECONDS = 2
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


class Watch(Protocol):
    """Whoever must end process groups when the supervisor cannot."""

    def add(self, group: int) -> None:
        """Take a process group into care."""

    def discard(self, group: int) -> None:
        """Forget a process group that has ended."""


class StartError(Exception):
    """Why a container cannot start, as Docker words it."""


@dataclass(frozen=True)
class Spec:
    """What was asked for when the container was created."""

    name: str
    image: Image
    image_name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    working_folder: str
    labels: Mapping[str, str] = field(default_factory=dict)


def environment(spec_environment: Mapping[str, str], image: Image, own_folder: Path, programs: Path) -> dict[str, str]:
    """Return the environment of a container: the image's, then the container's, and nothing of the supervisor's.

    `host.docker.internal` is the machine itself, so a process reaches it at 127.0.0.1.
    """
    given = {name: value.replace("host.docker.internal", "127.0.0.1") for name, value in spec_environment.items()}
    values = {"HOME": str(own_folder), "TMPDIR": str(own_folder), **image.environment, **given}
    values["PATH"] = f"{programs}:{values.get('PATH', _DEFAULT_PATH)}"
    return values


class Container:
    """One container, from creation to removal."""

    def __init__(self, spec: Spec, folder: Path, programs: Path, watch: Watch) -> None:
        self.id = secrets.token_hex(32)
        self.spec = spec
        self.created_ns = time.time_ns()
        self.started_ns = self.finished_ns = 0
        self.exit_code = 0
        self.error = ""
        self._folder = folder / self.id[:12]
        self._programs = programs
        self._watch = watch
        self._process: asyncio.subprocess.Process | None = None
        self._running: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        (self._folder / "work").mkdir(parents=True)
        self.journal = Journal(self._folder / "log")

    @property
    def status(self) -> str:
        """`created`, `running` or `exited`."""
        if self._ended.is_set():
            return "exited"
        return "running" if self._process else "created"

    @property
    def pid(self) -> int:
        """The process id while it runs, else 0."""
        return self._process.pid if self._process and self.status == "running" else 0

    async def start(self) -> None:
        """Start the process; StartError when its program does not exist or cannot run."""
        work = self._folder / "work"
        values = environment(self.spec.environment, self.spec.image, work, self._programs)
        program = shutil.which(self.spec.argv[0], path=values["PATH"]) if self.spec.argv else None
        pipes = [os.pipe(), os.pipe()]
        try:
            if program is None:
                wanted = self.spec.argv[0] if self.spec.argv else "(no command)"
                raise FileNotFoundError(f'exec: "{wanted}": executable file not found in $PATH')
            # Pipes of our own: with asyncio's, wait() would also wait for whatever inherited them.
            self._process = await asyncio.create_subprocess_exec(
                program, *self.spec.argv[1:], env=values, cwd=self.spec.working_folder or work, start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=pipes[0][1], stderr=pipes[1][1],
            )  # fmt: skip
        except OSError as error:
            for read_end, _write_end in pipes:
                os.close(read_end)
            self._finish(127, str(error))
            raise StartError(f"failed to create task for container: {error}") from error
        finally:
            for _read_end, write_end in pipes:
                os.close(write_end)
        self.started_ns = time.time_ns()
        self._watch.add(self._process.pid)
        self._running = asyncio.create_task(self._follow(self._process, pipes[0][0], pipes[1][0]))

    async def _follow(self, process: asyncio.subprocess.Process, stdout: int, stderr: int) -> None:
        streams = [
            asyncio.create_task(self.journal.record(number, await _reader(descriptor)))
            for number, descriptor in ((STDOUT, stdout), (STDERR, stderr))
        ]
        code = await process.wait()
        # A container ends with its first process: whatever that left behind goes, and with it the open pipes.
        _signal_group(process.pid, signal.SIGKILL)
        _done, open_still = await asyncio.wait(streams, timeout=_LAST_WORDS_SECONDS)
        for stream in open_still:
            stream.cancel()
        self._watch.discard(process.pid)
        self._finish(code if code >= 0 else 128 - code)

    def _finish(self, code: int, error: str = "") -> None:
        self.exit_code, self.error, self.finished_ns = code, error, time.time_ns()
        self.journal.close()
        self._ended.set()

    async def wait(self) -> int:
        """Wait for the end and return the exit code; 128 + n after signal n."""
        await self._ended.wait()
        return self.exit_code

    def signal(self, number: int) -> None:
        """Send a signal: SIGKILL reaches the whole group, others the first process alone, as in a container."""
        if not self.pid:
            return
        if number == signal.SIGKILL:
            _signal_group(self.pid, number)
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    async def stop(self, seconds: float) -> None:
        """SIGTERM, then SIGKILL after the seconds given; returns when the container has ended."""
        if self.status != "running":
            return
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), seconds)
        self.signal(signal.SIGKILL)
        await self._ended.wait()

    async def remove(self) -> None:
        """Delete everything that is left of an ended or never started container."""
        if not self.journal.closed:
            self.journal.close()
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)


async def _reader(descriptor: int) -> asyncio.StreamReader:
    """Return a stream of what comes out of a pipe; it closes the pipe at its end."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0))
    return reader


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
