"""Loudness by ITU-R BS.1770-4 and EBU Tech 3342, and true peak, in numpy: constant work per second, little memory.

The K-weighting is applied by overlap-save with the exact response of the standard's two biquads at 48 kHz.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tamma_worker.stft import RATE, Samples

FRAME = RATE // 10  # samples, 100 ms: the step of BS.1770's gating blocks, and of everything that is kept per file
PIECE = 12 * FRAME  # samples that are weighted at once
_FFT = 1 << 16  # with what precedes the piece: the weighting's response lasts less than the 165 ms in between
_HISTORY = _FFT - PIECE
_OVERSAMPLED = 4  # BS.1770-4, annex 2
_ENDS = 256 * _OVERSAMPLED
_INTERSAMPLE = 0.7  # a piece whose sample peak is 3 dB under the true peak so far cannot hold a higher one in practice
_ABSOLUTE_LUFS, _RELATIVE_LU, _RANGE_RELATIVE_LU = -70.0, -10.0, -20.0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Loudness:
    """Integrated loudness (LUFS), range (LU), true peak (dBTP); None where there is nothing to measure."""

    integrated_lufs: float | None
    range_lu: float | None
    true_peak_dbtp: float | None

    def as_report(self) -> dict[str, float | None]:
        """Give the same as JSON, rounded to what the measurement is good for."""
        values = {
            "integrated_lufs": self.integrated_lufs,
            "range_lu": self.range_lu,
            "true_peak_dbtp": self.true_peak_dbtp,
        }
        return {key: None if value is None else round(value, 2) for key, value in values.items()}


def lufs(energy: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Loudness of K-weighted mean squares that are summed over channels."""
    return np.asarray(-0.691 + 10 * np.log10(np.maximum(energy, 1e-14)), np.float64)


def _blocks(energy: Floats, frames: int) -> npt.NDArray[np.float64]:
    """Mean over every ``frames`` frames in a row."""
    if len(energy) < frames:
        return np.zeros(0)
    sums = np.concatenate([[0.0], np.cumsum(energy, dtype=np.float64)])
    return np.asarray(np.maximum(sums[frames:] - sums[:-frames], 0) / frames)


def integrated(energy: Floats) -> float | None:
    """Gated loudness in LUFS of energies per 100 ms: blocks of 400 ms, absolute gate -70, relative gate -10 LU."""
    blocks = _blocks(energy, 4)
    blocks = blocks[lufs(blocks) > _ABSOLUTE_LUFS]
    if not len(blocks):
        return None
    return float(lufs(blocks[lufs(blocks) > lufs(blocks.mean()) + _RELATIVE_LU].mean()))


def loudness_range(energy: Floats) -> float | None:
    """Range in LU by EBU Tech 3342: 10th to 95th percentile of the short-term loudness, gated at -20 LU."""
    blocks = _blocks(energy, 30)
    blocks = blocks[lufs(blocks) > _ABSOLUTE_LUFS]
    if not len(blocks):
        return None
    levels = lufs(blocks)
    low, high = np.percentile(levels[levels > lufs(blocks.mean()) + _RANGE_RELATIVE_LU], [10, 95])
    return float(high - low)


def short_term(energy: Floats) -> npt.NDArray[np.float64]:
    """Short-term loudness in LUFS (3 s windows, one value per second)."""
    return lufs(_blocks(energy, 30)[::10])


def k_response(size: int) -> npt.NDArray[np.complex64]:
    """Frequency response of the K-weighting at 48 kHz for an FFT of ``size`` (BS.1770-4, annex 1, tables 1 and 2)."""
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(size))
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    highpass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    return np.asarray(shelf * highpass, np.complex64)


_K = k_response(_FFT)


class Meter:
    """Takes samples at 48 kHz, shape (frames, channels), in pieces of any size."""

    def __init__(self, channels: int) -> None:
        self._history = np.zeros((_HISTORY, channels), np.float32)
        self._rest = np.zeros((0, channels), np.float32)
        self._energy = bytearray()  # float32 per 100 ms: 14 kB per hour
        self._peak = 0.0

    def take(self, samples: Samples) -> None:
        """Measure what is there; up to 1.2 s wait for the next call."""
        self._rest = np.concatenate([self._rest, samples]) if len(self._rest) else samples
        while len(self._rest) >= PIECE:
            self._measure(self._rest[:PIECE], PIECE // FRAME)
            self._rest = self._rest[PIECE:]

    def close(self) -> None:
        """Measure the rest; call once. A last frame shorter than 100 ms does not count for loudness."""
        size = len(self._rest)
        padded = np.zeros((PIECE, self._history.shape[1]), np.float32)
        padded[:size] = self._rest
        self._measure(padded, size // FRAME)

    def _measure(self, piece: Samples, frames: int) -> None:
        block = np.concatenate([self._history, piece])
        self._history = block[PIECE:]
        energy = np.zeros(PIECE // FRAME, np.float32)
        for channel in block.T:
            spectrum = np.fft.rfft(channel)
            weighted = np.fft.irfft(spectrum * _K, _FFT)[_HISTORY:].astype(np.float32, copy=False)
            energy += np.square(weighted).reshape(-1, FRAME).mean(1)
            if np.abs(channel).max() > self._peak * _INTERSAMPLE:
                self._peak = max(self._peak, true_peak(channel, spectrum))
        self._energy += energy[:frames].tobytes()

    @property
    def energy(self) -> Floats:
        """K-weighted mean squares per 100 ms, summed over channels."""
        return np.frombuffer(bytes(self._energy), np.float32)

    def loudness(self) -> Loudness:
        """Sum up what was measured."""
        energy = self.energy
        peak = 20 * math.log10(self._peak) if self._peak > 1e-6 else None  # noqa: PLR2004 (-120 dBFS is silence)
        return Loudness(integrated(energy), loudness_range(energy), peak)


def true_peak(samples: Samples, spectrum: npt.NDArray[np.complex64] | None = None) -> float:
    """Largest absolute value at four times the rate (linear; BS.1770-4 annex 2, with an ideal interpolator).

    The ends are left out: there the interpolator sees a step to the other end.
    """
    spectrum = np.fft.rfft(samples) if spectrum is None else spectrum
    oversampled = np.fft.irfft(spectrum, len(samples) * _OVERSAMPLED)[_ENDS:-_ENDS]
    return float(max(oversampled.max(), -oversampled.min())) * _OVERSAMPLED
