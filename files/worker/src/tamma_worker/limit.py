"""A look-ahead limiter on true peaks: gain per millisecond, smooth between them, no peak above the ceiling."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tamma_worker.peaks import near_peaks
from tamma_worker.stft import RATE, Samples

STEP = RATE // 1000  # samples, 1 ms
_AHEAD = 5  # steps over which the gain comes down, and goes up again
_RELEASE = 15  # steps that it stays low at least: shorter ones distort bass, longer ones everything else
CONTEXT = RATE // 10  # samples on either side of a stretch that its result depends on
_QUIET = 0.6  # sample peaks 4.4 dB under the ceiling cannot reach it between samples in practice


def step_peaks(samples: Samples, above: float) -> npt.NDArray[np.float32]:
    """Give the true peak (linear) of each millisecond, over channels; where sample peaks are under ``above``, those."""
    peaks = np.abs(samples).max(1).reshape(-1, STEP).max(1)
    if peaks.max() > above:
        for channel in samples.T:
            places, values = near_peaks(channel, above)
            np.maximum.at(peaks, places // STEP, values)
    return peaks


def limited(samples: Samples, ceiling: float) -> Samples:
    """Hold true peaks of ``samples`` (frames, channels; a multiple of 48 frames) under ``ceiling`` (linear).

    The first and last ``CONTEXT`` samples are right only if the signal really begins or ends there.
    """
    peaks = step_peaks(samples, ceiling * _QUIET)
    if peaks.max() <= ceiling:
        return samples
    needed = np.minimum(1.0, ceiling / np.maximum(peaks, 1e-9))
    before, after = _AHEAD + 1, _RELEASE
    padded = np.pad(needed, (after, before), constant_values=1.0)
    lowest = np.lib.stride_tricks.sliding_window_view(padded, before + after + 1).min(1)
    window = np.hanning(2 * _AHEAD + 1 + 2)[1:-1]
    smooth = np.convolve(np.pad(lowest, _AHEAD, mode="edge"), window / window.sum(), "valid")
    # linear between the middles of steps: both neighbours of a step had to be low enough, hence the step more above
    return samples * between(np.pad(smooth, 1, mode="edge"), STEP)[:, None]


def between(values: npt.NDArray[Any], step: int) -> Samples:
    """Interpolate from the middle of each step of ``step`` samples to the next; first and last only lend a slope."""
    edges = np.asarray((values[:-1] + values[1:]) / 2, np.float32)[:, None]
    middles = np.asarray(values[1:-1], np.float32)[:, None]
    half = step // 2
    ramp = ((np.arange(half, dtype=np.float32) + 0.5) / half)[None, :]
    out = np.empty((len(values) - 2, step), np.float32)
    out[:, :half] = edges[:-1] + (middles - edges[:-1]) * ramp
    out[:, half:] = middles + (edges[1:] - middles) * ramp
    return out.reshape(-1)
