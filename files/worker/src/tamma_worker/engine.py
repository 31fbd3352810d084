"""One ffmpeg or ffprobe process: pipes drained in one loop, progress, stop, and a watchdog.

Nothing here reads what ffmpeg says to people: progress comes from ``-progress``, samples come on standard output and
go to standard input. Standard error is kept (its last lines) for the log alone.
"""

import os
import selectors
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import FileIO
from typing import IO

from tamma_worker import binaries
from tamma_worker.control import Control
from tamma_worker.errors import TemporaryError

STALL_SECONDS = 60.0  # a healthy ffmpeg moves many times a second, even on one busy core; a minute without is a hang
_POLL_SECONDS = 0.25  # how soon a stop asked for by another thread is seen
_SIGNAL_GRACE = 0.5  # a SIGTERM to the whole group reaches ffmpeg a moment before our own handler runs
_CHUNK = 1 << 18
_STDERR_LINES = 20
_MAX_ALLOCATION = 256 << 20  # bytes in one ffmpeg allocation: no real recording needs it, decompression bombs do

# Demuxers of audio and video files as people record or export them. Playlists, manifests, concat scripts, images,
# device and network formats are absent on purpose: they make ffmpeg open what THEY name.
DEMUXERS = (
    "aac,ac3,eac3,aiff,amr,ape,asf,au,avi,caf,dts,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,"
    "mp3,mpeg,mpegts,mpc,mpc8,ogg,tta,w64,wav,wv"
)
SAFE_INPUT = {"format_whitelist": DEMUXERS, "protocol_whitelist": "file"}

Sink = Callable[[bytes], None]


@dataclass
class Outcome:
    """How a process ended: its code (negative: the signal), and the last lines it wrote to standard error."""

    code: int
    stderr: list[str]
    position_seconds: float = 0.0

    def was_killed(self) -> bool:
        """Tell whether a signal ended it; ffmpeg turns SIGTERM into exit code 255 and a line that says so."""
        return self.code < 0 or (self.code == 255 and any("received signal" in line for line in self.stderr))  # noqa: PLR2004


@dataclass
class _Progress:
    """Follows ``-progress``: ``out_time_us`` is how much output time has been written, in microseconds."""

    report: Callable[[float], None]
    seconds: float = 0.0
    _rest: bytes = b""

    def __call__(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            key, _, value = line.partition(b"=")
            if key == b"out_time_us" and value.strip().isdigit():
                self.seconds = int(value) / 1e6
        self.report(self.seconds)


@dataclass
class _LastLines:
    """Keeps the end of standard error, whole lines, however much is written."""

    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_STDERR_LINES))
    _rest: str = ""

    def __call__(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data.decode("utf-8", "replace")).split("\n")
        self._rest = self._rest[-1000:]
        self.lines.extend(line[:1000] for line in lines if line.strip())

    def all(self) -> list[str]:
        return [*self.lines, *([self._rest] if self._rest.strip() else [])]


def _ignore(_: object) -> None:
    """Take what nobody asked for."""


def _pipe() -> tuple[FileIO, FileIO]:
    """Open a pipe whose ends close once and only once, however often they are told to."""
    reader, writer = os.pipe()
    return FileIO(reader, "rb"), FileIO(writer, "wb")


def ffmpeg(
    arguments: list[str],
    control: Control,
    *,
    report: Callable[[float], None] = _ignore,
    samples: Sink = _ignore,
    feed: Iterator[bytes] | None = None,
) -> Outcome:
    """Run ffmpeg to its end and give its outcome; the process never outlives this call.

    ``report`` gets seconds of output, ``samples`` the bytes of standard output; ``feed`` is written to standard input.
    Raises TemporaryError when ffmpeg stalls or is killed, and whatever reason to stop ``control`` has.
    """
    progress = _Progress(report)
    progress_in, progress_out = _pipe()
    # no key presses are read, numbers arrive twice a second, undecodable frames do not decide the exit code
    quiet = ["-hide_banner", "-nostdin", "-loglevel", "error", "-stats_period", "0.5", "-max_error_rate", "1"]
    limits = ["-max_alloc", str(_MAX_ALLOCATION), "-progress", f"pipe:{progress_out.fileno()}"]
    command = [binaries.ffmpeg(), *quiet, *limits, *arguments]
    with progress_in, progress_out:
        watch = _Watch(control, lambda: progress.seconds)
        return _run(command, watch, {progress_in.fileno(): progress}, samples, child_ends=(progress_out,), feed=feed)


