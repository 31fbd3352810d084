"""One pass over a recording: loudness by ITU-R BS.1770-4, levels and noise floor, channels, and its envelope.

Everything is kept in constant memory, whatever the duration: running sums, a histogram, an envelope of fixed size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ffmpeg  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from tamma_worker import engine
from tamma_worker.control import Control
from tamma_worker.errors import BadInputError
from tamma_worker.probe import NOT_MEDIA

Samples = npt.NDArray[np.float32]

RATE = 16_000  # Hz of the stream we look at ourselves: pictures and levels need no more
_BLOCK = 80  # samples, 5 ms: finest step of the envelope
_LEVEL = 10  # blocks, 50 ms: what levels and the noise floor are made of
_BINS = 4096  # of the envelope: more than a picture has columns, a few kilobytes
_FLOOR_DB, _STEP_DB = -120.0, 0.5  # range of the histogram of levels, up to +24 dBFS
_DIGITAL_SILENCE_DB = -90.0  # quieter than any microphone: edited pauses, not room noise
_UNMEASURED_LUFS = -69.9  # ebur128 says -70 when no block passed its absolute gate


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


@dataclass(frozen=True, slots=True)
class Heard:
    """What one pass found. Levels are dBFS of 50 ms windows of the louder channel, energies are mean squares."""

    duration_seconds: float
    loudness: Loudness
    noise_floor_dbfs: float | None
    speech_level_dbfs: float | None
    channel_energy: tuple[float, ...]
    mid_energy: float
    side_energy: float
    envelope: Samples  # peak per column, 0-1 and beyond for clipped floats; covers the whole duration


class Listener:
    """Takes interleaved 16 kHz float samples in pieces of any size."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._rest = b""
        self._energy = np.zeros(channels)
        self._mid = self._side = 0.0
        self._frames = 0
        self._levels = np.zeros(int((24 - _FLOOR_DB) / _STEP_DB), np.int64)
        self._envelope = np.zeros(_BINS, np.float32)
        self._span, self._filled = 1, 0  # blocks per bin, blocks seen

    def __call__(self, data: bytes) -> None:
        """Take bytes of float32 samples; a tail shorter than 50 ms waits for the next call."""
        data = self._rest + data
        quantum = 4 * self._channels * _BLOCK * _LEVEL
        whole = len(data) // quantum * quantum
        self._rest = data[whole:]
        if whole:
            self._take(np.frombuffer(data[:whole], np.float32).reshape(-1, self._channels))

    def _take(self, samples: Samples) -> None:
        # a NaN or an infinity in a float file must not poison every sum after it
        samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        squares = samples.astype(np.float64) ** 2
        self._frames += len(samples)
        self._energy += squares.sum(0)
        if self._channels == 2:  # noqa: PLR2004 (mid and side are a matter of two channels)
            mid = samples.mean(1, dtype=np.float64)
            self._mid += float((mid**2).sum())
            self._side += float(((samples[:, 0] - mid) ** 2).sum())
        levels = squares.reshape(-1, _BLOCK * _LEVEL, self._channels).mean(1).max(1)
        decibels = 10 * np.log10(np.maximum(levels, 1e-12))
        bins = np.clip((decibels - _FLOOR_DB) / _STEP_DB, 0, len(self._levels) - 1).astype(int)
        self._levels += np.bincount(bins, minlength=len(self._levels))
        self._draw(np.abs(samples).reshape(-1, _BLOCK * self._channels).max(1))

    def _draw(self, peaks: Samples) -> None:
        """Add block peaks to the envelope; when it is full, neighbours are merged and each bin covers twice as much."""
        for start in range(0, len(peaks), _BINS):
            piece = peaks[start : start + _BINS]
            while self._filled + len(piece) > _BINS * self._span:
                merged = self._envelope.reshape(-1, 2).max(1)
                self._envelope = np.concatenate([merged, np.zeros(_BINS // 2, np.float32)])
                self._span *= 2
            where = (self._filled + np.arange(len(piece))) // self._span
            np.maximum.at(self._envelope, where, piece)
            self._filled += len(piece)

    def _percentile(self, share: float) -> float | None:
        """Level below which ``share`` of the windows lie, digital silence apart."""
        counts = self._levels.copy()
        counts[: int((_DIGITAL_SILENCE_DB - _FLOOR_DB) / _STEP_DB)] = 0
        if not counts.any():
            return None
        index = int(np.searchsorted(np.cumsum(counts), share * counts.sum()))
        return _FLOOR_DB + (index + 0.5) * _STEP_DB

    def heard(self, loudness: Loudness) -> Heard:
        """Close the books; call once, after the last bytes."""
        frame = 4 * self._channels
        tail = np.frombuffer(self._rest[: len(self._rest) // frame * frame], np.float32).reshape(-1, self._channels)
        duration = (self._frames + len(tail)) / RATE
        if len(tail):  # padded with silence: too short to matter to levels unless it is all there is
            padded = np.zeros((_BLOCK * _LEVEL, self._channels), np.float32)
            padded[: len(tail)] = tail
            self._take(padded)
        frames = max(1, self._frames)
        bins = math.ceil(duration * RATE / _BLOCK / self._span)
        return Heard(
            duration_seconds=duration,
            loudness=loudness,
            noise_floor_dbfs=self._percentile(0.10),
            speech_level_dbfs=self._percentile(0.90),
            channel_energy=tuple(float(energy) / frames for energy in self._energy),
            mid_energy=self._mid / frames,
            side_energy=self._side / frames,
            envelope=self._envelope[: max(1, bins)],
        )


class LastBlock:
    """Keeps the end of what ``ametadata`` prints: measurements are cumulative, so the last ones are the result."""

    _KEEP = 4096  # bytes; one block has a dozen lines

    def __init__(self) -> None:
        self._tail = b""

    def __call__(self, data: bytes) -> None:
        self._tail = (self._tail + data)[-self._KEEP :]

    def values(self) -> dict[str, float]:
        """Numbers by their full names, such as ``lavfi.r128.I``."""
        found = {}
        for line in self._tail.decode("ascii", "replace").splitlines()[1:]:
            key, separator, value = line.partition("=")
            if separator and key.startswith("lavfi."):
                found[key] = float(value)
        return found


def meter(stream: ffmpeg.Stream, url: str) -> ffmpeg.Stream:
    """Append the loudness meter, printing to ``url``; sample peaks too because true peaks have 3 decimals only."""
    return (
        stream.filter("ebur128", peak="true", metadata=1, framelog="quiet")
        .filter("astats", metadata=1, reset=0, measure_perchannel="none", measure_overall="Peak_level")
        .filter("ametadata", mode="print", file=url)
    )


def loudness_of(values: dict[str, float]) -> Loudness:
    """Read the meter. A true peak under -34 dBTP is too coarse in three decimals; there the sample peak stands in."""
    integrated, peak = values.get("lavfi.r128.I"), values.get("lavfi.r128.true_peak", 0.0)
    sample_peak = values.get("lavfi.astats.Overall.Peak_level", -math.inf)
    true_peak = max(sample_peak, 20 * math.log10(peak) if peak >= 0.02 else -math.inf)  # noqa: PLR2004
    measured = integrated is not None and integrated > _UNMEASURED_LUFS
    return Loudness(
        integrated_lufs=integrated if measured else None,
        range_lu=values.get("lavfi.r128.LRA") if measured else None,
        true_peak_dbtp=true_peak if math.isfinite(true_peak) else None,
    )


def listen(
    path: Path,
    stream: int,
    channels: int,
    *,
    control: Control,
    report: Callable[[float], None],
    max_seconds: float,
) -> Heard:
    """Decode audio stream number ``stream`` of the file once, folded to at most two channels, and listen.

    ``report`` gets seconds. Decoding ends one second past ``max_seconds``: the caller sees by the duration that there
    is more. Raises BadInputError when not one sample can be decoded.
    """
    folded = min(channels, 2)
    listener, block = Listener(folded), LastBlock()

    def arguments(url: str) -> list[str]:
        source = ffmpeg.input(f"file:{path.absolute()}", t=max_seconds + 1, **engine.SAFE_INPUT)
        both = fold(source[str(stream)], channels).filter_multi_output("asplit")
        loud = ffmpeg.output(meter(both[0], url), "-", format="null")
        seen = both[1].filter("aresample", RATE).filter("aformat", sample_fmts="flt")
        seen = ffmpeg.output(seen, "pipe:1", format="f32le", acodec="pcm_f32le")
        return list(ffmpeg.get_args(ffmpeg.merge_outputs(loud, seen)))

    engine.ffmpeg(arguments, control, report=report, samples=listener, metadata=block)
    heard = listener.heard(loudness_of(block.values()))
    if heard.duration_seconds == 0:
        raise BadInputError("not_media", NOT_MEDIA)
    return heard


def fold(stream: ffmpeg.Stream, channels: int) -> ffmpeg.Stream:
    """Floats from here on (nothing clips between filters), surround mixed down to stereo as ITU-R BS.775 weighs it."""
    return stream.filter("aformat", sample_fmts="fltp", channel_layouts="mono" if channels == 1 else "stereo")
