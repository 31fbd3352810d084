"""The heavy pass: the decoded recording in overlapping blocks, side by side on all processors, into a store.

Blocks lie on a fixed grid and know nothing of each other, so the result is the same however many processors work on
it; where two meet they are cross-faded.
"""

import os
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tamma_worker import deess, denoise
from tamma_worker.chain import Plan
from tamma_worker.control import Control
from tamma_worker.hum import comb
from tamma_worker.meter import FRAME, Meter
from tamma_worker.stft import HOP, RATE, Samples, Spectrum, analyse, synthesise
from tamma_worker.store import Store

BODY = 120 * FRAME  # 12 s: longer blocks warm up less often, shorter ones need less memory
BEFORE = 20 * FRAME  # 2 s, see denoise.WARM_SECONDS
AFTER = 10 * FRAME  # 1 s: what the notches and the network look ahead
FADE = 2 * FRAME  # on either side of a seam
_PER_FRAME = FRAME // HOP
_SPEECH_BINS = slice(2, 160)  # 100 Hz to 8 kHz: where speech is looked for
_WORTH_KEEPING = 0.05  # -13 dB: a stretch of which the denoiser leaves less might be music, see content.py
_STRETCH = 25  # frames of such a stretch
_POLL_SECONDS = 0.25

Floats = npt.NDArray[np.float32]


@dataclass
class Processed:
    """The store of the processed sound, that of the undenoised sound where it may be wanted, and values per 100 ms."""

    clean: Store
    raw: Store
    frames: int = 0  # at 48 kHz
    energy: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # K-weighted, of the clean sound
    before: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # in the speech band, to the denoiser
    after: Floats = field(default_factory=lambda: np.zeros(0, np.float32))  # from the denoiser
    has_raw: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))


@dataclass(frozen=True, slots=True)
class _Block:
    """The result of one block: samples from FADE before its body to FADE after it, and values per 100 ms of it."""

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


