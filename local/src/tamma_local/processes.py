"""The supervisor's children: started with a log file, watched, stopped, and cleaned up after a crash."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tamma_local import guardian
from tamma_local.errors import LocalCloudError
from tamma_local.private_files import read_json, write_json

# A log that is larger at the next start is set aside once, so that logs take at most twice this.
_LOG_BYTES = 10 * 1024 * 1024
# What the end of a log is read for, for each line wanted: the longest lines of the parts have a few hundred bytes.
_LINE_BYTES = 1024


class Guardian:
    """The process that ends all others when this one is killed, and the list of them on disk.

    The list serves the next start, should both have been killed at once.
    """

    def __init__(self, list_file: Path) -> None:
        self._list_file = list_file
        self._groups: dict[int, str] = {}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__], stdin=subprocess.PIPE, start_new_session=True, text=True,
            # It must hold none of our pipes open: `up` waits for the end of one.
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def add(self, group: int) -> None:
        """Take a process group into care."""
        self._groups[group] = started_at(group)
        self._tell(f"+{group}\n")

    def discard(self, group: int) -> None:
        """Forget a process group that has ended."""
        self._groups.pop(group, None)
        self._tell(f"-{group}\n")

    def _tell(self, line: str) -> None:
        write_json(self._list_file, {str(group): started for group, started in self._groups.items()})
        assert self._process.stdin  # noqa: S101 - it was asked for as a pipe
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line)
            self._process.stdin.flush()

    def close(self) -> None:
        """Let it end what is still listed, which is nothing after a clean stop, and wait for it."""
        self._process.communicate()
        self._list_file.unlink(missing_ok=True)


def started_at(pid: int) -> str:
    """Return when a process was started, in the system's own words: with the pid it names one process for ever.

    Empty when there is no such process.
    """
    return _state_and_start(pid)[1]


def lives(pid: int, started: str) -> bool:
    """Say whether the process that was started then still runs; one that only waits to be collected does not."""
    state, now = _state_and_start(pid)
    return now == started and not state.startswith("Z")


def _state_and_start(pid: int) -> tuple[str, str]:
    try:
        # proc(5): state is field 3, starttime 22; field 2 is the program's name in parentheses and may hold spaces.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        if sys.platform == "linux":
            return "", ""
    else:
        return fields[0], fields[19]
    argv = ["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)]
    state, _, start = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip().partition(" ")
    return state, start.strip()


def end_leftovers(list_file: Path) -> int:
    """End the process groups that a crashed cloud left behind and return how many there were.

    A group counts as ours when its leader is the very process that was written down.
    """
    listed = read_json(list_file) or {}
    ours = [int(group) for group, started in listed.items() if started and started_at(int(group)) == started]
    guardian.end(ours)
    list_file.unlink(missing_ok=True)
    return len(ours)


class Child:
    """One program with a log file, in a session of its own so that Ctrl-C reaches the supervisor alone."""

    def __init__(self, name: str, log: Path, guard: Guardian) -> None:
        self.name = name
        self._log = log
        self._guard = guard
        self._process: asyncio.subprocess.Process | None = None
        self.ended: asyncio.Task[int] | None = None

    async def start(self, argv: Sequence[str | Path], environment: Mapping[str, str], folder: Path) -> None:
        """Start the program; secrets travel in the environment or in files, never in argv."""
        with open_log(self._log) as output:
            self._process = await asyncio.create_subprocess_exec(
                *argv, env=environment, cwd=folder, start_new_session=True,
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=asyncio.subprocess.STDOUT,
            )  # fmt: skip
        self._guard.add(self._process.pid)
        self.ended = asyncio.create_task(self._process.wait())

    def check(self) -> None:
        """Raise LocalCloudError with the end of the log when the program has ended."""
        if self.ended and self.ended.done():
            raise LocalCloudError(self.obituary())

    def obituary(self) -> str:
        """Say that the program ended, how, and where to read why."""
        code = self.ended.result() if self.ended else 0
        last = "; ".join(last_lines(self._log, 2))
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"{self.name} {how}. Its log {self._log} ends: {last or '(empty)'}"

    async def stop(self, number: int, seconds: float) -> None:
        """Send a signal, wait, then SIGKILL the whole group: nothing that it started outlives it."""
        if self._process is None or self.ended is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(self.ended), seconds)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self.ended
        self._guard.discard(self._process.pid)
        self._process = None


def open_log(path: Path) -> IO[bytes]:
    """Open a log for appending, after setting a large one aside."""
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def last_lines(path: Path, count: int) -> list[str]:
    """Return the last lines of a log that are not empty; very long ones may make it fewer."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - count * _LINE_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return []
    return [line.rstrip() for line in text.splitlines() if line.strip()][-count:]
