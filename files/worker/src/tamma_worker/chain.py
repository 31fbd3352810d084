"""What is done to the sound, decided from what was heard: a list of stages, each with its reason.

Inside the chain the recording is brought to a nominal loudness first, so that thresholds mean the same for a whisper
and for a shout; everything is floating point, so nothing clips before the limiter.
"""

from dataclasses import dataclass, field

from tamma_worker.hum import Hum
from tamma_worker.listen import Heard
from tamma_worker.presets import Preset
from tamma_worker.probe import Facts
from tamma_worker.stft import RATE

NOMINAL_LUFS = -23.0
_DEAD_CHANNEL_RATIO = 1e-5  # -50 dB: crosstalk of a plugged-in but unused input, nothing that anybody recorded
_ANTIPHASE_RATIO = 1e-2  # -20 dB: the mono sum has lost 99 % of the energy; wide stereo never comes near
_SAME_RATIO = 1e-5  # -50 dB of difference: the same sound twice
_ALIKE_RATIO = 0.03  # -15 dB of difference: one voice in the middle, whose noise is judged once for both channels
_LEAST_SECONDS = 1.0  # shorter clips hold no word and its noise: not worth loading a network for


@dataclass(frozen=True, slots=True)
class Stage:
    """One change: its name, what is done and why, as the report lists them."""

    name: str
    what: str
    why: str

    def as_report(self) -> dict[str, str]:
        """Give the stage as JSON."""
        return {"step": self.name, "what": self.what, "why": self.why}


@dataclass(frozen=True, slots=True)
class Plan:
    """What the processing pass does. ``route`` weighs input channels (columns) into those of the output (rows)."""

    route: tuple[tuple[float, ...], ...]
    pre_gain_db: float = 0.0
    highpass_hz: float = 0.0
    hum: Hum | None = None
    denoise_db: float = 0.0
    deess_db: float = 0.0
    level_db: float = 0.0
    one_mask: bool = False  # the denoiser looks at the middle and treats both channels alike
    max_pause_seconds: float = 0.0
    stages: list[Stage] = field(default_factory=list)

    @property
    def channels(self) -> int:
        """Channels of the output."""
        return len(self.route)


_STRAIGHT: dict[int, tuple[tuple[float, ...], ...]] = {1: ((1.0,),), 2: ((1.0, 0.0), (0.0, 1.0))}


def plan(facts: Facts, heard: Heard, preset: Preset) -> Plan:
    """Decide what this recording needs under this preset."""
    straight = _STRAIGHT[len(heard.channel_energy)]
    stages = [_resample(facts.sample_rate_hz)] if facts.sample_rate_hz != RATE else []
    if not preset.cleans:
        return Plan(straight, stages=stages)
    route, routing = _routing(heard) or (straight, None)
    pre_gain = _pre_gain(heard, preset)
    hum = heard.hum if preset.hum else None
    works = heard.loudness.integrated_lufs is not None and heard.duration_seconds >= _LEAST_SECONDS
    sides = (heard.mid_energy, heard.side_energy)
    stages = [*([routing] if routing else []), *stages, *_filters(preset, hum, pre_gain)]
    return Plan(
        route,
        pre_gain,
        preset.highpass_hz,
        hum,
        preset.denoise_db if works else 0.0,
        preset.deess_db if works else 0.0,
        preset.level_db if works else 0.0,
        one_mask=len(route) > 1 and min(sides) < _ALIKE_RATIO * max(sides),
        max_pause_seconds=preset.max_pause_seconds if works else 0.0,
        stages=stages,
    )


def _routing(heard: Heard) -> tuple[tuple[tuple[float, ...], ...], Stage] | None:
    """Look for stereo files that are not stereo: a dead channel, reversed polarity, or the same sound twice."""
    if len(heard.channel_energy) != 2:  # noqa: PLR2004 (mono has nothing to route)
        return None
    left, right = heard.channel_energy
    quiet, loud = sorted((left, right))
    if loud > 0 and quiet < _DEAD_CHANNEL_RATIO * loud:
        side, route = ("left", (1.0, 0.0)) if left > right else ("right", (0.0, 1.0))
        what = f"Only the {side} channel was kept, as mono"
        return (route,), Stage("live-channel", what, "The other channel is silent")
    if heard.mid_energy < _ANTIPHASE_RATIO * heard.side_energy:
        why = "The channels cancel each other out when they are played together"
        if heard.mid_energy < _SAME_RATIO * heard.side_energy:
            return ((0.5, -0.5),), Stage("polarity", "The right channel was turned over, and both became one", why)
        return ((1.0, 0.0), (0.0, -1.0)), Stage("polarity", "The right channel was turned over", why)
    if loud > 0 and heard.side_energy < _SAME_RATIO * heard.mid_energy:
        return ((0.5, 0.5),), Stage("mono", "The channels became one", "Both hold the same sound")
    return None


def _resample(old: int) -> Stage:
    return Stage("resample", f"{old} Hz became {RATE} Hz", "Every player and platform takes it")


def _pre_gain(heard: Heard, preset: Preset) -> float:
    """Gain in dB to nominal loudness; 0 when there is no loudness to go by."""
    loudness = heard.loudness.integrated_lufs
    return 0.0 if loudness is None else round(min(NOMINAL_LUFS - loudness, preset.max_gain_db), 2)


def _filters(preset: Preset, hum: Hum | None, pre_gain: float) -> list[Stage]:
    stages = []
    if preset.highpass_hz:
        what = f"Everything below {preset.highpass_hz:g} Hz was lowered"
        stages.append(Stage("highpass", what, "Rumble, wind and DC offset take loudness and carry nothing"))
    if hum:
        what = f"{len(hum.harmonics)} multiples of {hum.base_hz:g} Hz were notched out"
        stages.append(Stage("hum", what, "Mains hum was found: lines that never move"))
    if pre_gain:
        why = f"The other stages work at {NOMINAL_LUFS:g} LUFS, whatever the level of the recording"
        stages.append(Stage("nominal-level", f"{pre_gain:+.1f} dB ahead of the other stages", why))
    return stages
