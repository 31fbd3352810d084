"""Tags, chapters and the cover picture come along into every format that can hold them."""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from tamma_worker import cover
from tamma_worker.clean import clean
from tamma_worker.control import Control
from tamma_worker.presets import preset

from tests.unit.worker import hostile, media

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FORMATS = ["m4a", "mp3", "wav", "opus"]
NOTES = """;FFMETADATA1
title=Föhn\\; & 'talk'
artist=--help
location=+12.3-045.6/
[CHAPTER]
TIMEBASE=1/1000
START=0
END=1000
title=One
[CHAPTER]
TIMEBASE=1/1000
START=1000
END=2000
title=Two \\= 2
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One recording with everything, in all formats at once."""
    folder = tmp_path_factory.mktemp("metadata")
    (folder / "notes.txt").write_text(NOTES)
    audio = media.speech(folder / "plain.wav", seconds=2)
    inputs = ["-i", str(audio), "-i", str(folder / "notes.txt"), "-i", str(media.picture(folder / "c.jpg", "JPEG"))]
    maps = ["-map", "0", "-map", "2", "-map_metadata", "1", "-map_chapters", "1", "-c:v", "copy"]
    maps += ["-disposition:v", "attached_pic"]
    recording = media.make(folder / "in.m4a", *inputs, *maps, "-c:a", "aac", "-f", "ipod")
    (folder / "out").mkdir()
    assert clean(recording, folder / "out", preset("podcast", {"formats": FORMATS}), Control())["notes"] == []
    return folder


def _tags(found: Any) -> dict[str, str]:
    """Ogg has them on its stream, the others on the file."""
    both = {**found["streams"][0].get("tags", {}), **found["format"].get("tags", {})}
    return {key.lower(): value for key, value in both.items()}


@pytest.mark.parametrize("kind", FORMATS)
def test_tags_survive_and_the_location_does_not(kind: str, results: Path) -> None:
    tags = _tags(media.streams(results / f"out/audio.{kind}"))
    assert (tags["title"], tags["artist"]) == ("Föhn; & 'talk'", "--help")
    assert not any("location" in key for key in tags)


@pytest.mark.parametrize("kind", ["m4a", "mp3", "opus"])
def test_chapters_survive(kind: str, results: Path) -> None:
    chapters: Any = media.streams(results / f"out/audio.{kind}")["chapters"]
    assert [(one["tags"]["title"], float(one["start_time"])) for one in chapters] == [("One", 0.0), ("Two = 2", 1.0)]


@pytest.mark.parametrize("kind", ["m4a", "mp3", "opus"])
def test_the_cover_survives_byte_by_byte(kind: str, results: Path) -> None:
    found: Any = media.streams(results / f"out/audio.{kind}")
    (picture,) = (stream for stream in found["streams"] if stream["codec_type"] == "video")
    assert (picture["codec_name"], picture["width"], picture["height"]) == ("mjpeg", 64, 64)
    assert picture["disposition"]["attached_pic"] == 1
    source = ["-i", str(results / f"out/audio.{kind}"), "-map", "0:v", "-c", "copy", "-f", "image2pipe"]
    copied = media.make(results / f"cover-{kind}.jpg", *source)
    assert copied.read_bytes() == (results / "c.jpg").read_bytes()


def _image(kind: str, size: tuple[int, int] = (80, 60), mode: str = "RGBA") -> bytes:
    """Half red, half transparent."""
    image = Image.new(mode, size)
    image.paste("red", (0, 0, size[0] // 2, size[1]))
    target = io.BytesIO()
    image.save(target, kind)
    return target.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "GIF", "WEBP"])
def test_other_pictures_become_a_jpeg_on_white(kind: str, tmp_path: Path) -> None:
    made = cover._as_jpeg(_image(kind), tmp_path / "cover.jpg")
    assert made.path is not None
    with Image.open(made.path) as image:
        assert (image.format, image.size) == ("JPEG", (80, 60))
        red, white = (image.getpixel(place) for place in ((10, 30), (70, 30)))
    assert red == pytest.approx((255, 0, 0), abs=12)
    assert white == pytest.approx((255, 255, 255), abs=12)


def test_a_png_cover_arrives_in_the_result(tmp_path: Path) -> None:
    recording = hostile.with_picture(tmp_path / "in.mp3", _image("PNG"), b"image/png")
    (tmp_path / "out").mkdir()
    assert clean(recording, tmp_path / "out", preset("podcast"), Control())["notes"] == []
    for name in ("audio.m4a", "audio.mp3"):
        found: Any = media.streams(tmp_path / "out" / name)
        assert [(s["codec_name"], s.get("width")) for s in found["streams"]][1:] == [("mjpeg", 80)]


def _jpeg_of_16k() -> bytes:
    """A JPEG whose header claims 16384 pixels each way."""
    data = _image("JPEG", (64, 64), "RGB")
    return data.replace(struct.pack(">HH", 64, 64), struct.pack(">HH", 16384, 16384), 1)


ODD: dict[str, tuple[Callable[[], bytes], str]] = {
    "png bomb": (hostile.png_bomb, cover.TOO_LARGE),
    "16k by 16k": (_jpeg_of_16k, cover.TOO_LARGE),
    "17 MB": (lambda: _image("JPEG", mode="RGB") + bytes(17 << 20), cover.TOO_LARGE),
    "cut off": (lambda: _image("PNG", (400, 400))[:300], cover.UNREADABLE),
    "no picture": (lambda: b"<svg><image href='file:///etc/passwd'/></svg>" * 20, cover.UNREADABLE),
    "nothing": (lambda: b"", ""),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_cover_is_left_out_and_said(case: str, tmp_path: Path) -> None:
    make, note = ODD[case]
    recording = hostile.with_picture(tmp_path / "in.mp3", make(), b"image/png" if case == "png bomb" else b"image/jpeg")
    (tmp_path / "out").mkdir()
    report = clean(recording, tmp_path / "out", preset("podcast", {"denoise_db": 0}), Control())
    assert report["notes"] == ([note] if note else [])
    found: Any = media.streams(tmp_path / "out/audio.m4a")
    assert [stream["codec_type"] for stream in found["streams"]] == ["audio"]
