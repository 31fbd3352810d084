"""The heavy pass: the decoded recording in overlapping blocks, side by side on all processors, into a store.

Blocks lie on a fixed grid and know nothing of each other, so the result is the same however many processors work on
it; where two meet they are cross-faded.
"""

import ctypes
import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tamma_worker import deess, denoise
from tamma_worker.chain import Plan
from tamma_worker.control import Control
from tamma_worker.hum import Hum, comb
from tamma_worker.meter import FRAME, Meter
from tamma_worker.stft import HOP, RATE, Samples, Spectrum, analyse, synthesise
from tamma_worker.store import Store

BODY = 60 * FRAME  # 6 s: longer blocks warm up less often, shorter ones need less memory
BEFORE = 12 * FRAME  # 1.2 s: what the network needs to forget how it began, and the notches to settle
AFTER = 3 * FRAME  # 0.3 s: what the notches and the network look ahead
FADE = 2 * FRAME  # on either side of a seam
_PADDING = 3 * FRAME
_DC_HZ = 12.0  # below the lowest note
_PER_FRAME = FRAME // HOP
_SPEECH_BINS = slice(2, 160)  # 100 Hz to 8 kHz: where speech is looked for
_WORTH_KEEPING = 0.05  # -13 dB: a stretch of which the denoiser leaves less might be music, see content.py
_STRETCH = 25  # frames of such a stretch
_POLL_SECONDS = 0.25
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8  # malloc.h

Floats = npt.NDArray[np.float32]
Filters = tuple[float, Hum | None, float]  # high-pass in Hz, hum, gain in dB


@dataclass
class Processed:
    """The store of the processed sound, that of the undenoised sound where it may be wanted, and values per 100 ms."""

    clean: Store
    raw: Store
    frames: int = 0  # at 48 kHz
    energy: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # K-weighted, of the clean sound
    raw_energy: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # the same of the undenoised one
    before: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # in the speech band, to the denoiser
    after: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # from the denoiser
    has_raw: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class _Block:
    """The result of one block: samples from FADE before its body to FADE after it, and values per 100 ms of it.

    The first block has nothing before its body.
    """

    clean: Samples
    raw: Samples | None
    before: Floats
    after: Floats


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


