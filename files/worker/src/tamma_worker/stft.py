"""The short-time spectrum that the denoiser was trained on: 20 ms frames every 10 ms at 48 kHz, Vorbis window.

With this window analysis followed by synthesis gives the signal back exactly (its square overlaps to one).
"""

import numpy as np
import numpy.typing as npt

RATE = 48_000  # Hz
HOP = 480  # samples, 10 ms
FFT = 2 * HOP
BINS = FFT // 2 + 1  # one every 50 Hz

Samples = npt.NDArray[np.float32]
Spectrum = npt.NDArray[np.complex64]

# Vorbis I specification, section 4.3.1
WINDOW = np.sin(np.pi / 2 * np.sin(np.pi * (np.arange(FFT) + 0.5) / FFT) ** 2).astype(np.float32)


def analyse(samples: Samples) -> Spectrum:
    """Give the spectrum of each frame, shape (len // HOP + 1, BINS), of a signal whose length is a multiple of HOP.

    Half a frame of silence is assumed on either side, so that frame ``t`` is centred on sample ``t * HOP``.
    """
    return frames(np.concatenate([np.zeros(HOP, np.float32), samples, np.zeros(HOP, np.float32)]))


def frames(samples: Samples) -> Spectrum:
    """Give the spectra of the frames within ``samples``, the first of which is centred on sample ``HOP``."""
    cut = np.lib.stride_tricks.sliding_window_view(samples, FFT)[::HOP]
    return np.fft.rfft(cut * WINDOW, axis=1).astype(np.complex64, copy=False)


def halves(spectrum: Spectrum) -> Samples:
    """Give each frame's part in the signal, shape (frames, FFT): the second half adds to the next one's first."""
    parts = np.fft.irfft(spectrum, FFT, axis=1).astype(np.float32, copy=False)
    parts *= WINDOW
    return parts


def synthesise(spectrum: Spectrum) -> Samples:
    """Undo ``analyse``."""
    parts = halves(spectrum)
    return (parts[:-1, HOP:] + parts[1:, :HOP]).reshape(-1)
