"""The cover picture of a recording, as a JPEG: the one kind of picture that every container here takes."""

import base64
import io
import logging
import struct
from dataclasses import dataclass
from pathlib import Path

import ffmpeg  # type: ignore[import-untyped]
from PIL import Image

from tamma_worker import engine
from tamma_worker.control import Control
from tamma_worker.errors import TemporaryError
from tamma_worker.probe import Facts

log = logging.getLogger(__name__)

_MAX_BYTES = 16 << 20
_MAX_SIDE = 4096  # pixels; directories of podcasts ask for 3000, and a square of this decodes to 50 MB
_KINDS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
_QUALITY = 90
_FRONT = 3  # the type of a front cover in a FLAC picture block (RFC 9639, 8.8)

UNREADABLE = "The cover picture is damaged or of an unknown kind, so it was left out."
TOO_LARGE = f"The cover picture has more than {_MAX_SIDE} x {_MAX_SIDE} pixels or 16 MiB, so it was left out."


@dataclass(frozen=True, slots=True)
class Cover:
    """A JPEG file and its size in pixels; without a file, ``note`` says why it is left out (None: there was none)."""

    path: Path | None = None
    width: int = 0
    height: int = 0
    note: str | None = None

    def picture_block(self) -> str:
        """Give the picture as Ogg files carry it: a FLAC picture block (RFC 9639, 8.8) in base64."""
        assert self.path is not None  # noqa: S101 (callers ask for a path first)
        data, mime = self.path.read_bytes(), b"image/jpeg"
        head = struct.pack(">II", _FRONT, len(mime)) + mime + struct.pack(">I", 0)
        size = struct.pack(">IIIII", self.width, self.height, 24, 0, len(data))
        return base64.b64encode(head + size + data).decode("ascii")


def extract(recording: Path, facts: Facts, folder: Path, control: Control) -> Cover:
    """Write the recording's cover to ``folder`` as a JPEG; no picture, however odd, is a reason to fail."""
    if facts.cover is None:
        return Cover()
    data = bytearray()

    def take(piece: bytes) -> None:
        if len(data) <= _MAX_BYTES:
            data.extend(piece)

    source = ffmpeg.input(f"file:{recording.absolute()}", **engine.SAFE_INPUT)[str(facts.cover)]
    # of all muxers this one alone takes a picture whose size ffmpeg could not find out
    output = ffmpeg.output(source, "pipe:1", format="image2pipe", c="copy", **{"frames:v": 1})
    try:
        engine.ffmpeg(list(ffmpeg.get_args(output)), control, samples=take)
    except TemporaryError:
        log.warning("the cover picture could not be extracted", exc_info=True)
        return Cover(note=UNREADABLE)
    if len(data) > _MAX_BYTES:
        return Cover(note=TOO_LARGE)
    return _as_jpeg(bytes(data), folder / "cover.jpg")


def _as_jpeg(data: bytes, target: Path) -> Cover:
    try:
        with Image.open(io.BytesIO(data), formats=_KINDS) as image:
            if max(image.size) > _MAX_SIDE:
                return Cover(note=TOO_LARGE)
            image.load()
            if image.format == "JPEG":
                target.write_bytes(data)
            else:
                _on_white(image).save(target, "JPEG", quality=_QUALITY)
            return Cover(target, *image.size)
    except Image.DecompressionBombError:
        return Cover(note=TOO_LARGE)
    except (OSError, SyntaxError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the picture
        return Cover(note=UNREADABLE)


def _on_white(image: Image.Image) -> Image.Image:
    """Fill in what is transparent: a JPEG has no such thing."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    picture = image.convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")
