"""Presets: what is done to a recording and what is refused. The data is in ``presets.toml``."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources
from typing import Any

from tamma_worker.errors import BadInputError

DEFAULT = "podcast"
FORMATS = ("m4a", "mp3", "wav", "opus")  # audio.m4a is always written


@dataclass(frozen=True, slots=True)
class Preset:
    """One preset; the defaults are those of speech."""

    name: str
    description: str
    cleans: bool = True  # False: no filter at all
    loudness_lufs: float = -16.0  # integrated loudness of the decoded output (ITU-R BS.1770-4)
    true_peak_dbtp: float = -1.0  # ceiling of the decoded output
    max_gain_db: float = 46.0  # down to -62 LUFS a recording is quiet; below, it is near silence and stays so
    highpass_hz: float = 70.0  # below the lowest voices, above rumble and DC; 0 switches it off
    hum: bool = True  # remove mains hum where it is found
    denoise_db: float = 60.0  # the most that noise is lowered; 0 switches the denoiser off
    deess_db: float = 6.0  # the most that harsh sibilants are lowered; 0 switches the de-esser off
    level_db: float = 15.0  # the most that a voice is raised or lowered to meet the others; 0 switches levelling off
    max_pause_seconds: float = 0.0  # longer pauses are shortened to this; 0 leaves them alone
    formats: tuple[str, ...] = ("m4a", "mp3")
    kbps_mono: int = 96
    kbps_stereo: int = 160
    max_bytes: int = 5 << 30  # with what is kept meanwhile this fits the role's default disk of a worker, 40 GiB
    max_seconds: float = 12 * 3600.0
    max_channels: int = 8  # 7.1
    min_sample_rate_hz: int = 4_000  # a telephone has 8,000; from a few a second a small file unfolds into hours
    max_sample_rate_hz: int = 384_000


# What a message may change, and how far: (least, most). Limits on the input are the operator's alone.
_RANGES: dict[str, tuple[float, float]] = {
    "loudness_lufs": (-31.0, -9.0),
    "true_peak_dbtp": (-9.0, -1.0),
    "max_gain_db": (0.0, 60.0),
    "highpass_hz": (0.0, 300.0),
    "denoise_db": (0.0, 100.0),
    "deess_db": (0.0, 12.0),
    "level_db": (0.0, 24.0),
    "max_pause_seconds": (0.0, 60.0),
    "kbps_mono": (32, 256),
    "kbps_stereo": (48, 320),
}
_SWITCHES = ("cleans", "hum")


@cache
def all_presets() -> dict[str, Preset]:
    """Every preset by its name."""
    data = tomllib.loads(resources.files(__package__).joinpath("presets.toml").read_text("utf-8"))
    return {name: Preset(name=name, **_tuples(fields)) for name, fields in data.items()}


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}


def preset(name: str, overrides: Mapping[str, object] | None = None) -> Preset:
    """Give the preset of that name with some of its fields changed.

    ``overrides`` come from outside: BadInputError says which presets and fields exist and what their limits are.
    """
    found = all_presets().get(name)
    if found is None:
        known = ", ".join(all_presets())
        raise BadInputError("unknown_preset", f'There is no preset "{name[:40]}". Choose one of: {known}.')
    return replace(found, **{key: _checked(key, value) for key, value in (overrides or {}).items()})


def changed(chosen: Preset) -> dict[str, Any]:
    """Give the fields in which ``chosen`` differs from the preset of its name."""
    original = all_presets()[chosen.name]
    return {key: getattr(chosen, key) for key in CHANGEABLE if getattr(chosen, key) != getattr(original, key)}


def _checked(key: str, value: object) -> Any:
    if key in _RANGES:
        least, most = _RANGES[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise _refused(f"{key} must be a number from {least:g} to {most:g}.")
        return int(value) if key.startswith("kbps") else float(value)
    if key in _SWITCHES:
        if not isinstance(value, bool):
            raise _refused(f"{key} must be true or false.")
        return value
    if key == "formats":
        if not isinstance(value, list) or not value or not all(entry in FORMATS for entry in value):
            raise _refused(f"formats must be a list of some of: {', '.join(FORMATS)}.")
        return tuple(entry for entry in FORMATS if entry == "m4a" or entry in value)
    raise _refused(f'A preset has no field "{key[:40]}" that can be changed; there are: {", ".join(CHANGEABLE)}.')


def _refused(sentence: str) -> BadInputError:
    return BadInputError("bad_override", sentence)


CHANGEABLE = (*_RANGES, *_SWITCHES, "formats")