class Processor:
    """Takes interleaved float samples at 48 kHz in pieces of any size."""

    def __init__(self, plan: Plan, channels: int, folder: Path, control: Control) -> None:
        self._plan, self._channels, self._control = plan, channels, control
        self.result = Processed(Store(folder / "clean", plan.channels), Store(folder / "raw", plan.channels))
        self._buffer = np.zeros((0, channels), np.float32)  # from BEFORE ahead of the next block's body, or the start
        self._rest = b""
        self._total = 0
        reuse_memory()
        self._workers = processors()
        self._pool = ThreadPoolExecutor(self._workers)
        self._running: deque[Future[_Block]] = deque()
        self._writer = _Writer(self.result, plan.channels)
        self._lead = 0  # samples of the buffer ahead of that body

    def __call__(self, data: bytes) -> None:
        """Take bytes of float32 samples; returns when there is room for more."""
        data = self._rest + data
        whole = len(data) // (4 * self._channels) * 4 * self._channels
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], np.float32).reshape(-1, self._channels)
        self._total += len(samples)
        self._buffer = np.concatenate([self._buffer, samples])
        while len(self._buffer) >= self._lead + BODY + AFTER:
            self._start(self._buffer[: self._lead + BODY + AFTER])

    def finish(self) -> Processed:
        """Process the rest and close the books; call once."""
        with self._pool:
            while len(self._buffer) > self._lead:
                size = min(BODY, -(-(len(self._buffer) - self._lead) // FRAME) * FRAME) + self._lead + AFTER
                self._start(np.pad(self._buffer, ((0, max(0, size - len(self._buffer))), (0, 0)))[:size])
            while self._running:
                self._collect()
        self._writer.close(self._total)
        return self.result

    def stop(self) -> None:
        """Forget what was not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, block: Samples) -> None:
        """Hand over a block: what leads to its body, the body, and AFTER."""
        while len(self._running) > self._workers:
            self._collect()
        self._running.append(self._pool.submit(_work, block, self._lead, self._plan))
        self._buffer = self._buffer[self._lead + BODY - BEFORE :]
        self._lead = min(BEFORE, len(self._buffer))

    def _collect(self) -> None:
        future = self._running.popleft()
        while not wait([future], _POLL_SECONDS).done:
            self._control.check()
        self._writer.take(future.result())


class _Writer:
    """Joins blocks in order."""

    def __init__(self, result: Processed, channels: int) -> None:
        self._result, self._record = result, 0  # the record that comes next
        self._meter = Meter(channels)
        self._tail: Samples | None = None
        self._before, self._after, self._has_raw = bytearray(), bytearray(), bytearray()
        self._raw_energy = bytearray()
        rise = (np.arange(2 * FADE, dtype=np.float32) + 0.5) / (2 * FADE)
        self._rise = rise[:, None]

    def take(self, block: _Block) -> None:
        """Write a block but for its last 2 FADE, which wait for the next one."""
        clean = block.clean
        if self._tail is not None:
            clean[: 2 * FADE] = self._tail + (clean[: 2 * FADE] - self._tail) * self._rise
        self._tail = clean[-2 * FADE :]
        if block.raw is not None:  # the same samples in both neighbours: no fade is needed
            self._result.raw.write(self._record, block.raw)
        self._raw_energy += _weighted(block).tobytes()
        self._write(clean[: -2 * FADE])
        self._before += block.before.tobytes()
        self._after += block.after.tobytes()
        self._has_raw += bytes([block.raw is not None]) * len(block.before)

    def _write(self, samples: Samples) -> None:
        self._result.clean.write(self._record, samples)
        self._record += len(samples) // FRAME
        self._meter.take(samples)

    def close(self, total: int) -> None:
        """Write what waits; ``total`` is the length in samples."""
        if self._tail is not None:
            self._write(self._tail)
        self._meter.close()
        records = -(-total // FRAME)
        self._result.frames = total
        self._result.energy = self._meter.energy[:records]
        self._result.raw_energy = np.frombuffer(bytes(self._raw_energy), np.float32)[: len(self._result.energy)]
        self._result.before = np.frombuffer(bytes(self._before), np.float32)[:records]
        self._result.after = np.frombuffer(bytes(self._after), np.float32)[:records]
        self._result.has_raw = np.frombuffer(bytes(self._has_raw), np.bool_)[:records]


def _weighted(block: _Block) -> Floats:
    """K-weighted energy per 100 ms of the body of a block's undenoised sound, zero where it is not kept."""
    count = len(block.before)
    if block.raw is None:
        return np.zeros(count, np.float32)
    meter = Meter(block.raw.shape[1])
    meter.take(block.raw)
    meter.close()
    lead = len(block.raw) // FRAME - count - FADE // FRAME
    return meter.energy[lead : lead + count]


@lru_cache(maxsize=4)
def _response(plan: Filters, size: int) -> Floats | None:
    """Gain per bin of a spectrum of ``size`` samples: high-pass, notches, nominal gain; None if nothing is to be done.

    The high-pass is that of a second-order Butterworth run forwards and backwards: no phase, so that music keeps its
    shape.
    """
    highpass_hz, hum, gain_db = plan
    if not (highpass_hz or hum or gain_db):
        return None
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    gain = np.full(len(hertz), 10 ** (gain_db / 20))
    if highpass_hz:
        gain *= hertz**4 / (hertz**4 + highpass_hz**4)
    if hum:
        gain *= comb(hertz, hum)
    return gain.astype(np.float32)


def _filtered(block: Samples, plan: Plan, highpass_hz: float) -> Samples:
    """Route and filter a block; it is padded, because a spectrum's end is its beginning's neighbour."""
    routed = np.nan_to_num(block, nan=0.0, posinf=1.0, neginf=-1.0) @ np.array(plan.route, np.float32).T
    size = len(block) + _PADDING
    response = _response((highpass_hz, plan.hum, plan.pre_gain_db), size)
    if response is None:
        return routed
    channels = [np.fft.irfft(np.fft.rfft(channel, size) * response, size)[: len(block)] for channel in routed.T]
    return np.asarray(np.stack(channels, axis=1), np.float32)


def _work(block: Samples, lead: int, plan: Plan) -> _Block:
    """Process one block; runs beside others."""
    original, block = block, _filtered(block, plan, plan.highpass_hz)
    end = len(block) - AFTER
    whole = slice(max(0, lead - FADE), end + FADE)
    inside = slice(lead // FRAME, end // FRAME)
    if not (plan.denoise_db or plan.deess_db):
        level = np.asarray(np.square(block).reshape(-1, FRAME * block.shape[1]).mean(1), np.float32)[inside]
        return _Block(block[whole].copy(), None, level, level)
    clean, before, after = _denoised([analyse(channel) for channel in block.T], plan)
    if plan.deess_db:
        clean = deess.softened(clean, plan.deess_db)
    out = np.stack([synthesise(spectrum)[whole] for spectrum in clean], axis=1)
    raw = None
    if _loses_much(before, after):  # music has its lowest notes where speech has rumble
        raw = _filtered(original, plan, min(plan.highpass_hz, _DC_HZ))[whole]
    return _Block(out, raw, before[inside], after[inside])


def _denoised(noisy: list[Spectrum], plan: Plan) -> tuple[list[Spectrum], Floats, Floats]:
    """Give the spectra after the denoiser, and the power before and after it per 100 ms."""
    before = np.sum([_power(spectrum) for spectrum in noisy], axis=0)
    if not plan.denoise_db:
        return noisy, before, before
    left = np.float32(10 ** (-plan.denoise_db / 20))  # of the noise
    if plan.one_mask:
        middle = noisy[0] + noisy[1]
        speech = denoise.spared(middle, *denoise.enhance(middle))
        mask = speech * middle.conj() / (np.square(np.abs(middle)) + np.float32(1e-12))
        mask /= np.maximum(1, np.abs(mask))
        found = [spectrum * mask for spectrum in noisy]
    else:
        found = [denoise.spared(spectrum, *denoise.enhance(spectrum)) for spectrum in noisy]
    after = np.sum([_power(spectrum) for spectrum in found], axis=0)
    clean = [speech + left * (spectrum - speech) for speech, spectrum in zip(found, noisy, strict=True)]
    return clean, before, after


def _power(spectrum: Spectrum) -> Floats:
    band = spectrum[:-1, _SPEECH_BINS]
    power = np.square(band.real) + np.square(band.imag)
    return np.asarray(power.sum(1).reshape(-1, _PER_FRAME).mean(1), np.float32)


def _loses_much(before: Floats, after: Floats) -> bool:
    """Tell whether the denoiser takes nearly everything away for seconds somewhere in the block."""
    ones = np.ones(min(_STRETCH, len(before)))
    return bool((np.convolve(after, ones, "valid") < _WORTH_KEEPING * np.convolve(before, ones, "valid")).any())
