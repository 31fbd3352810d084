"""The picture of a recording's spectrum, collected in constant memory: columns are merged when there are too many."""

import numpy as np
import numpy.typing as npt

from tamma_worker.meter import FRAME
from tamma_worker.stft import RATE

_FFT = 2048
_COLUMNS = 2048  # kept at most; a picture has fewer
ROWS = 160  # on a logarithmic scale from LOW to HIGH
LOW_HZ, HIGH_HZ = 50.0, 20_000.0
_TOP_DB, _RANGE_DB = -20.0, 90.0  # colours cover this range under the level of a loud tone

_WINDOW = np.hanning(_FFT).astype(np.float32)
_EDGES = np.unique(np.rint(np.geomspace(LOW_HZ, HIGH_HZ, ROWS + 1) / (RATE / _FFT)).astype(int))
_CENTRES = (_EDGES[:-1] + _EDGES[1:]) / 2 * RATE / _FFT


class Spectrogram:
    """Mean power per band of the logarithmic scale and per stretch of time."""

    def __init__(self) -> None:
        self._power = np.zeros((_COLUMNS, len(_CENTRES)), np.float32)
        self._span = self._seen = 0  # frames per column as a power of two; frames seen

    def take(self, mono: npt.NDArray[np.float32], frames: int) -> None:
        """Take the next ``frames`` of 100 ms (of 48 kHz samples); one spectrum of 43 ms is made of each."""
        starts = mono.reshape(-1, FRAME)[:frames, :_FFT]
        power = np.abs(np.fft.rfft(starts * _WINDOW, axis=1)) ** 2
        bands = np.add.reduceat(power, _EDGES[:-1], axis=1) / np.diff(_EDGES)
        for band in bands:
            if self._seen >> self._span >= _COLUMNS:
                self._power[: _COLUMNS // 2] = self._power[::2] + self._power[1::2]
                self._power[_COLUMNS // 2 :] = 0
                self._span += 1
            self._power[self._seen >> self._span] += band
            self._seen += 1

    def pixels(self, width: int, height: int) -> npt.NDArray[np.uint8]:
        """Give brightness 0-255, low frequencies at the bottom, shape (height, width)."""
        columns = max(1, -(-self._seen >> self._span)) if self._seen else 1
        power = self._power[:columns] / (1 << self._span) / (_FFT / 4) ** 2
        decibels = 10 * np.log10(power + 1e-14)
        bright = np.clip((decibels - _TOP_DB + _RANGE_DB) / _RANGE_DB, 0, 1) * 255
        across = np.minimum(np.arange(width) * columns // width, columns - 1)
        wanted = np.geomspace(HIGH_HZ, LOW_HZ, height)
        rows = np.clip(np.searchsorted(_CENTRES, wanted), 0, len(_CENTRES) - 1)
        return np.asarray(bright[across][:, rows].T, np.uint8)
