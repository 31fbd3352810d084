"""The heavy pass: from the decoded recording on disk to the processed one, stretches side by side on all processors.

Where stretches begin depends on the recording's length alone, so the result is the same however many processors work.
"""

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tamma_worker.chain import Plan
from tamma_worker.control import Control
from tamma_worker.filters import filtered, undenoised
from tamma_worker.lanes import Lane, Lanes
from tamma_worker.meter import FRAME, Meter
from tamma_worker.store import Store

_LANES = 2  # stretches that share one run of the network: two cost a third more than one
_MOST_LANES = 4  # stretches of a recording: each but the first costs the time of its warm-up
_SHORTEST = 1000  # records, 100 s, of a stretch: shorter ones would gain less than that
_BLOCK = 60  # records that are judged, or only filtered, at once
_WORTH_KEEPING = 0.05  # -13 dB: a stretch of which the denoiser leaves less might be music, see content.py
_WINDOW = 25  # records of such a stretch
_POLL_SECONDS = 0.25
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h

Floats = npt.NDArray[np.float32]
Tell = Callable[[int], None]


@dataclass
class Processed:
    """The stores of the processed and of the decoded sound, how the latter is filtered, and values per 100 ms."""

    clean: Store
    source: Store
    plan: Plan
    frames: int = 0  # at 48 kHz
    energy: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # K-weighted, of the clean sound
    raw_energy: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # the same of the undenoised one
    before: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # in the speech band, to the denoiser
    after: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # from the denoiser
    has_raw: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))  # may be wanted undenoised

    def raw(self, first: int, count: int) -> Floats:
        """Give records of the undenoised sound."""
        return undenoised(self.source, self.plan, first, count)


def processors() -> int:
    """Processors that this process may use, as the scheduler and a container's quota have it."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text("ascii").split()
        return max(1, min(allowed, int(quota) // int(period)))
    except (OSError, ValueError):  # no cgroup, or no quota in it
        return allowed


def reuse_memory() -> None:
    """Have the C library reuse freed blocks of megabytes for all threads (glibc alone; elsewhere nothing happens).

    Its default keeps a heap per thread, which costs a third more memory; giving every block back to the system and
    getting it again costs a fifth more time in page faults.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)
        mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        mallopt(_M_TRIM_THRESHOLD, 256 << 20)


def process(empty: Processed, control: Control, report: Callable[[float], None]) -> Processed:
    """Fill in what is empty from the source; ``report`` gets the share that is done."""
    reuse_memory()
    work = _Work(empty, -(-empty.frames // FRAME))
    tasks = work.lanes() if empty.plan.denoise_db or empty.plan.deess_db else work.blocks()
    _side_by_side(tasks, work.records, control, report)
    work.judge()
    return work.result


def _side_by_side(
    tasks: list[Callable[[Tell], None]], total: int, control: Control, report: Callable[[float], None]
) -> None:
    """Run the tasks on all processors; the first error, or reason to stop, ends them all."""
    done = 0

    def tell(records: int) -> None:
        nonlocal done
        done += records
        control.check()

    with ThreadPoolExecutor(processors()) as pool:
        waiting = {pool.submit(task, tell) for task in tasks}
        try:
            while waiting:
                finished, waiting = wait(waiting, _POLL_SECONDS, FIRST_EXCEPTION)
                report(min(1.0, done / max(1, total)))
                for future in finished:
                    future.result()
        finally:
            for future in waiting:
                future.cancel()


class _Work:
    """Tasks that together fill in the result."""

    def __init__(self, result: Processed, records: int) -> None:
        self.result, self.records = result, records
        for name in ("energy", "raw_energy", "before", "after"):
            setattr(result, name, np.zeros(records, np.float32))
        result.has_raw = np.zeros(records, np.bool_)

    def lanes(self) -> list[Callable[[Tell], None]]:
        """Cut the recording into stretches, as many as are long enough; neighbours advance together."""
        count = min(_MOST_LANES, self.records // _SHORTEST // _LANES * _LANES) or 1
        edges = [round(self.records * number / count) for number in range(count + 1)]
        target, channels = self.result.clean, self.result.plan.channels
        lanes = [Lane(start, end, target, channels) for start, end in pairwise(edges)]
        groups = [lanes[first : first + _LANES] for first in range(0, count, _LANES)]
        return [partial(self._run, group) for group in groups if self.records]

    def _run(self, group: list[Lane], tell: Tell) -> None:
        Lanes(self.result.plan, self.result.source, group).run(lambda records: tell(records * len(group)))
        for lane in group:
            place, result = slice(lane.start, lane.end), self.result
            result.energy[place], result.before[place], result.after[place] = lane.close()

    def blocks(self) -> list[Callable[[Tell], None]]:
        """Only filter."""
        starts = range(0, self.records, _BLOCK)
        return [partial(self._filter, first, min(_BLOCK, self.records - first)) for first in starts]

    def _filter(self, first: int, count: int, tell: Tell) -> None:
        result, place = self.result, slice(first, first + count)
        sound = filtered(result.source, result.plan, first - 1, count + 2)
        inside = sound[FRAME:-FRAME]
        result.clean.write(first, inside)
        result.energy[place] = _energy(sound, count)
        level = np.square(inside).reshape(-1, FRAME * result.plan.channels).mean(1)
        result.before[place] = result.after[place] = level
        tell(count)

    def judge(self) -> None:
        """Find blocks that may be wanted undenoised: where nearly everything was taken away for seconds."""
        result = self.result
        for first in range(0, self.records, _BLOCK):
            place = slice(first, min(self.records, first + _BLOCK))
            if _loses_much(result.before[place], result.after[place]):
                count = place.stop - first
                result.has_raw[place] = True
                result.raw_energy[place] = _energy(result.raw(first - 1, count + 2), count)


def _energy(sound: Floats, count: int) -> Floats:
    """K-weighted energy per record of sound that has a record more at both ends."""
    meter = Meter(sound.shape[1])
    meter.take(sound)
    meter.close()
    return meter.energy[1 : 1 + count]


def _loses_much(before: Floats, after: Floats) -> bool:
    ones = np.ones(min(_WINDOW, len(before)))
    return bool((np.convolve(after, ones, "valid") < _WORTH_KEEPING * np.convolve(before, ones, "valid")).any())
