"""The recording behind its linear filters, at any place: routing, high-pass, hum notches, nominal gain."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tamma_worker.chain import Plan
from tamma_worker.hum import Hum, comb
from tamma_worker.meter import FRAME
from tamma_worker.stft import RATE, Samples
from tamma_worker.store import Store

_AROUND, _AROUND_HUM = 2, 12  # records on either side that the high-pass and the notches ring
_DC_HZ = 12.0  # below the lowest note

Floats = npt.NDArray[np.float32]
_Filters = tuple[float, Hum | None, float]  # high-pass in Hz, hum, gain in dB


def filtered(source: Store, plan: Plan, first: int, count: int) -> Samples:
    """Give ``count`` records from number ``first`` of the recording in ``source``, as the denoiser is to hear them."""
    return _filtered(source, plan, (plan.highpass_hz, plan.hum, plan.pre_gain_db), first, count)


def undenoised(source: Store, plan: Plan, first: int, count: int) -> Samples:
    """Give the same for listeners: music has its lowest notes where speech has rumble."""
    return _filtered(source, plan, (min(plan.highpass_hz, _DC_HZ), plan.hum, plan.pre_gain_db), first, count)


def _filtered(source: Store, plan: Plan, filters: _Filters, first: int, count: int) -> Samples:
    around = _AROUND_HUM if plan.hum else _AROUND
    read = source.read(first - around, count + 2 * around)
    routed = read @ np.array(plan.route, np.float32).T
    inside = slice(around * FRAME, (around + count) * FRAME)
    response = _response(filters, len(routed))
    if response is None:
        return routed[inside]
    sound = [np.fft.irfft(np.fft.rfft(channel) * response, len(routed))[inside] for channel in routed.T]
    return np.asarray(np.stack(sound, axis=1), np.float32)


@lru_cache(maxsize=8)
def _response(filters: _Filters, size: int) -> Floats | None:
    """Gain per bin of a spectrum of ``size`` samples: high-pass, notches, nominal gain; None if nothing is to be done.

    The high-pass is that of a second-order Butterworth run forwards and backwards: no phase, so that music keeps its
    shape.
    """
    highpass_hz, hum, gain_db = filters
    if not (highpass_hz or hum or gain_db):
        return None
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    gain = np.full(len(hertz), 10 ** (gain_db / 20))
    if highpass_hz:
        gain *= hertz**4 / (hertz**4 + highpass_hz**4)
    if hum:
        gain *= comb(hertz, hum)
    return gain.astype(np.float32)
