"""A look-ahead limiter on true peaks: gain per millisecond, smooth between them, no peak above the ceiling."""

import numpy as np
import numpy.typing as npt

from tamma_worker.stft import RATE, Samples

STEP = RATE // 1000  # samples, 1 ms
_AHEAD = 5  # steps over which the gain comes down, and goes up again
_RELEASE = 15  # steps that it stays low at least: shorter ones distort bass, longer ones everything else
CONTEXT = RATE // 10  # samples on either side of a stretch that its result depends on
_TAPS, _PHASES = 24, 4  # ITU-R BS.1770-4, annex 2: four times oversampled
_QUIET = 0.5  # sample peaks 6 dB under the ceiling cannot reach it between samples


def _interpolators() -> npt.NDArray[np.float32]:
    """Windowed sinc for the three positions between two samples, shape (3, taps)."""
    place = np.arange(_TAPS) - _TAPS // 2 + 1
    rows = []
    for phase in range(1, _PHASES):
        taps = np.sinc(place - phase / _PHASES) * np.kaiser(_TAPS, 6)
        rows.append(taps / taps.sum())
    return np.array(rows, np.float32)


_BETWEEN = _interpolators()


def step_peaks(samples: Samples, above: float) -> npt.NDArray[np.float32]:
    """Give the true peak (linear) of each millisecond, over channels; where sample peaks are under ``above``, those."""
    peaks = np.abs(samples).max(1).reshape(-1, STEP).max(1)
    steps = np.flatnonzero(peaks > above)
    if not len(steps):
        return peaks
    for channel in samples.T:
        padded = np.pad(channel, _TAPS)
        windows = np.lib.stride_tricks.sliding_window_view(padded, STEP + _TAPS)[steps * STEP + _TAPS - _TAPS // 2 + 1]
        for taps in _BETWEEN:
            between = np.lib.stride_tricks.sliding_window_view(windows, _TAPS, axis=1)[:, :STEP] @ taps
            peaks[steps] = np.maximum(peaks[steps], np.abs(between).max(1))
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
    places = np.arange(len(samples), dtype=np.float32)
    gain = np.interp(places, np.arange(len(smooth)) * STEP + STEP / 2, smooth).astype(np.float32)
    return samples * gain[:, None]
