"""Harsh sibilants: the band from 4.5 kHz up is lowered in frames where it outshouts the voice.

A well-recorded "s" lies some 10 dB under the vowels; only what comes within ``_HARSH_DB`` of them is touched.
"""

import numpy as np
import numpy.typing as npt

from tamma_worker.denoise import window_sum
from tamma_worker.stft import Spectrum

Floats = npt.NDArray[np.float32]

_LOW, _HIGH = slice(4, 80), slice(90, 320)  # bins of 50 Hz: the voice, and sibilance up to 16 kHz
_HARSH_DB = -4.0  # relative to the voice's own level
_SLOPE = 0.7  # dB taken per dB over
_VOICED = 0.05  # of the mean over four seconds: frames that make up the voice's level
_SMOOTH = 2  # frames of 10 ms on either side
_EDGE = 8  # bins over which the gain begins
EARLIER, LATER = 300, 100  # frames before and after that make up the voice's level


def powers(spectrum: Spectrum) -> tuple[Floats, Floats]:
    """Power of the voice and of sibilance per frame of a spectrum (channels, frames, bins), over channels."""
    low, high = (_power(spectrum[:, :, band]) for band in (_LOW, _HIGH))
    return low, high


def cuts(low: Floats, high: Floats, most_db: float) -> Floats:
    """Give for each frame by how many dB sibilance is to be lowered, up to ``most_db``."""
    voiced = low > _VOICED * window_sum(low, EARLIER, LATER) / window_sum(np.ones(len(low)), EARLIER, LATER)
    level = window_sum(low * voiced, EARLIER, LATER) / np.maximum(window_sum(voiced, EARLIER, LATER), 1)
    over = 10 * np.log10((high + 1e-12) / (level + 1e-12)) - _HARSH_DB
    cut = np.clip(over * _SLOPE, 0, most_db) * (high > low)
    kernel = np.hanning(2 * _SMOOTH + 3)[1:-1]
    return np.asarray(np.convolve(np.pad(cut, _SMOOTH), kernel / kernel.sum(), "valid"), np.float32)


def soften(spectrum: Spectrum, cut_db: Floats) -> None:
    """Lower sibilance of a spectrum (channels, frames, bins), in place and in all channels alike."""
    frames = np.flatnonzero(cut_db > 0.05)  # noqa: PLR2004 (dB that nobody hears)
    shape = np.clip((np.arange(spectrum.shape[2]) - _HIGH.start) / _EDGE, 0, 1)
    spectrum[:, frames] *= (10 ** (-cut_db[frames, None] / 20 * shape)).astype(np.float32)


def _power(spectrum: Spectrum) -> Floats:
    return np.asarray((np.square(spectrum.real) + np.square(spectrum.imag)).sum((0, 2)))
