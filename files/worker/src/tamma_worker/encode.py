"""From the mix to the audio files: encoded all at once, measured decoded, and once more when that is not right."""

import math
import re
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ffmpeg  # type: ignore[import-untyped]
import numpy as np

from tamma_worker import encoders, engine
from tamma_worker.control import Control
from tamma_worker.cover import Cover
from tamma_worker.errors import TemporaryError
from tamma_worker.listen import Heard, decode, listen
from tamma_worker.meter import Loudness, Meter
from tamma_worker.mix import Final, Mix
from tamma_worker.presets import Preset
from tamma_worker.probe import Facts
from tamma_worker.stft import RATE

TOLERANCE_LU = 0.3  # of the decoded output; what a user is promised is 0.5
_SAFETY_DB = 0.3  # below the ceiling when a second encoding is needed: overshoot differs from run to run of the loop
_MAX_ENCODINGS = 4  # gain and ceiling settle in two or three; what is left then stands in the report
_CONTAINERS = {"m4a": "ipod", "mp3": "mp3", "wav": "wav", "opus": "opus"}
_TRIMS_DB = {"mp3": 0.45}  # LAME lowers what it encodes to 95 % unless told otherwise, which ffmpeg cannot
_METADATA = "metadata"  # stands for the number of that input until it is known
_COVERED = {"m4a", "mp3"}  # formats whose muxer takes a cover picture as a stream
_BLOCK = "metadata_block_picture"  # the tag that is a cover picture in an Ogg file


@dataclass(frozen=True, slots=True)
class Source:
    """The recording: what it is, what it becomes, under which preset, with which cover."""

    facts: Facts
    mix: Mix
    preset: Preset
    cover: Cover

    @property
    def seconds(self) -> float:
        """Length of the result in seconds."""
        return self.mix.frames / RATE


def encode_until_right(
    source: Source, folder: Path, control: Control, span: tuple[float, float]
) -> tuple[Heard, dict[str, Loudness], Final, int]:
    """Write ``audio.*``; gives what is heard in the first format, the loudness of all, the final stage, encodings.

    A lossy encoder adds peaks and moves loudness a little, so the files themselves are measured and, when one is off,
    written again with the gain and the ceiling corrected by just that much.
    """
    final = replace(source.mix.chosen(source.preset), trims_db=_TRIMS_DB if source.preset.cleans else {})
    start, end = span
    for number in range(1, _MAX_ENCODINGS + 1):
        most = start + (end - start) * 0.7  # where encoding ends and checking begins, by their usual times
        report = control.span(start, most, "encoding")
        _encode(source, final, folder, control, report)
        heard, measured = _check(source, folder, control, (most, end))
        corrected = _corrected(final, measured, source)
        if corrected is None or number == _MAX_ENCODINGS:
            return heard, measured, final, number
        final = corrected
    raise AssertionError  # pragma: no cover (the loop always returns)


def _check(
    source: Source, folder: Path, control: Control, span: tuple[float, float]
) -> tuple[Heard, dict[str, Loudness]]:
    """Decode every file and measure it; the first one is listened to for the pictures too."""
    first, *others = source.preset.formats
    tell, channels = control.span(*span, "checking"), source.mix.plan.channels
    longest = source.preset.max_seconds + 60  # the encoder's padding is no reason to cut
    with ThreadPoolExecutor(max(1, len(others))) as pool:
        running = {
            name: pool.submit(_measured, folder / f"audio.{name}", channels, control, longest) for name in others
        }
        heard = listen(
            folder / f"audio.{first}",
            0,
            channels,
            control=control,
            report=lambda seconds: tell(seconds / max(0.1, source.seconds)),
            max_seconds=longest,
        )
        measured = {name: future.result() for name, future in running.items()}
    return heard, {first: heard.loudness, **measured}


def _measured(path: Path, channels: int, control: Control, longest: float) -> Loudness:
    meter, rest, size = Meter(channels), b"", 4 * channels

    def take(data: bytes) -> None:
        nonlocal rest
        data = rest + data
        whole = len(data) // size * size
        rest = data[whole:]
        meter.take(np.frombuffer(data[:whole], np.float32).reshape(-1, channels))

    decode(path, 0, channels, control=control, report=lambda _: None, max_seconds=longest, samples=take)
    meter.close()
    return meter.loudness()


def _corrected(final: Final, measured: dict[str, Loudness], source: Source) -> Final | None:
    """Give the next try, or None when this one is right (or cannot be judged, being silent or unprocessed)."""
    peaks = [loudness.true_peak_dbtp for loudness in measured.values() if loudness.true_peak_dbtp is not None]
    if final.ceiling_dbtp is None or not peaks:
        return None
    over = max(peaks) - source.preset.true_peak_dbtp
    off = {
        name: 0.0 if loudness.integrated_lufs is None else source.preset.loudness_lufs - loudness.integrated_lufs
        for name, loudness in measured.items()
    }
    first = off[source.preset.formats[0]]
    if over <= 0 and (max(map(abs, off.values())) <= TOLERANCE_LU or (final.capped and first > 0)):
        return None
    short = max(off.values()) > TOLERANCE_LU  # then the room that the encoder left under the ceiling is used
    ceiling = final.ceiling_dbtp - (over + _SAFETY_DB if over > 0 or short else 0.0)
    trims = {name: final.trims_db.get(name, 0.0) + value - first for name, value in off.items()}
    return replace(source.mix.with_gain(final.gain_db + first, ceiling, source.preset), trims_db=trims)


