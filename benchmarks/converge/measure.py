"""What a command costs: wall time, CPU time and peak memory of its whole process tree.

Run as a program it is the parent of the command that is measured: processes that the command leaves behind become its
children, so that their CPU time counts too. It ends them, prints the cost as JSON on its last line, and nothing else.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_PROC = Path("/proc")
_SAMPLE_SECONDS = 0.05
_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_END_SECONDS = 5
_KIB = 1024


@dataclass(frozen=True)
class Cost:
    """Seconds and MiB; memory is None where the system has no /proc."""

    wall: float
    cpu: float
    peak_memory: float | None
    exit_code: int


def measure(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str], log: Path) -> Cost:
    """Run a command to its end with its output in a log; return what it cost."""
    with log.open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-I", str(Path(__file__)), *argv],
            cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output, check=True,
        )  # fmt: skip
    return Cost(**json.loads(done.stdout))


def main() -> None:
    """Measure the command given as arguments; its output goes to this program's standard error."""
    _adopt_orphans()
    began = time.monotonic()
    child = subprocess.Popen(sys.argv[1:], stdout=sys.stderr.fileno())
    sampler = _Sampler()
    sampler.start()
    exit_code = child.wait()
    wall = time.monotonic() - began
    sampler.stop()
    _end_rest()
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(json.dumps(asdict(Cost(wall, used.ru_utime + used.ru_stime, sampler.peak, exit_code))))


class _Sampler(threading.Thread):
    """Keeps the largest sum of memory that it has seen among this process's descendants."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak: float | None = None
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(_SAMPLE_SECONDS):
            if found := sum(map(_memory, _descendants(os.getpid()))):
                self.peak = max(self.peak or 0.0, found / _KIB)

    def stop(self) -> None:
        self._over.set()
        self.join()


def _descendants(pid: int) -> Iterator[int]:
    for child in _children(pid):
        yield child
        yield from _descendants(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    # Processes and threads end while they are looked at.
    with suppress(OSError):
        for thread in (_PROC / str(pid) / "task").iterdir():
            with suppress(OSError):
                found += map(int, (thread / "children").read_text().split())
    return found


def _memory(pid: int) -> int:
    """Return a process's memory in KiB: pages that it shares are divided among those who share them.

    Where the kernel does not tell the shares, all resident pages count.
    """
    folder = _PROC / str(pid)
    with suppress(OSError):
        for line in (folder / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    with suppress(OSError, IndexError):
        return int((folder / "statm").read_text().split()[1]) * resource.getpagesize() // _KIB
    return 0


def _adopt_orphans() -> None:
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _end_rest() -> None:
    """End and reap what the command left running; only reaped processes are in the CPU time."""
    deadline = time.monotonic() + _END_SECONDS
    while rest := list(_descendants(os.getpid())):
        late = time.monotonic() > deadline
        for pid in rest:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(_SAMPLE_SECONDS)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


if __name__ == "__main__":
    main()