def ffprobe(arguments: list[str], control: Control, output: Sink) -> Outcome:
    """Run ffprobe to its end with the same care; ``output`` gets the bytes of its standard output."""
    command = [binaries.ffprobe(), "-hide_banner", "-loglevel", "error", "-max_alloc", str(_MAX_ALLOCATION), *arguments]
    return _run(command, _Watch(control, lambda: 0.0), {}, output)


@dataclass
class _Watch:
    """Decides after every look at the pipes whether the process may go on."""

    control: Control
    position: Callable[[], float]
    _last: float = -1.0
    _moved_at: float = field(default_factory=time.monotonic)

    def counted(self, sink: Sink) -> Sink:
        """Wrap a sink whose data proves that work is done (reports of progress come from a hung decoder too)."""

        def take(data: bytes) -> None:
            self._moved_at = time.monotonic()
            sink(data)

        return take

    def check(self) -> None:
        self.control.check()
        if self.position() != self._last:
            self._last, self._moved_at = self.position(), time.monotonic()
        if time.monotonic() - self._moved_at > STALL_SECONDS:
            raise TemporaryError("ffmpeg_stalled", f"The audio engine made no progress for {STALL_SECONDS:g} s.")


class _Feeder:
    """Writes what an iterator gives to a pipe, as fast as the other end takes it."""

    def __init__(self, pipe: IO[bytes], feed: Iterator[bytes]) -> None:
        self._pipe, self._feed = pipe, feed
        self._pending = memoryview(b"")
        os.set_blocking(pipe.fileno(), False)

    def __call__(self) -> bool:
        """Write once; False when everything is written, or nobody reads any more (the exit code then tells why)."""
        try:
            if not self._pending:
                self._pending = memoryview(next(self._feed))
            self._pending = self._pending[os.write(self._pipe.fileno(), self._pending) :]
        except BlockingIOError:
            return True
        except (StopIteration, BrokenPipeError):
            return False
        return True


def _run(
    command: list[str],
    watch: _Watch,
    sinks: dict[int, Sink],
    stdout: Sink,
    *,
    child_ends: tuple[FileIO, ...] = (),
    feed: Iterator[bytes] | None = None,
) -> Outcome:
    stderr = _LastLines()
    # The child stays in our process group: an engine that kills the group takes ffmpeg along with us.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if feed is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=[end.fileno() for end in child_ends],
        pipesize=_CHUNK,  # four times Linux's default: both ends wake up a quarter as often
    )
    try:
        for end in child_ends:
            end.close()
        assert process.stdout is not None  # noqa: S101 (tells mypy what PIPE means)
        assert process.stderr is not None  # noqa: S101
        feeder = _Feeder(process.stdin, feed) if process.stdin is not None and feed is not None else None
        pipes: dict[int, Sink] = {
            **sinks,
            process.stdout.fileno(): watch.counted(stdout),
            process.stderr.fileno(): stderr,
        }
        _drain(pipes, watch, feeder, process.stdin)
        outcome = Outcome(process.wait(timeout=STALL_SECONDS), stderr.all(), watch.position())
    except (TemporaryError, subprocess.TimeoutExpired) as error:
        raise _with_log(TemporaryError("ffmpeg_stalled", "The audio engine stopped responding."), stderr) from error
    finally:
        _end(process)
    if outcome.was_killed():
        watch.control.pause(_SIGNAL_GRACE)
        sentence = f"The audio engine ended unexpectedly (code {outcome.code})."
        raise _with_log(TemporaryError("ffmpeg_crashed", sentence), stderr)
    return outcome


def _with_log(error: TemporaryError, stderr: _LastLines) -> TemporaryError:
    """Attach ffmpeg's last lines: they go to the log with the error, never to the creator."""
    error.add_note("\n".join(stderr.all()))
    return error


def _drain(sinks: dict[int, Sink], watch: _Watch, feeder: _Feeder | None, stdin: IO[bytes] | None) -> None:
    """Feed every pipe to its sink, and standard input, until all are closed."""
    with selectors.DefaultSelector() as selector:
        for fd, sink in sinks.items():
            selector.register(fd, selectors.EVENT_READ, sink)
        if stdin is not None:
            selector.register(stdin, selectors.EVENT_WRITE, None)
        while selector.get_map():
            for key, _ in selector.select(_POLL_SECONDS):
                if key.data is None and stdin is not None:
                    if feeder is None or not feeder():
                        selector.unregister(stdin)
                        stdin.close()
                    continue
                data = os.read(key.fd, _CHUNK)
                if data:
                    key.data(data)
                else:
                    selector.unregister(key.fd)
            watch.check()


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what still runs (its outputs are of no use any more) and collect it."""
    if process.poll() is None:
        process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
