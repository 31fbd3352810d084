"""Room on the disk: asked before anything is written, because half-way through is the worst place to run out of it."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tamma_worker.errors import TemporaryError
from tamma_worker.presets import Preset
from tamma_worker.stft import RATE

_STORED = 2  # bytes of a sample in the store
_WAV = 3  # bytes of a sample in a WAV
_SMALL = 64 << 20  # pictures, report, container overhead, and what others write meanwhile


def stored(seconds: float, channels: int) -> int:
    """Give the bytes of a recording in a store."""
    return round(_STORED * seconds * RATE * channels)


def needed(preset: Preset, seconds: float, channels: int) -> int:
    """Give the most bytes that cleaning takes beside the decoded recording: its own store, and every output at once."""
    kbps = preset.kbps_mono if channels == 1 else preset.kbps_stereo
    lossy = sum(kbps * 125 * seconds for name in preset.formats if name != "wav")
    wav = _WAV * seconds * RATE * channels * ("wav" in preset.formats)
    return stored(seconds, channels) + round(wav + lossy)


def check(folder: Path, wanted: int) -> None:
    """Raise TemporaryError when the disk of ``folder`` has no room for ``wanted`` bytes and small things."""
    wanted += _SMALL
    free = shutil.disk_usage(folder).free
    if free < wanted:
        raise TemporaryError(
            "disk",
            f"This recording needs {wanted / 1e9:.1f} GB of free disk space, but there are only {free / 1e9:.1f} GB. "
            "Make room, or use a larger disk.",
        )


@contextmanager
def guarded() -> Iterator[None]:
    """Word it in the same way when the disk fills up all the same, as with a recording that hid how long it is."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise TemporaryError("disk", "The disk is full. Make room, or use a larger disk.") from error
