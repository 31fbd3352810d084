"""DeepFilterNet 3 (Schröter et al., 2023) over pieces of recordings, with numpy around its network.

The packaged runtimes run the network once per 10 ms; one run per second of two places at once gives the same result at
several times the speed.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tamma_worker.network import LAYERS, PAST_DEEP, PAST_ERB, WIDTH, network
from tamma_worker.stft import BINS, FFT, HOP, Spectrum

_BANDS = 32  # on the ERB scale
_DEEP = 96  # lowest bins, up to 4.8 kHz, that are filtered over time; those above only get a gain
_ORDER = 5  # taps of that filter, two of them in the future
AHEAD = 2  # hops that the features are ahead of the frame they decide on
_FORGET = 0.99  # per hop: running means over one second (libDF, calc_norm_alpha)
_CHUNK = 100  # hops of a running mean that one matrix product computes
_RUN = 100  # frames per run of the network: what it keeps meanwhile fits the processor's cache
_CALM = 100  # frames on either side
_CLEAN_DB = (30.5, 34.5)  # of local signal-to-noise ratio, which ends at 35; noise at -30 dB gives 28
_WORD_DB, _SLOPE_DB = 25.0, 5.0  # what is further under the mean is a pause
_NOTHING = 1e-6  # power of a frame that nobody hears: -150 dBFS
_SOFT = 4  # frames on either side over which words and pauses meet
EARLIER, LATER = 300, _CALM + _SOFT  # frames before and after that a share depends on
_LEVELS = np.linspace(-60, -90, _BANDS, dtype=np.float32)  # dB: where libDF starts its running means
_SIZES = np.linspace(0.001, 0.0001, _DEEP, dtype=np.float32)
_LEAST_SIZE = np.float32(1e-12)  # minutes of digital silence would lead to a division by zero
_SCALE = np.float32(1 / (FFT**2 / (2 * HOP)))  # libDF's analysis divides by this, and its features depend on level

Floats = npt.NDArray[np.float32]


class Stream:
    """Places of a recording (rows) that advance together; what comes out is ``AHEAD`` frames behind what goes in."""

    def __init__(self, rows: int) -> None:
        self._means = [(_LEVELS, _SIZES)] * rows
        self._erb = np.zeros((rows, 1, PAST_ERB, _BANDS), np.float32)
        self._deep = np.zeros((rows, 2, PAST_DEEP, _DEEP), np.float32)
        self._state = np.zeros((LAYERS, rows, WIDTH), np.float32)
        self._held = np.zeros((rows, _ORDER - 1, BINS), np.complex64)

    def __call__(self, noisy: Spectrum) -> tuple[Spectrum, Floats]:
        """Take the next frames (rows, frames, BINS).

        Gives the estimated speech of as many frames, of which the first is ``AHEAD`` before the first that came, and
        their local signal-to-noise ratio in dB (rows, frames).
        """
        held = np.concatenate([self._held, noisy], axis=1)
        self._held = held[:, 1 - _ORDER :].copy()
        erb, deep = self._features(noisy)
        speech, lsnr = np.empty_like(noisy), np.empty(noisy.shape[:2], np.float32)
        net = network()
        for start in range(0, noisy.shape[1], _RUN):
            end = min(start + _RUN, noisy.shape[1])
            found = net.front(erb[:, :, start : end + PAST_ERB], deep[:, :, start : end + PAST_DEEP])
            lsnr[:, start:end], embedding, taps, self._state = net.core(found["embedding"], self._state)
            around, gains = held[:, start : end + _ORDER - 1], net.back(found, embedding)
            parts = np.repeat(gains, 2 * _WIDTHS, axis=2)  # of the real and imaginary parts alike
            parts *= around[:, AHEAD:-AHEAD].view(np.float32)
            speech[:, start:end] = parts.view(np.complex64)
            taps += found["taps_front"]
            speech[:, start:end, :_DEEP] = _filtered(around[:, :, :_DEEP], taps.view(np.complex64))
        return speech, lsnr

    def _features(self, noisy: Spectrum) -> tuple[Floats, Floats]:
        """Give the features of all rows, beginning with the frames that the network looks back at."""
        found = [_features(spectrum * _SCALE, *means) for spectrum, means in zip(noisy, self._means, strict=True)]
        self._means = [means for _, _, means in found]
        erb = np.concatenate([self._erb, np.stack([row[0] for row in found])[:, None]], axis=2)
        deep = np.concatenate([self._deep, np.stack([row[1] for row in found])], axis=2)
        self._erb, self._deep = erb[:, :, -PAST_ERB:].copy(), deep[:, :, -PAST_DEEP:].copy()
        return erb, deep


def spared(power: Floats, lsnr_db: Floats) -> Floats:
    """Give the share (0-1) of each frame that stays as it is, because words are clean anyhow; pauses never stay.

    Clean is what has a high signal-to-noise ratio in the mean over two seconds, loud frames counting more: the network
    takes quiet consonants of clean speech for noise, and frame by frame it does not know better. The last ``LATER``
    frames are decided without what comes after them.
    """
    around = window_sum(power * np.maximum(lsnr_db, 0), _CALM) / (window_sum(power, _CALM) + _NOTHING)
    share = np.clip((around - _CLEAN_DB[0]) / (_CLEAN_DB[1] - _CLEAN_DB[0]), 0, 1)
    mean = window_sum(power, EARLIER, _CALM) / window_sum(np.ones(len(power)), EARLIER, _CALM)
    loud = np.clip((10 * np.log10((power + _NOTHING) / (mean + _NOTHING)) + _WORD_DB) / _SLOPE_DB, 0, 1)
    share *= window_sum(loud, _SOFT) / (2 * _SOFT + 1)
    return np.asarray(share, np.float32)


def window_sum(values: npt.NDArray[Any], before: int, after: int | None = None) -> npt.NDArray[np.float64]:
    """Sum values (none negative) from ``before`` frames ahead to ``after`` (or as many) behind; fewer at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    place = np.arange(len(values))
    last = np.minimum(place + (before if after is None else after) + 1, len(values))
    return np.asarray(np.maximum(sums[last] - sums[np.maximum(place - before, 0)], 0))  # rounding may go below


