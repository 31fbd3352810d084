"""Lines of the result, and measures of quality, each from its public package."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pesq import pesq
from pystoi import stoi
from scipy.signal import resample_poly
from speechmos import dnsmos

from benchmarks.audio.speech import RATE, Floats

_LOW = 16_000  # Hz: what PESQ-WB (ITU-T P.862.2) and DNSMOS are defined for


@dataclass(frozen=True)
class Row:
    """One line of the result: what was measured, the value, and what it must be at least or at most."""

    what: str
    value: float
    must: float | None = None
    at_least: bool = True

    def verdict(self) -> str:
        """Say whether it is as required."""
        if self.must is None:
            return ""
        good = self.value >= self.must if self.at_least else self.value <= self.must
        return "ok" if good else "MISSED"


@contextmanager
def workspace() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-audio-") as folder:
        yield Path(folder)


def low(sound: Floats) -> Floats:
    """Resample from 48 kHz to 16 kHz."""
    return np.asarray(resample_poly(sound, 1, RATE // _LOW))


def speech_scores(clean: Floats, heard: Floats) -> tuple[float, float, float]:
    """PESQ-WB (1-4.64), STOI (0-1), DNSMOS P.835 OVRL (1-5) of mono 48 kHz signals of one length."""
    reference, degraded = low(clean), low(heard)
    scored: dict[str, Any] = dnsmos.run(np.clip(degraded, -1, 1).astype(np.float32), _LOW)
    return (
        float(pesq(_LOW, reference, degraded, "wb")),
        float(stoi(reference, degraded, _LOW)),
        float(scored["ovrl_mos"]),
    )


def si_sdr(reference: Floats, heard: Floats) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019): level differences do not count."""
    size = min(len(reference), len(heard))
    reference, heard = reference[:size] - reference[:size].mean(0), heard[:size] - heard[:size].mean(0)
    target = (heard * reference).sum() / ((reference**2).sum() + 1e-20) * reference
    return float(10 * np.log10((target**2).sum() / (((heard - target) ** 2).sum() + 1e-20)))
