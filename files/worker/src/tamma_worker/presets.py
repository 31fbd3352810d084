"""Presets: what is done to a recording and what is refused. The data is in ``presets.toml``."""

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from tamma_worker.errors import BadInputError

DEFAULT = "podcast"


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset; the defaults are those of speech."""

    name: str
    description: str
    cleans: bool = True  # False: no filter at all
    loudness_lufs: float = -16.0  # integrated loudness of the decoded output (ITU-R BS.1770-4)
    true_peak_dbtp: float = -1.0  # ceiling of the decoded output
    max_gain_db: float = 46.0  # down to -62 LUFS a recording is quiet; below, it is near silence and stays so
    highpass_hz: float = 75.0  # below the lowest voices, above rumble and DC
    denoise_db: float = 12.0  # the most that noise is lowered; 0 switches the denoiser off
    expander_db: float = 8.0  # the most that pauses are lowered; 0 switches the expander off
    compressor_ratio: float = 2.0  # 1 switches the compressor off
    kbps_mono: int = 96
    kbps_stereo: int = 160
    max_bytes: int = 5 << 30  # with the encoded output this fits a task's smallest ephemeral storage, 20 GiB
    max_seconds: float = 12 * 3600.0
    max_channels: int = 8  # 7.1
    max_sample_rate_hz: int = 384_000


@cache
def all_presets() -> dict[str, Preset]:
    """Every preset by its name."""
    data = tomllib.loads(resources.files(__package__).joinpath("presets.toml").read_text("utf-8"))
    return {name: Preset(name=name, **fields) for name, fields in data.items()}


def preset(name: str) -> Preset:
    """Give the preset of that name; BadInputError says which ones exist."""
    found = all_presets().get(name)
    if found is None:
        known = ", ".join(all_presets())
        raise BadInputError("unknown_preset", f'There is no preset "{name[:40]}". Choose one of: {known}.')
    return found
