"""Room on the disk: asked before anything is written, because half-way through is the worst place to run out of it."""

import shutil
from pathlib import Path

from tamma_worker.errors import TemporaryError
from tamma_worker.presets import Preset
from tamma_worker.stft import RATE

_STORED = 2  # bytes of a sample in the store
_WAV = 3  # bytes of a sample in a WAV
_SMALL = 64 << 20  # pictures, report, container overhead, and what others write meanwhile


def needed(preset: Preset, seconds: float, channels: int) -> int:
    """Give the most bytes that cleaning takes beside the recording: both stores, and every output at once."""
    samples = seconds * RATE * channels
    kbps = preset.kbps_mono if channels == 1 else preset.kbps_stereo
    lossy = sum(kbps * 125 * seconds for name in preset.formats if name != "wav")
    stores = 2 if preset.denoise_db and preset.cleans else 1  # the undenoised sound is kept where it may be wanted
    return round(samples * (_STORED * stores + _WAV * ("wav" in preset.formats)) + lossy)


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
