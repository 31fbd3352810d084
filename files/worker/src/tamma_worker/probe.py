"""What a file is, as ffprobe reports it, and the sentence for a creator when it is not something we can clean."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tamma_worker import engine
from tamma_worker.control import Control
from tamma_worker.errors import BadInputError, TemporaryError
from tamma_worker.presets import Preset

_MAX_JSON = 32 << 20  # bytes; tags and chapters of real recordings need kilobytes
# Tags that describe a recording to its listeners. Others are dropped: phones write where one lives into "location".
_TAGS = ("title", "artist", "album", "album_artist", "composer", "genre", "date", "track", "copyright", "comment")
_MAX_TAG = 1000  # characters
_PROTECTED = {"drms", "drmi", "aavd"}  # codec tags of FairPlay and Audible
_ENCRYPTED = "Encryption info"  # what packets have under Common Encryption (ISO/IEC 23001-7), whose tags ffprobe hides
_PACKETS = 64  # that are looked at: enough to meet each track of an interleaved file
_LEAST_BYTES = 100  # of a second of sound: no speech codec gets by with less

NOT_MEDIA = (
    "This file is not an audio or video recording that can be read. "
    "Upload the recording itself, for example as WAV, MP3, M4A, FLAC, OGG, WebM, MOV or MP4."
)
NO_AUDIO = "This file has no sound track, so there is nothing to clean. Upload a recording with sound."
PLAYLIST = "This file is a playlist that points to other files, not a recording. Upload the recording itself."
PROTECTED = "This recording is protected against copying (DRM) and cannot be cleaned. Upload an unprotected version."
TRUNCATED = (
    "This file is incomplete: its end is missing, as when a recording or an upload was cut off. "
    "Save or upload the recording again."
)
EMPTY = "This file is empty (0 bytes). Upload the recording again."


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter, in seconds of the recording."""

    start: float
    end: float
    title: str


@dataclass(frozen=True, slots=True)
class Facts:
    """One recording and the audio stream in it that is used. Durations are what the file claims, None if nothing."""

    container: str
    codec: str
    stream: int
    channels: int
    sample_rate_hz: int
    duration_seconds: float | None
    audio_streams: int = 1
    tags: dict[str, str] = field(default_factory=dict)
    cover: int | None = None  # the stream of the first attached picture, of whatever kind
    chapters: tuple[Chapter, ...] = ()
    bytes: int = 0

    @property
    def is_believable(self) -> bool:
        """Tell whether the file can be as long as it says; headers lie, and decoding finds out in any case."""
        return self.duration_seconds is not None and self.bytes >= self.duration_seconds * _LEAST_BYTES

    def as_report(self, duration_seconds: float) -> dict[str, Any]:
        """Give the part of the report that describes a file, with the duration that was really decoded."""
        return {
            "container": self.container,
            "codec": self.codec,
            "duration_seconds": round(duration_seconds, 3),
            "channels": self.channels,
            "sample_rate_hz": self.sample_rate_hz,
        }


def check_size(size: int, preset: Preset) -> None:
    """Refuse an empty or too large file; needs no more than its size, so it is asked before any download."""
    if size == 0:
        raise BadInputError("empty_file", EMPTY)
    if size > preset.max_bytes:
        raise BadInputError(
            "too_large",
            f"This file has {size / (1 << 30):.1f} GiB; up to {preset.max_bytes / (1 << 30):.1f} GiB can be cleaned. "
            "Upload the sound alone, or split the recording.",
        )


def too_long(preset: Preset) -> BadInputError:
    """Word the refusal of a recording that goes on for longer than the preset allows."""
    hours = preset.max_seconds / 3600
    return BadInputError(
        "too_long", f"This recording is longer than {hours:g} hours, the most that can be cleaned at once. Split it."
    )


def probe(path: Path, preset: Preset, control: Control) -> Facts:
    """Describe the file at ``path``; the content decides, not the name.

    Raises BadInputError for what is not media, has no usable audio stream or is over the preset's limits, and
    TemporaryError when ffprobe crashes or hangs.
    """
    size = path.stat().st_size
    check_size(size, preset)
    answer = _ask(path, control)
    if "error" in answer or not answer.get("streams"):
        raise _refusal(path)
    streams: list[dict[str, Any]] = answer["streams"]
    audio = [stream for stream in streams if stream.get("codec_type") == "audio"]
    if not audio:
        raise BadInputError("no_audio", NO_AUDIO)
    if any(stream.get("codec_tag_string", "") in _PROTECTED for stream in audio) or _is_encrypted(answer):
        raise BadInputError("protected", PROTECTED)
    chosen = next((stream for stream in audio if stream.get("disposition", {}).get("default")), audio[0])
    facts = replace(
        _facts(answer["format"], chosen, streams, len(audio)),
        chapters=_chapters(answer.get("chapters", [])),
        bytes=size,
    )
    _check_limits(facts, preset)
    return facts


