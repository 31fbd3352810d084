"""What is done to the sound, decided from what was heard: a list of stages, each with its reason.

Inside the chain the recording is brought to a nominal loudness first, so that thresholds mean the same for a whisper
and for a shout; everything is floating point, so nothing clips before the limiter.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import ffmpeg  # type: ignore[import-untyped]

from tamma_worker.listen import RATE, Heard
from tamma_worker.presets import Preset
from tamma_worker.probe import Facts

NOMINAL_LUFS = -23.0
_DEAD_CHANNEL_RATIO = 1e-5  # -50 dB: crosstalk of a plugged-in but unused input, nothing that anybody recorded
_ANTIPHASE_RATIO = 1e-2  # -20 dB: the mono sum has lost 99 % of the energy; wide stereo never comes near
_AUDIBLE_FLOOR_DBFS = -65.0  # with speech at nominal loudness: quieter noise is inaudible beside it, so leave it alone
_PAUSE_GAP_DB = 9.0  # speech has pauses that far below its level; music and steady sound do not
_OVER_FLOOR_DB = 3.0  # the floor is a percentile of noise that fluctuates: aim slightly above it
_COMPRESSOR_THRESHOLD = 0.1  # -20 dBFS, 3 dB over nominal loudness: only the louder syllables are touched

Transform = Callable[[ffmpeg.Stream], ffmpeg.Stream]


@dataclass(frozen=True, slots=True)
class Stage:
    """One change: its name, what is done and why (both for the report), and how."""

    name: str
    what: str
    why: str
    apply: Transform

    def as_report(self) -> dict[str, str]:
        """Give the stage as the report lists it."""
        return {"step": self.name, "what": self.what, "why": self.why}


@dataclass(frozen=True, slots=True)
class Plan:
    """The stages up to the final gain; ``channels`` and ``rate_hz`` are the output's, ``pre_gain_db`` is in them."""

    channels: int
    rate_hz: int
    pre_gain_db: float
    stages: list[Stage] = field(default_factory=list)

    def apply(self, stream: ffmpeg.Stream) -> ffmpeg.Stream:
        """Append every stage to a stream that ``listen.fold`` made."""
        for stage in self.stages:
            stream = stage.apply(stream)
        return stream


def plan(facts: Facts, heard: Heard, preset: Preset) -> Plan:
    """Decide what this recording needs under this preset."""
    # 44100 and 48000 are what every player takes; anything else becomes 48000
    rate = facts.sample_rate_hz if facts.sample_rate_hz in {44_100, 48_000} else 48_000
    routing = _routing(heard) if preset.cleans else None
    channels = 1 if facts.channels == 1 or (routing and routing.name == "live-channel") else 2
    stages = [routing] if routing else []
    if rate != facts.sample_rate_hz:
        stages.append(_resample(facts.sample_rate_hz, rate))
    if not preset.cleans:
        return Plan(channels, rate, 0.0, stages)
    stages.append(_highpass(preset.highpass_hz))
    pre_gain = _pre_gain(heard, preset)
    if pre_gain:
        stages.append(_nominal(pre_gain))
    noise = _noise_to_lower(heard, pre_gain)
    if noise is not None and preset.denoise_db:
        stages.append(denoise(noise, preset.denoise_db, rate))
        if preset.expander_db:
            stages.append(_expand(noise, preset.expander_db))
    if preset.compressor_ratio > 1 and heard.loudness.integrated_lufs is not None:
        stages.append(_compress(preset.compressor_ratio))
    return Plan(channels, rate, pre_gain, stages)


def _routing(heard: Heard) -> Stage | None:
    """Look for the two ways in which a stereo file is not stereo: one dead channel, or one with reversed polarity."""
    if len(heard.channel_energy) != 2:  # noqa: PLR2004 (mono has nothing to route)
        return None
    left, right = heard.channel_energy
    quiet, loud = sorted((left, right))
    if loud > 0 and quiet < _DEAD_CHANNEL_RATIO * loud:
        side, index = ("left", 0) if left > right else ("right", 1)
        return Stage(
            "live-channel",
            f"Only the {side} channel was kept, as mono",
            "The other channel is silent",
            lambda stream: stream.filter("channelmap", map=index, channel_layout="mono"),
        )
    if heard.mid_energy < _ANTIPHASE_RATIO * heard.side_energy:
        return Stage(
            "polarity",
            "The right channel was turned over",
            "The channels cancel each other out when they are played together",
            lambda stream: stream.filter("stereotools", phaser=1),
        )
    return None


