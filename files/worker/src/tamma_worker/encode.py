"""From the chain to ``audio.m4a``: gain, true-peak limiter, AAC; encoded again until the decoded result is right."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ffmpeg  # type: ignore[import-untyped]

from tamma_worker import engine
from tamma_worker.chain import Plan, Stage
from tamma_worker.control import Control
from tamma_worker.errors import TemporaryError
from tamma_worker.listen import Heard, LastBlock, Loudness, fold, listen, loudness_of, meter
from tamma_worker.presets import Preset
from tamma_worker.probe import Facts

TOLERANCE_LU = 0.2  # of the decoded output; what a user is promised is 0.5
_HEADROOM_DB = 1.0  # AAC overshoots a limiter's ceiling; most results then need no second encoding
_SAFETY_DB = 0.2  # below the ceiling when a second encoding is needed: overshoot differs from run to run of the loop
_COMPRESSOR_TAKES_DB = 3.0  # of speech, give or take 1; near the truth, the limiter's share is measured right as well
_MAX_ENCODINGS = 4  # gain and ceiling settle in two or three; what is left then stands in the report
_OVERSAMPLING = 4  # ITU-R BS.1770-4, annex 2: true peaks are estimated at four times the rate
_LIMIT_RANGE = (0.0625, 1.0)  # what alimiter accepts


@dataclass(frozen=True, slots=True)
class Source:
    """The recording: where it is, what it is, how long it really is, what is done to it."""

    path: Path
    facts: Facts
    seconds: float
    plan: Plan
    preset: Preset


@dataclass(frozen=True, slots=True)
class Final:
    """The last stage: gain after the chain and the limiter's ceiling; None and None change nothing."""

    gain_db: float = 0.0
    ceiling_dbtp: float | None = None
    capped: bool = False


def measured_guess(source: Source, heard: Heard, control: Control, span: tuple[float, float]) -> Final:
    """Choose gain and ceiling by running everything once without encoding, limiter included (it takes loudness too)."""
    guess = _first_guess(source, heard)
    block = LastBlock()
    report = control.span(*span, "measuring")

    def arguments(url: str) -> list[str]:
        stream = _processed(_opened(source)[0], source, guess)
        return list(ffmpeg.get_args(ffmpeg.output(meter(stream, url), "-", format="null")))

    outcome = engine.ffmpeg(arguments, control, report=lambda s: report(s / source.seconds), metadata=block)
    _expect_success(outcome)
    return _corrected(guess, loudness_of(block.values()), source, tolerance=0.0) or guess


def _first_guess(source: Source, heard: Heard) -> Final:
    """Aim at the preset's loudness as if the chain kept the nominal one, but for what its compressor usually takes."""
    preset, loudness = source.preset, heard.loudness.integrated_lufs
    if not preset.cleans:
        return Final()
    ceiling = preset.true_peak_dbtp - _HEADROOM_DB
    if loudness is None:
        return Final(0.0, ceiling)
    taken = _COMPRESSOR_TAKES_DB if any(stage.name == "compress" for stage in source.plan.stages) else 0.0
    return _with_gain(preset.loudness_lufs - loudness - source.plan.pre_gain_db + taken, ceiling, source)


def _with_gain(gain: float, ceiling: float, source: Source) -> Final:
    """Take as much of ``gain`` as the preset lets a recording be amplified."""
    most = source.preset.max_gain_db - source.plan.pre_gain_db
    return Final(min(gain, most), ceiling, capped=gain > most)


def encode_until_right(
    source: Source, final: Final, target: Path, control: Control, span: tuple[float, float]
) -> tuple[Heard, Final, int]:
    """Write ``target``; gives what is heard in it, the final stage that was used and how often it was encoded.

    A lossy encoder adds peaks and moves loudness a little, so the file itself is measured and, when it is off, written
    again with the gain and the ceiling corrected by just that much.
    """
    start, end = span
    for number in range(1, _MAX_ENCODINGS + 1):
        most = start + (end - start) * 0.7  # where encoding ends and checking begins, by their usual times
        _encode(source, final, target, control, (start, most))
        heard = _check(source, target, control, (most, end))
        corrected = _corrected(final, heard.loudness, source, TOLERANCE_LU)
        if corrected is None or number == _MAX_ENCODINGS:
            return heard, final, number
        final = corrected
    raise AssertionError  # pragma: no cover (the loop always returns)


def _check(source: Source, target: Path, control: Control, span: tuple[float, float]) -> Heard:
    report = control.span(*span, "checking")
    return listen(
        target,
        0,
        source.plan.channels,
        control=control,
        report=lambda seconds: report(seconds / source.seconds),
        max_seconds=source.preset.max_seconds + 60,  # the encoder's padding is no reason to cut
    )


