"""One pass over a recording: loudness, levels, noise floor, channels, hum, and what its pictures are drawn from.

What is kept grows by 0.7 MB per hour (values per 10-100 ms); samples are never kept.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import ffmpeg  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt

from tamma_worker import engine
from tamma_worker.control import Control
from tamma_worker.errors import BadInputError
from tamma_worker.hum import Hum, HumEar
from tamma_worker.meter import FRAME, PIECE, Loudness, Meter
from tamma_worker.probe import NOT_MEDIA
from tamma_worker.spectrogram import Spectrogram
from tamma_worker.stft import RATE, Samples
from tamma_worker.store import Store

PIXEL = RATE // 50  # samples, 20 ms: the step of the waveform's peaks
_DIGITAL_SILENCE_DB = -90.0  # quieter than any microphone: edited pauses, not room noise

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Heard:
    """What one pass found. Levels are dBFS of 100 ms of the louder channel, energies are mean squares."""

    frames: int  # decoded, at 48 kHz
    loudness: Loudness
    energy: Floats  # K-weighted, per 100 ms
    levels: Floats  # dBFS, per 100 ms
    channel_energy: tuple[float, ...]
    mid_energy: float
    side_energy: float
    pixels: npt.NDArray[np.int8]  # (20 ms steps, 2): lowest and highest sample, -128..127
    spectrogram: Spectrogram
    hum: Hum | None = None
    complaints: list[str] = field(default_factory=list)  # ffmpeg's, about damage

    @property
    def duration_seconds(self) -> float:
        """Seconds that could be decoded."""
        return self.frames / RATE

    @property
    def noise_floor_dbfs(self) -> float | None:
        """Level that a tenth of the recording does not reach, digital silence apart."""
        return self._percentile(10)

    @property
    def speech_level_dbfs(self) -> float | None:
        """Level that a tenth of the recording exceeds."""
        return self._percentile(90)

    def _percentile(self, percent: float) -> float | None:
        heard = self.levels[self.levels > _DIGITAL_SILENCE_DB]
        return float(np.percentile(heard, percent)) if len(heard) else None


class Listener:
    """Takes interleaved float samples at 48 kHz in pieces of any size."""

    def __init__(self, channels: int, keep: Store | None = None) -> None:
        self._channels, self._keep = channels, keep
        self._rest = bytearray()
        self._energy = np.zeros(channels)
        self._mid = self._side = 0.0
        self._frames = 0
        self._levels, self._pixels = bytearray(), bytearray()
        self._meter, self._ear, self._spectrogram = Meter(channels), HumEar(), Spectrogram()

    def __call__(self, data: bytes) -> None:
        """Take bytes of float32 samples; up to 1.2 s wait for the next call."""
        self._rest += data
        quantum = 4 * self._channels * PIECE
        while len(self._rest) >= quantum:
            piece, self._rest = bytes(self._rest[:quantum]), self._rest[quantum:]
            self._take(np.frombuffer(piece, np.float32).reshape(-1, self._channels), PIECE)

    def _take(self, samples: Samples, count: int) -> None:
        """Listen to a piece of which the first ``count`` frames count; the others are silence."""
        if not np.isfinite(samples).all():  # one NaN of a float file must not poison every sum after it
            samples = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
        squares = np.square(samples)
        if self._keep is not None:
            self._keep.write(self._frames // FRAME, samples[:count])
        self._frames += count
        self._energy += squares.sum(0, dtype=np.float64)
        mid = samples.mean(1)
        if self._channels == 2:  # noqa: PLR2004 (mid and side are a matter of two channels)
            self._mid += float(np.square(mid).sum(dtype=np.float64))
            self._side += float(np.square(samples[:, 0] - mid).sum(dtype=np.float64))
        used = -(-count // FRAME)
        levels = squares.reshape(-1, FRAME, self._channels).mean(1).max(1)[:used]
        self._levels += (10 * np.log10(np.maximum(levels, 1e-12))).astype(np.float32).tobytes()
        blocks = samples.reshape(-1, PIXEL * self._channels)[: -(-count // PIXEL)]
        ends = np.stack([blocks.min(1), blocks.max(1)], axis=1)
        self._pixels += np.clip(np.rint(ends * 127), -128, 127).astype(np.int8).tobytes()
        self._meter.take(samples[:count])
        if self._keep is not None:  # hum is looked for in what will be processed
            self._ear.take(mid)
        self._spectrogram.take(mid, used)

    def heard(self, complaints: list[str]) -> Heard:
        """Close the books; call once, after the last bytes."""
        frame = 4 * self._channels
        tail = np.frombuffer(bytes(self._rest[: len(self._rest) // frame * frame]), np.float32).reshape(
            -1, self._channels
        )
        if len(tail):
            padded = np.zeros((PIECE, self._channels), np.float32)
            padded[: len(tail)] = tail
            self._take(padded, len(tail))
        self._meter.close()
        frames = max(1, self._frames)
        return Heard(
            frames=self._frames,
            loudness=self._meter.loudness(),
            energy=self._meter.energy,
            levels=np.frombuffer(bytes(self._levels), np.float32),
            channel_energy=tuple(float(energy) / frames for energy in self._energy),
            mid_energy=self._mid / frames,
            side_energy=self._side / frames,
            pixels=np.frombuffer(bytes(self._pixels), np.int8).reshape(-1, 2),
            spectrogram=self._spectrogram,
            hum=self._ear.found(),
            complaints=complaints,
        )


def listen(
    path: Path,
    stream: int,
    channels: int,
    *,
    control: Control,
    report: Callable[[float], None],
    max_seconds: float,
    keep: Store | None = None,
) -> Heard:
    """Decode audio stream number ``stream`` of the file once, folded to at most two channels, and listen.

    What is decoded is kept in ``keep``. ``report`` gets seconds. Decoding ends one second past ``max_seconds``: the
    caller sees by the duration that there is more. Raises BadInputError when not one sample can be decoded.
    """
    listener = Listener(min(channels, 2), keep)
    outcome = decode(path, stream, channels, control=control, report=report, max_seconds=max_seconds, samples=listener)
    heard = listener.heard(outcome.stderr)
    if heard.frames == 0:
        raise BadInputError("not_media", NOT_MEDIA)
    return heard


def decode(
    path: Path,
    stream: int,
    channels: int,
    *,
    control: Control,
    report: Callable[[float], None],
    max_seconds: float,
    samples: Callable[[bytes], None],
) -> engine.Outcome:
    """Feed the decoded stream to ``samples`` as interleaved float32 at 48 kHz, at most two channels."""
    source = ffmpeg.input(f"file:{path.absolute()}", t=max_seconds + 1, **engine.SAFE_INPUT)
    folded = fold(source[str(stream)], channels).filter("aresample", RATE)
    output = ffmpeg.output(folded, "pipe:1", format="f32le", acodec="pcm_f32le")
    return engine.ffmpeg(list(ffmpeg.get_args(output)), control, report=report, samples=samples)


def fold(stream: ffmpeg.Stream, channels: int) -> ffmpeg.Stream:
    """Floats from here on (nothing clips between filters), surround mixed down to stereo as ITU-R BS.775 weighs it."""
    return stream.filter("aformat", sample_fmts="fltp", channel_layouts="mono" if channels == 1 else "stereo")
