"""Mains hum: found by lines at 50 or 60 Hz and their multiples that never move, removed by a comb of narrow notches."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 4_000  # Hz of the stream that is searched: hum above 2 kHz is masked
WINDOW = 4 * RATE  # samples, 4 s: lines of a quarter of a hertz
_HOP = RATE  # a note that ends is missing in the next window but two
_LEAST_WINDOWS = 3
_MOST_WINDOWS = 64  # kept; of long recordings every second, fourth, … window
_PRESENT = 20  # percentile over windows: a line that is not always there is no hum but music or a voice
_BASES = np.concatenate([np.arange(49.7, 50.31, 0.02), np.arange(59.7, 60.31, 0.02)])  # Hz; grids keep to 0.2 Hz
_PROMINENT_DB = 9.0  # over the neighbourhood
_LEAST_HARMONICS = 3
_NOTCH_HZ = 1.2  # half width: as narrow as a block's length allows, so that voices keep their harmonics
_NEIGHBOURS_HZ = 6.0
_MEAN = np.full(48_000 // RATE, RATE / 48_000, np.float32)
_SHAPE = np.hanning(WINDOW).astype(np.float32)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hum:
    """A hum: its base in Hz and which multiples of it stand out."""

    base_hz: float
    harmonics: tuple[int, ...]


class HumEar:
    """Collects spectra of a 48 kHz signal; constant memory."""

    def __init__(self) -> None:
        self._waiting = np.zeros(0, np.float32)
        self._kept: list[npt.NDArray[np.float32]] = []
        self._every, self._number = 1, 0

    def take(self, samples: npt.NDArray[np.float32]) -> None:
        """Take mono samples at 48 kHz, a multiple of 12 of them."""
        low = samples.reshape(-1, 48_000 // RATE) @ _MEAN  # what folds down is speech, which does not stand still
        self._waiting = np.concatenate([self._waiting, low])
        while len(self._waiting) >= WINDOW:
            if self._number % self._every == 0 and self._waiting[:WINDOW].any():
                self._keep(self._waiting[:WINDOW])
            self._number += 1
            self._waiting = self._waiting[_HOP:]

    def _keep(self, samples: npt.NDArray[np.float32]) -> None:
        spectrum = np.fft.rfft(samples * _SHAPE)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        self._kept.append(10 * np.log10(power + np.float32(1e-12)))
        if len(self._kept) == _MOST_WINDOWS:
            self._kept = self._kept[::2]
            self._every *= 2

    def found(self) -> Hum | None:
        """Decide; None when there is no hum or too little sound to tell."""
        if len(self._kept) < _LEAST_WINDOWS:
            return None
        steady = np.percentile(self._kept, _PRESENT, axis=0).astype(np.float64)
        score, base, harmonics = max((_standing_out(steady, base) for base in _BASES), key=lambda hum: hum[0])
        if len(harmonics) < _LEAST_HARMONICS or score < _LEAST_HARMONICS * _PROMINENT_DB:
            return None
        return Hum(round(base, 2), harmonics)


def _standing_out(spectrum: Floats, base: float) -> tuple[float, float, tuple[int, ...]]:
    """Sum of prominences in dB over the multiples of ``base`` that have one; the base, and which they are."""
    per_hertz, total, harmonics = WINDOW / RATE, 0.0, []
    for number in range(1, int(RATE / 2 / base)):
        centre, reach = number * base * per_hertz, int(_NEIGHBOURS_HZ * per_hertz)
        place = round(centre)
        around = spectrum[place - reach : place + reach + 1]
        prominence = spectrum[place] - np.median(around)
        if len(around) == 2 * reach + 1 and prominence > _PROMINENT_DB:
            total += prominence
            harmonics.append(number)
    return total, float(base), tuple(harmonics)


def comb(hertz: Floats, hum: Hum) -> Floats:
    """Magnitude of the notches at the frequencies ``hertz``: 0 at each harmonic, -3 dB at ``_NOTCH_HZ`` beside it."""
    gain = np.ones_like(hertz)
    step = hertz[1] - hertz[0]
    for number in hum.harmonics:
        centre = number * hum.base_hz
        start, end = int((centre - 20) / step), int((centre + 20) / step)
        distance = (hertz[start:end] - centre) / _NOTCH_HZ
        gain[start:end] *= distance**2 / (distance**2 + 0.41)
    return gain
