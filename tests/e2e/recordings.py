"""Recordings of many kinds, made on the fly with the worker's ffmpeg, and an independent measurement of results."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tamma_worker import binaries

SPEECH = Path(__file__).resolve().parents[2] / "files/demo/speech-by-a-fire.m4a"
# Long enough for a loudness that means something, short enough for a dozen of them.
SECONDS = 6

Maker = Callable[[Path], Path]


def ffmpeg(*arguments: str, seconds: float = 60) -> str:
    """Run the pinned ffmpeg and return what it says on its standard error."""
    command = [binaries.ffmpeg(), "-hide_banner", "-nostdin", "-y", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, done.stderr
    return done.stderr


def _speech(name: str, *options: str, picture: bool = False) -> Maker:
    def make(folder: Path) -> Path:
        inputs = ["-t", str(SECONDS), "-i", str(SPEECH)]
        if picture:
            inputs += ["-f", "lavfi", "-t", str(SECONDS), "-i", "testsrc=size=320x240:rate=10"]
        ffmpeg("-loglevel", "error", *inputs, *options, f"file:{folder / name}")
        return folder / name

    return make


def _renamed(maker: Maker, name: str) -> Maker:
    return lambda folder: maker(folder).rename(folder / name)


def _file(name: str, content: bytes) -> Maker:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _playlist(name: str, text: str) -> Maker:
    """A playlist whose one entry is an ordinary local recording that everybody may read."""

    def make(folder: Path) -> Path:
        target = _speech("secret.wav")(folder)
        target.chmod(0o644)
        (folder / name).write_text(text.format(target=target))
        return folder / name

    return make


_X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p")

GOOD: dict[str, Maker] = {
    "wav": _speech("talk.wav"),
    "mp3": _speech("talk.mp3", "-b:a", "96k"),
    "flac": _speech("talk.flac"),
    "opus": _speech("talk.ogg", "-c:a", "libopus", "-b:a", "48k"),
    "webm": _speech("talk.webm", "-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus", picture=True),
    "mp4-video": _speech("talk.mp4", *_X264, "-c:a", "aac", picture=True),
    "mov": _speech("Mein Vortrag (1) ä.mov", *_X264, "-c:a", "pcm_s16le", picture=True),
    "m4a-index-last": _speech("talk.m4a", "-c:a", "aac", "-movflags", "-faststart"),
    "wrong-extension": _renamed(_speech("talk.flac", "-ac", "2"), "talk.mp3"),
}

_PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXTINF:6,\n{target}\n#EXT-X-ENDLIST\n"

# name → how it is made, the error code
BAD: dict[str, tuple[Maker, str]] = {
    "zero-bytes": (_file("empty.wav", b""), "empty_file"),
    "text": (_file("notes.mp3", b"Dear diary, today nobody recorded anything.\n" * 40), "not_media"),
    "no-sound": (_speech("film.mp4", "-an", *_X264, "-map", "1:v", picture=True), "no_audio"),
    "playlist": (_playlist("talk.mp3", _PLAYLIST), "playlist"),
    "concat-list": (_playlist("talk.wav", "ffconcat version 1.0\nfile '{target}'\n"), "playlist"),
}


def long_recording(folder: Path, seconds: int) -> Path:
    """Return a recording that takes long enough to be caught in the middle."""
    target = folder / "long.flac"
    ffmpeg("-loglevel", "error", "-stream_loop", "-1", "-t", str(seconds), "-i", str(SPEECH), f"file:{target}")
    return target


@dataclass(frozen=True)
class Measured:
    """Loudness in LUFS and true peak in dBTP of a whole file, as ffmpeg's ebur128 filter sees the decoded sound."""

    lufs: float
    dbtp: float


def measure(path: Path) -> Measured:
    """Decode and measure; the summary is ffmpeg's, so nothing of the worker's has a part in it."""
    said = ffmpeg("-i", f"file:{path}", "-map", "0:a", "-af", "ebur128=peak=true:framelog=quiet", "-f", "null", "-")
    summary = said[said.rindex("Summary:") :]
    integrated, peak = re.search(r"I:\s+(\S+) LUFS", summary), re.search(r"Peak:\s+(\S+) dBFS", summary)
    assert integrated is not None, said
    assert peak is not None, said
    return Measured(float(integrated[1]), float(peak[1]))


def probe(path: Path) -> dict[str, Any]:
    """Return ffprobe's view of a file."""
    command = [binaries.ffprobe(), "-v", "error", "-show_streams", "-show_format", "-of", "json", f"file:{path}"]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=60).stdout)
    return answer