def _corrected(final: Final, result: Loudness, source: Source, tolerance: float) -> Final | None:
    """Give the next try, or None when this one is right (or cannot be judged, being silent or unprocessed)."""
    if final.ceiling_dbtp is None or result.true_peak_dbtp is None:
        return None
    over = result.true_peak_dbtp - source.preset.true_peak_dbtp
    off = 0.0 if result.integrated_lufs is None else source.preset.loudness_lufs - result.integrated_lufs
    if over <= 0 and (abs(off) <= tolerance or (final.capped and off > 0)):
        return None
    ceiling = final.ceiling_dbtp - (over + _SAFETY_DB if over > 0 else 0.0)
    return _with_gain(final.gain_db + off, ceiling, source)


def final_stage(final: Final, plan: Plan) -> list[Stage]:
    """Gain and limiter as stages; none when nothing is to be changed."""
    stages = []
    if final.ceiling_dbtp is not None:
        why = "The loudness that listeners and platforms expect"
        if final.capped:
            why = "The recording is nearly silent: it was amplified only as far as its noise allows"
        what = f"{plan.pre_gain_db + final.gain_db:+.1f} dB in all"
        stages.append(Stage("gain", what, why, lambda s: s.filter("volume", f"{final.gain_db}dB", precision="float")))
        ceiling = final.ceiling_dbtp
        limit = min(_LIMIT_RANGE[1], max(_LIMIT_RANGE[0], 10 ** (ceiling / 20)))

        def limiter(stream: ffmpeg.Stream) -> ffmpeg.Stream:
            over = stream.filter("aresample", plan.rate_hz * _OVERSAMPLING)
            options = {"limit": round(limit, 6), "attack": 5, "release": 50, "level": 0, "latency": 1}
            return over.filter("alimiter", **options).filter("aresample", plan.rate_hz)

        what = f"True peaks were held under {ceiling:.1f} dBTP"
        stages.append(Stage("limit", what, "Lossy encoding must not clip afterwards", limiter))
    return stages


def _opened(source: Source) -> tuple[ffmpeg.Stream, ffmpeg.Stream]:
    """Open the audio as at most two channels of floats, and the whole input for what is copied beside it."""
    opened = ffmpeg.input(f"file:{source.path.absolute()}", t=source.preset.max_seconds + 1, **engine.SAFE_INPUT)
    return fold(opened[str(source.facts.stream)], source.facts.channels), opened


def _processed(stream: ffmpeg.Stream, source: Source, final: Final) -> ffmpeg.Stream:
    stream = source.plan.apply(stream)
    for stage in final_stage(final, source.plan):
        stream = stage.apply(stream)
    return stream


def _encode(source: Source, final: Final, target: Path, control: Control, span: tuple[float, float]) -> None:
    report = control.span(*span, "cleaning")
    arguments = _encode_arguments(source, final, target)
    _expect_success(engine.ffmpeg(lambda _: arguments, control, report=lambda s: report(s / source.seconds)))


def _encode_arguments(source: Source, final: Final, target: Path) -> list[str]:
    stream, opened = _opened(source)
    stream = _processed(stream, source, final)
    kbps = source.preset.kbps_mono if source.plan.channels == 1 else source.preset.kbps_stereo
    options: dict[str, Any] = {
        "format": "ipod",  # the muxer of .m4a
        "acodec": "aac",
        "audio_bitrate": f"{kbps}k",
        "aac_coder": "fast",  # half the time of the default and measured to be better on speech
        "ar": source.plan.rate_hz,
        "movflags": "+faststart",
        "map_metadata:g": -1,  # only the tags below, see probe._TAGS; chapters keep their titles
        "map_chapters": 0,
    }
    streams = [stream]
    if source.facts.cover is not None:
        streams.append(opened[str(source.facts.cover)])
        options |= {"vcodec": "copy", "disposition:v:0": "attached_pic"}
    command = list(
        ffmpeg.get_args(ffmpeg.output(*streams, f"file:{target.absolute()}", **options), overwrite_output=True)
    )
    place = command.index(f"file:{target.absolute()}")
    tags = [part for key, value in source.facts.tags.items() for part in ("-metadata", f"{key}={value}")]
    return command[:place] + tags + command[place:]


def _expect_success(outcome: engine.Outcome) -> None:
    """Fail for now: the recording has been decoded before, so this is about disk or memory and worth a retry."""
    if outcome.code != 0 or not math.isfinite(outcome.position_seconds):
        error = TemporaryError("ffmpeg_failed", f"The audio engine could not finish (code {outcome.code}).")
        error.add_note("\n".join(outcome.stderr))
        raise error