def _filtered(spectrum: Spectrum, taps: Spectrum) -> Spectrum:
    """Filter every bin over ``_ORDER`` frames around the present one; ``spectrum`` has those at either end too."""
    count = taps.shape[1]
    total = spectrum[:, :count] * taps[..., 0]
    for tap in range(1, _ORDER):
        total += spectrum[:, tap : tap + count] * taps[..., tap]
    return total


def _features(spectrum: Spectrum, levels: Floats, sizes: Floats) -> tuple[Floats, Floats, tuple[Floats, Floats]]:
    """Level per band and shape of the low bins, each relative to its own running mean; and those means at the end."""
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    bands = np.add.reduceat(power, _EDGES[:-1], axis=1) / _WIDTHS
    decibels = (10 * np.log10(bands + 1e-10)).astype(np.float32)
    level = _running_mean(decibels, levels)
    size = np.maximum(_running_mean(np.sqrt(power[:, :_DEEP]), sizes), _LEAST_SIZE)
    low = np.asarray(spectrum[:, :_DEEP] / np.sqrt(size), np.complex64)
    erb = np.asarray((decibels - level) / 40, np.float32)
    return erb, np.stack([low.real, low.imag]), (level[-1], size[-1])


def _running_mean(values: Floats, start: Floats) -> Floats:
    """First-order recursive mean over axis 0: m[t] = 0.99 m[t-1] + 0.01 v[t], by matrix products of 100 frames."""
    state, out = start, np.empty_like(values)
    for begin in range(0, len(values), _CHUNK):
        piece = values[begin : begin + _CHUNK]
        size = len(piece)
        out[begin : begin + size] = _RECURSION[:size, :size] @ piece + _DECAY[:size, None] * state
        state = out[begin + size - 1]
    return out


def _erb_widths() -> npt.NDArray[np.int64]:
    """Give the bins in each of the 32 bands, at least two, as libDF's ``erb_fb`` lays them out."""
    low, high = 0.0, 9.265 * np.log1p(24_000 / (24.7 * 9.265))
    widths, previous, over = [], 0, 0
    for band in range(1, _BANDS + 1):
        hertz = 24.7 * 9.265 * np.expm1((low + band * (high - low) / _BANDS) / 9.265)
        edge = int(np.floor(hertz / (48_000 / FFT) + 0.5))
        width = edge - previous - over
        over = max(0, 2 - width)
        widths.append(max(2, width))
        previous = edge
    widths[-1] += 1
    widths[-1] -= max(0, sum(widths) - BINS)
    return np.array(widths)


_WIDTHS = _erb_widths()
_EDGES = np.concatenate([[0], np.cumsum(_WIDTHS)])
_DECAY = (_FORGET ** np.arange(1, _CHUNK + 1)).astype(np.float32)
_LAG = np.arange(_CHUNK)[:, None] - np.arange(_CHUNK)[None, :]
_RECURSION = np.where(_LAG >= 0, (1 - _FORGET) * _FORGET ** np.maximum(_LAG, 0), 0).astype(np.float32)
