"""Small media files for the worker's tests, made by the very ffmpeg that the worker uses."""

from __future__ import annotations

import json
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tamma_worker import binaries

Floats = npt.NDArray[np.float64]
SPEECH = Path(__file__).resolve().parents[3] / "files/demo/speech-by-a-fire.m4a"


def make(target: Path, *arguments: str) -> Path:
    """Run ffmpeg with ``arguments`` in front of the target's name."""
    command = [binaries.ffmpeg(), "-nostdin", "-y", "-loglevel", "error", *arguments, f"file:{target}"]
    subprocess.run(command, check=True, timeout=60)
    return target


def speech(target: Path, filters: str = "anull", *options: str, seconds: float = 6) -> Path:
    """The beginning of the demo's recording through a filter chain."""
    return make(target, "-t", str(seconds), "-i", str(SPEECH), "-af", filters, *options)


def tone(target: Path, *options: str, seconds: float = 1, source: str = "sine=f=330:r=48000") -> Path:
    """A tone, for tests that are about containers rather than sound."""
    return make(target, "-f", "lavfi", "-t", str(seconds), "-i", source, *options)


def low_wav(seconds: int, channels: int = 1) -> tuple[bytes, int]:
    """Header and size in bytes of the samples of a WAV of 8 kHz and 8 bits: long and small."""
    size = seconds * 8000 * channels
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, 8000, 8000 * channels, channels, 8)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size), size


def picture(target: Path, kind: str = "PNG") -> Path:
    """64 x 64 pixels (this ffmpeg has no PNG encoder)."""
    Image.new("RGB", (64, 64), "teal").save(target, format=kind)
    return target


@dataclass(frozen=True)
class Measured:
    lufs: float
    dbtp: float


def samples(path: Path, rate: int, channels: int) -> Floats:
    """Decoded audio, one row per frame."""
    command = [binaries.ffmpeg(), "-v", "error", "-i", f"file:{path}", "-ac", str(channels), "-ar", str(rate)]
    data = subprocess.run([*command, "-f", "f32le", "-"], check=True, capture_output=True, timeout=60).stdout
    return np.frombuffer(data, np.float32).reshape(-1, channels).astype(np.float64)


def measure(path: Path, channels: int = 1) -> Measured:
    """Loudness and true peak straight from ITU-R BS.1770-4, independent of every ffmpeg filter."""
    sound = samples(path, 48_000, channels)
    size = 1 << (len(sound) + 48_000).bit_length()
    spectrum = np.fft.rfft(sound, size, axis=0)
    z = np.exp(-2j * np.pi * np.fft.rfftfreq(size))  # one sample of delay; the table's two biquads, annex 1
    shelf = (1.53512485958697 - 2.69169618940638 * z + 1.19839281085285 * z**2) / (
        1 - 1.69065929318241 * z + 0.73248077421585 * z**2
    )
    highpass = (1 - 2 * z + z**2) / (1 - 1.99004745483398 * z + 0.99007225036621 * z**2)
    weighted = np.fft.irfft(spectrum * (shelf * highpass)[:, None], size, axis=0)[: len(sound)]
    window, hop = 19_200, 4_800  # 400 ms, 75 % overlap
    starts = range(0, len(weighted) - window + 1, hop)
    energy = np.array([(weighted[start : start + window] ** 2).mean(0).sum() for start in starts])
    energy = energy[_lufs(energy) > -70]
    energy = energy[_lufs(energy) > _lufs(energy.mean()) - 10]
    oversampled = np.fft.irfft(np.pad(spectrum, ((0, size // 2 * 3), (0, 0))), size * 4, axis=0) * 4
    return Measured(float(_lufs(energy.mean())), float(20 * np.log10(np.abs(oversampled).max())))


def _lufs(energy: Floats | np.float64) -> Any:
    return -0.691 + 10 * np.log10(energy + 1e-20)


def streams(path: Path) -> dict[str, object]:
    """Everything ffprobe says about a file, without any whitelist."""
    command = [
        binaries.ffprobe(),
        "-v",
        "error",
        "-show_streams",
        "-show_format",
        "-show_chapters",
        "-of",
        "json",
        path,
    ]
    answer: dict[str, object] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    return answer
