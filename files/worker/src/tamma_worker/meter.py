"""Loudness by ITU-R BS.1770-4 and EBU Tech 3342, and true peak, in numpy: constant work per second, little memory.

The energy of each frame is summed in the spectrum, weighted by the exact response of the standard's two biquads, so
nothing has to be transformed back.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tamma_worker.peaks import near_peaks
from tamma_worker.stft import RATE, Samples

FRAME = RATE // 10  # samples, 100 ms: the step of BS.1770's gating blocks, and of everything that is kept per file
PIECE = 12 * FRAME  # samples that are measured at once
_WINDOW = 2 * FRAME  # its square overlaps to one, so all frames together hold exactly the energy of the signal
_EITHER = FRAME // 2  # samples of the neighbours that a frame's window reaches into
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


def _weights() -> Floats:
    """Weights of the real and imaginary parts of a frame's spectrum whose squares then add up to its mean square."""
    power = np.square(np.abs(k_response(_WINDOW))) * 2 / (_WINDOW * FRAME)
    power[-1] /= 2
    return np.repeat(power, 2).astype(np.float32)


_WEIGHTS = _weights()
_SHAPE = np.sin(np.pi * (np.arange(_WINDOW) + 0.5) / _WINDOW).astype(np.float32)


class Meter:
    """Takes samples at 48 kHz, shape (frames, channels), in pieces of any size."""

    def __init__(self, channels: int) -> None:
        self._rest = np.zeros((_EITHER, channels), np.float32)  # from _EITHER ahead of the frame that comes next
        self._waiting: list[Samples] = []
        self._size = 0  # samples that wait
        self._energy = bytearray()  # float32 per 100 ms: 14 kB per hour
        self._peak = 0.0

    def take(self, samples: Samples) -> None:
        """Measure what is there; up to 1.2 s wait for the next call."""
        self._waiting.append(samples)
        self._size += len(samples)
        if self._size < PIECE + FRAME:
            return
        self._rest = np.concatenate([self._rest, *self._waiting])
        while len(self._rest) >= PIECE + FRAME:
            self._measure(self._rest[: PIECE + FRAME], PIECE // FRAME)
            self._rest = self._rest[PIECE:]
        self._waiting, self._size = [], 0

    def close(self) -> None:
        """Measure the rest; call once. A last frame shorter than 100 ms does not count for loudness."""
        rest = np.concatenate([self._rest, *self._waiting])
        size = len(rest) - _EITHER
        padded = np.zeros(((-(-size // FRAME) + 1) * FRAME, rest.shape[1]), np.float32)
        padded[: len(rest)] = rest
        self._measure(padded, size // FRAME)

    def _measure(self, block: Samples, frames: int) -> None:
        """Measure a block of whole frames with half a frame on either side; the first ``frames`` count."""
        energy = np.zeros(len(block) // FRAME - 1, np.float32)
        for channel in block.T:
            sound = np.ascontiguousarray(channel)
            if len(energy):
                cut = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[::FRAME]
                parts = np.fft.rfft(cut * _SHAPE, axis=1).view(np.float32)
                energy += np.square(parts) @ _WEIGHTS
            self._peak = max(self._peak, true_peak(sound, self._peak))
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


def true_peak(samples: Samples, known: float = 0.0) -> float:
    """Largest absolute value at four times the rate (linear; BS.1770-4 annex 2) if it is above ``known``, else that."""
    highest = float(np.abs(samples).max(initial=0.0))
    if highest <= known * _INTERSAMPLE:
        return known
    _, peaks = near_peaks(samples, max(highest, known) * _INTERSAMPLE)
    return max(known, float(peaks.max(initial=highest)))