def _ask(path: Path, control: Control) -> dict[str, Any]:
    output = bytearray()

    def take(data: bytes) -> None:
        if len(output) < _MAX_JSON:
            output.extend(data)

    whitelists = [text for key, value in engine.SAFE_INPUT.items() for text in (f"-{key}", value)]
    wanted = ["-show_error", "-show_format", "-show_streams", "-show_chapters", "-output_format", "json"]
    wanted += ["-show_packets", "-read_intervals", f"%+#{_PACKETS}"]
    engine.ffprobe([*wanted, *whitelists, f"file:{path.absolute()}"], control, take)
    if len(output) >= _MAX_JSON:
        raise BadInputError("not_media", NOT_MEDIA)
    try:
        answer: dict[str, Any] = json.loads(output.decode("utf-8", "replace"))
    except ValueError as error:
        raise TemporaryError("probe_failed", "The recording could not be examined.") from error
    return answer


def _is_encrypted(answer: dict[str, Any]) -> bool:
    return any(
        side.get("side_data_type") == _ENCRYPTED
        for packet in answer.get("packets", [])
        if packet.get("codec_type") == "audio"
        for side in packet.get("side_data_list", [])
    )


def _refusal(path: Path) -> BadInputError:
    """Say as precisely as the first bytes allow why ffprobe would not open the file."""
    with path.open("rb") as file:
        head = file.read(4096)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text.startswith((b"#EXTM3U", b"ffconcat", b"[playlist]")) or b"<MPD" in head:
        return BadInputError("playlist", PLAYLIST)
    if head[4:8] == b"ftyp":
        return BadInputError("truncated", TRUNCATED)
    return BadInputError("not_media", NOT_MEDIA)


def _facts(container: dict[str, Any], audio: dict[str, Any], streams: list[dict[str, Any]], count: int) -> Facts:
    rate, channels = int(audio.get("sample_rate") or 0), int(audio.get("channels") or 0)
    if rate <= 0 or channels <= 0 or audio.get("codec_name") in {None, "none", "unknown"}:
        raise BadInputError("not_media", NOT_MEDIA)
    covers = [stream["index"] for stream in streams if stream.get("disposition", {}).get("attached_pic")]
    return Facts(
        container=container["format_name"],
        codec=audio["codec_name"],
        stream=audio["index"],
        channels=channels,
        sample_rate_hz=rate,
        duration_seconds=_seconds(audio.get("duration")) or _seconds(container.get("duration")),
        audio_streams=count,
        tags=_tags(audio.get("tags", {})) | _tags(container.get("tags", {})),
        cover=covers[0] if covers else None,
    )


def _seconds(text: str | None) -> float | None:
    """Read a duration in seconds; 0 and negative ones mean that the file does not know."""
    try:
        seconds = float(text or 0)
    except ValueError:
        return None
    return seconds if seconds > 0 else None


def _chapters(found: list[dict[str, Any]]) -> tuple[Chapter, ...]:
    return tuple(
        Chapter(float(one["start_time"]), float(one["end_time"]), one.get("tags", {}).get("title", "")[:_MAX_TAG])
        for one in found
        if one.get("start_time") and one.get("end_time")
    )


def _tags(tags: dict[str, str]) -> dict[str, str]:
    """Pick the tags that are kept; Ogg keeps them on the stream and in capitals."""
    small = {key.lower(): value for key, value in tags.items()}
    return {key: small[key].replace("\0", "")[:_MAX_TAG] for key in _TAGS if small.get(key)}


def _check_limits(facts: Facts, preset: Preset) -> None:
    if facts.channels > preset.max_channels:
        raise BadInputError(
            "too_many_channels",
            f"This recording has {facts.channels} channels; up to {preset.max_channels} can be cleaned. "
            "Export it as stereo.",
        )
    if facts.sample_rate_hz > preset.max_sample_rate_hz:
        raise BadInputError(
            "sample_rate_too_high",
            f"This recording has {facts.sample_rate_hz} samples a second; up to {preset.max_sample_rate_hz} can be "
            "cleaned. Export it with 48000.",
        )
    if facts.sample_rate_hz < preset.min_sample_rate_hz:
        raise BadInputError(
            "sample_rate_too_low",
            f"This recording has only {facts.sample_rate_hz} samples a second; speech needs at least "
            f"{preset.min_sample_rate_hz}. Export it with 48000.",
        )
    if facts.is_believable and facts.duration_seconds is not None and facts.duration_seconds > preset.max_seconds:
        raise too_long(preset)