def _resample(old: int, new: int) -> Stage:
    return Stage(
        "resample",
        f"{old} Hz became {new} Hz",
        "Players and platforms expect 44100 or 48000 Hz",
        lambda stream: stream.filter("aresample", new),
    )


def _highpass(hertz: float) -> Stage:
    return Stage(
        "highpass",
        f"Everything below {hertz:g} Hz was lowered",
        "Rumble, wind and DC offset take loudness and carry nothing",
        lambda stream: stream.filter("highpass", f=hertz),
    )


def _pre_gain(heard: Heard, preset: Preset) -> float:
    """Gain in dB to nominal loudness; 0 when there is no loudness to go by."""
    loudness = heard.loudness.integrated_lufs
    return 0.0 if loudness is None else round(min(NOMINAL_LUFS - loudness, preset.max_gain_db), 2)


def _nominal(gain: float) -> Stage:
    return Stage(
        "nominal-level",
        f"{gain:+.1f} dB ahead of the other stages",
        f"They work at {NOMINAL_LUFS:g} LUFS, whatever the level of the recording",
        lambda stream: stream.filter("volume", f"{gain}dB", precision="float"),
    )


def _noise_to_lower(heard: Heard, pre_gain: float) -> float | None:
    """Noise floor in dBFS at nominal loudness, or None when there is nothing to lower or nothing to tell it by."""
    if heard.noise_floor_dbfs is None or heard.speech_level_dbfs is None or heard.loudness.integrated_lufs is None:
        return None
    floor = heard.noise_floor_dbfs + pre_gain
    if floor < _AUDIBLE_FLOOR_DBFS or heard.speech_level_dbfs - heard.noise_floor_dbfs < _PAUSE_GAP_DB:
        return None
    return floor


def denoise(floor_dbfs: float, most_db: float, rate_hz: int) -> Stage:
    """Lower steady noise by up to ``most_db``; spectral subtraction around the measured floor.

    afftdn delays by two steps of an 80th of a second and drops as much at the end (measured with an impulse on ffmpeg
    8.1): the padding and trimming around it make the stage exact in time. Its noise floor must lie in -80..-20 dB and
    is spread over the whole band, while ours was measured in the band of ``listen.RATE``.
    """
    wider = 10 * math.log10(rate_hz / RATE)
    floor = min(-20.0, max(-80.0, floor_dbfs + _OVER_FLOOR_DB + wider))
    delay = 2 * (rate_hz // 80)

    def apply(stream: ffmpeg.Stream) -> ffmpeg.Stream:
        padded = stream.filter("apad", pad_len=delay)
        cleaned = padded.filter("afftdn", nr=most_db, nf=round(floor, 1))
        return cleaned.filter("atrim", start_sample=delay).filter("asetpts", "PTS-STARTPTS")

    why = f"The noise between words is {floor_dbfs - NOMINAL_LUFS:+.0f} dB from the speech"
    return Stage("denoise", f"Steady noise was lowered by up to {most_db:g} dB", why, apply)


def _expand(floor_dbfs: float, most_db: float) -> Stage:
    """Downward expander 2:1 under the old noise floor: after the denoiser only its residue is down there."""
    threshold = min(1.0, 10 ** ((floor_dbfs + _OVER_FLOOR_DB) / 20))
    options = {"ratio": 2, "range": round(10 ** (-most_db / 20), 4), "attack": 3, "release": 120, "knee": 4}
    return Stage(
        "expand",
        f"Pauses were lowered by up to {most_db:g} dB",
        "What the denoiser leaves is heard between words",
        lambda stream: stream.filter("agate", threshold=round(threshold, 6), detection="rms", **options),
    )


def _compress(ratio: float) -> Stage:
    options = {"threshold": _COMPRESSOR_THRESHOLD, "ratio": ratio, "attack": 15, "release": 200, "knee": 6}
    return Stage(
        "compress",
        f"Loud passages were compressed {ratio:g}:1",
        "Quiet and loud passages come closer together",
        lambda stream: stream.filter("acompressor", **options),
    )
