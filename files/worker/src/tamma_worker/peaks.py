"""True peaks: the highest value between samples, looked for only beside samples that are high themselves."""

import numpy as np
import numpy.typing as npt

from tamma_worker.stft import Samples

_TAPS, _PHASES = 24, 4  # ITU-R BS.1770-4, annex 2: four times oversampled
_REACH = _TAPS // 2


def _interpolators() -> npt.NDArray[np.float32]:
    """Windowed sinc for three positions before and three after a sample, from the 12 samples on either side of it."""
    taps = np.zeros((_TAPS + 1, 2 * (_PHASES - 1)))
    place = np.arange(_TAPS) - _REACH + 1
    for phase in range(1, _PHASES):
        row = np.sinc(place - phase / _PHASES) * np.kaiser(_TAPS, 6)
        taps[:-1, phase - 1] = taps[1:, _PHASES + phase - 2] = row / row.sum()
    return taps.astype(np.float32)


_BETWEEN = _interpolators()


def near_peaks(channel: Samples, above: float) -> tuple[npt.NDArray[np.intp], Samples]:
    """Give the places of all local maxima of absolute value over ``above``, and the true peak within a sample of each.

    ``channel`` is silent before its beginning and after its end.
    """
    size = np.abs(channel)
    places = np.flatnonzero(size > above)
    if not len(places):
        return places, np.zeros(0, np.float32)
    windows = np.pad(channel, _REACH)[places[:, None] + np.arange(_TAPS + 1)]
    highest = size[places] >= np.abs(windows[:, [_REACH - 1, _REACH + 1]]).max(1)
    places, windows = places[highest], windows[highest]
    return places, np.maximum(np.abs(windows @ _BETWEEN).max(1), size[places])