def _encode(source: Source, final: Final, folder: Path, control: Control, report: Callable[[float], None]) -> None:
    """Run one ffmpeg that encodes every format at once, each on a thread of its own."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".metadata-") as metadata:
        _write_metadata(source, Path(metadata.name))
        outcome = engine.ffmpeg(
            _arguments(source, final, folder, Path(metadata.name)),
            control,
            report=lambda seconds: report(seconds / max(0.1, source.seconds)),
            feed=source.mix.samples(final),
        )
    if outcome.code != 0 or not math.isfinite(outcome.position_seconds):
        # the recording has been decoded before, so this is about disk or memory and worth a retry
        error = TemporaryError("ffmpeg_failed", f"The audio engine could not finish (code {outcome.code}).")
        error.add_note("\n".join(outcome.stderr))
        raise error


def _arguments(source: Source, final: Final, folder: Path, metadata: Path) -> list[str]:
    channels, facts = source.mix.plan.channels, source.facts
    sound = ffmpeg.input("pipe:0", format="f32le", ar=RATE, ac=channels)
    cover = source.cover.path
    copies = sound.audio.filter_multi_output("asplit", len(source.preset.formats))
    outputs, names = [], []
    for number, name in enumerate(source.preset.formats):
        options = _options(name, source.preset, channels)
        trim = final.trims_db.get(name, 0.0)
        streams = [copies[number].filter("volume", f"{trim:.3f}dB") if trim else copies[number]]
        if cover is not None and name in _COVERED:
            streams.append(ffmpeg.input(f"file:{cover.absolute()}", format="jpeg_pipe").video)
            options |= {"vcodec": "copy", "disposition:v:0": "attached_pic"}
        target = f"file:{(folder / f'audio.{name}').absolute()}"
        outputs.append(ffmpeg.output(*streams, target, **options))
        names.append(target)
    command = list(ffmpeg.get_args(ffmpeg.merge_outputs(*outputs), overwrite_output=True))
    command = _with_metadata(command, metadata)
    tags = [part for key, value in facts.tags.items() for part in ("-metadata", f"{key}={value}")]
    for target in names:
        place = command.index(target)
        command[place:place] = tags
    return command


def _with_metadata(command: list[str], metadata: Path) -> list[str]:
    """Add the metadata as the last input, so that the others keep their numbers, and use it where it is meant."""
    place = len(command) - command[::-1].index("-i") + 1
    number = str(command.count("-i"))
    command = [*command[:place], "-f", "ffmetadata", "-i", f"file:{metadata.absolute()}", *command[place:]]
    meant = {_METADATA: number, f"{_METADATA}:g": f"{number}:g"}
    return [meant.get(part, part) for part in command]


def _write_metadata(source: Source, target: Path) -> None:
    """Write ffmpeg's metadata: an Ogg file's cover; the chapters, moved to where they are in the result, in ms."""
    lines = [";FFMETADATA1"]
    if source.cover.path is not None and "opus" in source.preset.formats:
        lines.append(f"{_BLOCK}={_escaped(source.cover.picture_block())}")
    for chapter in source.facts.chapters:
        start, end = (round(source.mix.cuts.moved(moment) * 1000) for moment in (chapter.start, chapter.end))
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}", f"title={_escaped(chapter.title)}"]
    target.write_text("\n".join(lines) + "\n", "utf-8")


def _escaped(text: str) -> str:
    return re.sub(r"([=;#\\\n])", r"\\\1", text)


def _options(name: str, preset: Preset, channels: int) -> dict[str, Any]:
    kbps = preset.kbps_mono if channels == 1 else preset.kbps_stereo
    common: dict[str, Any] = {
        "format": _CONTAINERS[name],
        "acodec": encoders.NAMES[name],
        "map_metadata:g": -1,  # only the tags of probe._TAGS; chapters keep their titles
        "map_chapters": _METADATA,
    }
    codecs: dict[str, dict[str, Any]] = {
        # the fast coder takes half the time of the default and was measured to be better on speech
        "m4a": {"aac_coder": "fast", "audio_bitrate": f"{kbps}k", "movflags": "+faststart"},
        # LAME's quality 7 takes half the time of its default
        "mp3": {"compression_level": 7, "audio_bitrate": f"{kbps}k", "id3v2_version": 3},
        "wav": {"rf64": "auto"},
        "opus": {
            "audio_bitrate": f"{max(32, kbps * 2 // 3)}k",
            "map_metadata:s:a:0": f"{_METADATA}:g",
        },
    }
    return common | codecs[name]
