"""Harsh sibilants: the band from 4.5 kHz up is lowered in frames where it outshouts the voice.

A well-recorded "s" lies some 10 dB under the vowels; only what comes within ``_HARSH_DB`` of them is touched.
"""

import numpy as np

from tamma_worker.stft import Spectrum

_LOW, _HIGH = slice(4, 80), slice(90, 320)  # bins of 50 Hz: the voice, and sibilance up to 16 kHz
_HARSH_DB = -4.0  # relative to the voice's own level
_SLOPE = 0.7  # dB taken per dB over
_VOICED = 0.05  # of the mean: frames that make up the voice's level
_SMOOTH = 2  # frames of 10 ms on either side
_EDGE = 8  # bins over which the gain begins


def softened(spectra: list[Spectrum], most_db: float) -> list[Spectrum]:
    """Lower harsh sibilants by up to ``most_db``, in all channels alike."""
    low = np.sum([_power(spectrum[:, _LOW]) for spectrum in spectra], axis=0)
    high = np.sum([_power(spectrum[:, _HIGH]) for spectrum in spectra], axis=0)
    voiced = low > _VOICED * low.mean()
    if not voiced.any():
        return spectra
    over = 10 * np.log10((high + 1e-12) / low[voiced].mean()) - _HARSH_DB
    cut = np.clip(over * _SLOPE, 0, most_db) * (high > low)
    if not cut.any():
        return spectra
    kernel = np.hanning(2 * _SMOOTH + 3)[1:-1]
    cut = np.convolve(np.pad(cut, _SMOOTH), kernel / kernel.sum(), "valid")
    frames = np.flatnonzero(cut > 0.05)  # noqa: PLR2004 (dB that nobody hears)
    shape = np.clip((np.arange(spectra[0].shape[1]) - _HIGH.start) / _EDGE, 0, 1)
    gain = (10 ** (-cut[frames, None] / 20 * shape)).astype(np.float32)
    for spectrum in spectra:
        spectrum[frames] *= gain
    return spectra


def _power(spectrum: Spectrum) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.asarray((np.square(spectrum.real) + np.square(spectrum.imag)).sum(1))