class Processor:
    """Takes interleaved float samples at 48 kHz in pieces of any size."""

    def __init__(self, plan: Plan, channels: int, folder: Path, control: Control) -> None:
        self._plan, self._channels, self._control = plan, channels, control
        self.result = Processed(Store(folder / "clean", plan.channels), Store(folder / "raw", plan.channels))
        self._buffer = np.zeros((BEFORE, channels), np.float32)
        self._rest = b""
        self._total = 0
        self._workers = processors()
        self._pool = ThreadPoolExecutor(self._workers)
        self._running: deque[Future[_Block]] = deque()
        self._writer = _Writer(self.result, plan.channels)
        self._filter = _response(plan)
        self._started = 0

    def __call__(self, data: bytes) -> None:
        """Take bytes of float32 samples; returns when there is room for more."""
        data = self._rest + data
        whole = len(data) // (4 * self._channels) * 4 * self._channels
        self._rest = data[whole:]
        samples = np.frombuffer(data[:whole], np.float32).reshape(-1, self._channels)
        self._total += len(samples)
        self._buffer = np.concatenate([self._buffer, samples])
        while len(self._buffer) >= BEFORE + BODY + AFTER:
            self._start()

    def finish(self) -> Processed:
        """Process the rest and close the books; call once."""
        with self._pool:
            while len(self._buffer) > BEFORE or not self._total:
                missing = BEFORE + BODY + AFTER - len(self._buffer)
                self._buffer = np.pad(self._buffer, ((0, max(0, missing)), (0, 0)))
                self._start()
                if self._started * BODY >= self._total:
                    break
            while self._running:
                self._collect()
        self._writer.close(self._total)
        return self.result

    def stop(self) -> None:
        """Forget what was not begun."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _start(self) -> None:
        block = self._buffer[: BEFORE + BODY + AFTER]
        self._buffer = self._buffer[BODY:]
        self._started += 1
        while len(self._running) > self._workers:
            self._collect()
        self._running.append(self._pool.submit(_work, block, self._plan, self._filter))

    def _collect(self) -> None:
        future = self._running.popleft()
        while not wait([future], _POLL_SECONDS).done:
            self._control.check()
        self._writer.take(future.result())


class _Writer:
    """Joins blocks in order."""

    def __init__(self, result: Processed, channels: int) -> None:
        self._result, self._number = result, 0
        self._meter = Meter(channels)
        self._tail: Samples | None = None
        self._raw_tail: Samples | None = None
        self._before, self._after, self._has_raw = bytearray(), bytearray(), bytearray()
        rise = (np.arange(2 * FADE, dtype=np.float32) + 0.5) / (2 * FADE)
        self._rise = rise[:, None]

    def take(self, block: _Block) -> None:
        record = self._number * (BODY // FRAME) - FADE // FRAME
        clean, self._tail = self._joined(block.clean, self._tail)
        self._result.clean.write(max(0, record), clean)
        self._meter.take(clean)
        self._before += block.before.tobytes()
        self._after += block.after.tobytes()
        self._has_raw += bytes([block.raw is not None]) * (BODY // FRAME)
        if block.raw is not None:  # the same samples in both neighbours: no fade is needed
            start = FADE if self._number == 0 else 0
            self._result.raw.write(max(0, record), block.raw[start:])
        self._number += 1

    def _joined(self, samples: Samples, tail: Samples | None) -> tuple[Samples, Samples]:
        if tail is None:
            return samples[FADE : -2 * FADE], samples[-2 * FADE :]
        samples[: 2 * FADE] = tail + (samples[: 2 * FADE] - tail) * self._rise
        return samples[: -2 * FADE], samples[-2 * FADE :]

    def close(self, total: int) -> None:
        assert self._tail is not None  # noqa: S101 (there is always one block)
        record = self._number * (BODY // FRAME) - FADE // FRAME
        self._result.clean.write(record, self._tail)
        self._meter.take(self._tail)
        self._meter.close()
        records = -(-total // FRAME)
        self._result.frames = total
        self._result.energy = self._meter.energy[:records]
        self._result.before = np.frombuffer(bytes(self._before), np.float32)[:records]
        self._result.after = np.frombuffer(bytes(self._after), np.float32)[:records]
        self._result.has_raw = np.frombuffer(bytes(self._has_raw), np.bool_)[:records]


def _response(plan: Plan) -> Floats | None:
    """Gain per bin of a block's spectrum: high-pass, notches and nominal gain; None when nothing is to be done.

    The high-pass is that of a second-order Butterworth run forwards and backwards: no phase, so that music keeps its
    shape.
    """
    if not (plan.highpass_hz or plan.hum or plan.pre_gain_db):
        return None
    size = BEFORE + BODY + AFTER
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    gain = np.full(len(hertz), 10 ** (plan.pre_gain_db / 20))
    if plan.highpass_hz:
        gain *= hertz**4 / (hertz**4 + plan.highpass_hz**4)
    if plan.hum:
        gain *= comb(hertz, plan.hum)
    return gain.astype(np.float32)


def _work(block: Samples, plan: Plan, response: Floats | None) -> _Block:
    """Process one block; runs beside others."""
    block = np.nan_to_num(block @ np.array(plan.route, np.float32).T, nan=0.0, posinf=1.0, neginf=-1.0)
    if response is not None:
        for channel in block.T:
            channel[:] = np.fft.irfft(np.fft.rfft(channel) * response, len(channel))
    body = slice(BEFORE - FADE, BEFORE + BODY + FADE)
    if not (plan.denoise_db or plan.deess_db):
        level = np.square(block[BEFORE : BEFORE + BODY]).reshape(-1, FRAME * block.shape[1]).mean(1)
        level = np.asarray(level, np.float32)
        return _Block(block[body].copy(), None, level, level)
    noisy = [analyse(channel) for channel in block.T]
    clean, before, after = _denoised(noisy, plan)
    if plan.deess_db:
        clean = deess.softened(clean, plan.deess_db)
    out = np.stack([synthesise(spectrum)[body] for spectrum in clean], axis=1)
    raw = block[body] if _loses_much(before, after) else None
    inside = slice(BEFORE // FRAME, (BEFORE + BODY) // FRAME)
    return _Block(out, raw, before[inside], after[inside])


def _denoised(noisy: list[Spectrum], plan: Plan) -> tuple[list[Spectrum], Floats, Floats]:
    """Give the spectra after the denoiser, and the power before and after it per 100 ms."""
    before = np.sum([_power(spectrum) for spectrum in noisy], axis=0)
    if not plan.denoise_db:
        return noisy, before, before
    left = np.float32(10 ** (-plan.denoise_db / 20))  # of the noise
    if plan.one_mask:
        middle = noisy[0] + noisy[1]
        speech, _ = denoise.enhance(middle)
        mask = speech * middle.conj() / (np.square(np.abs(middle)) + np.float32(1e-12))
        mask /= np.maximum(1, np.abs(mask))
        found = [spectrum * mask for spectrum in noisy]
    else:
        found = [denoise.enhance(spectrum)[0] for spectrum in noisy]
    after = np.sum([_power(spectrum) for spectrum in found], axis=0)
    clean = [speech + left * (spectrum - speech) for speech, spectrum in zip(found, noisy, strict=True)]
    return clean, before, after


def _power(spectrum: Spectrum) -> Floats:
    band = spectrum[:-1, _SPEECH_BINS]
    power = np.square(band.real) + np.square(band.imag)
    return np.asarray(power.sum(1).reshape(-1, _PER_FRAME).mean(1), np.float32)


def _loses_much(before: Floats, after: Floats) -> bool:
    """Tell whether the denoiser takes nearly everything away for seconds somewhere in the block."""
    ones = np.ones(_STRETCH)
    return bool((np.convolve(after, ones, "valid") < _WORTH_KEEPING * np.convolve(before, ones, "valid")).any())
