"""Files that reach for other files or the network, unfold into gigabytes, or are locked; each written on the fly."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from tests.unit.worker import media

if TYPE_CHECKING:
    from pathlib import Path

_KEY = "76a6c65c5ea762046bd749a2e632ccbb"

# Name → text with the place that it reaches for: every format that people or players call a playlist, and what only
# looks like a picture. ffmpeg has a demuxer for some of them.
REACHING = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{place}\n#EXT-X-ENDLIST\n",
    "hls with a key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{place}"\n#EXTINF:1,\nx.ts\n#EXT-X-ENDLIST\n',
    "hls master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{place}\n",
    "concat": "ffconcat version 1.0\nfile '{place}'\n",
    "concat of a slice": "ffconcat version 1.0\nfile 'subfile,,start,0,end,9999,,:{place}'\n",
    "dash": '<?xml version="1.0"?><MPD type="static"><BaseURL>{place}</BaseURL><Period/></MPD>',
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{place}"/></svg>',
    "xspf": '<?xml version="1.0"?><playlist><track><location>{place}</location></track></playlist>',
    "pls": "[playlist]\nFile1={place}\nNumberOfEntries=1\n",
    "m3u": "{place}\n",
    "asx": '<asx version="3.0"><entry><ref href="{place}"/></entry></asx>',
    "smil": '<smil><body><audio src="{place}"/></body></smil>',
    "cue sheet": 'FILE "{place}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
    "imf": '<CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016">{place}</CompositionPlaylist>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nu={place}\nm=audio 4 RTP/AVP 0\n",
    "filter graph": "amovie='{place}'",
}


def mov_of_another_file(path: Path, secret: Path) -> None:
    """A QuickTime film whose samples are said to lie in ``secret`` (a data reference, as editors write them)."""
    whole = media.make(path.with_name("whole.mov"), "-i", str(secret), "-c:a", "copy").read_bytes()
    old = struct.pack(">I4sII", 28, b"dref", 0, 1) + struct.pack(">I4sI", 12, b"url ", 1)
    assert old in whole
    target = str(secret).encode()
    named = struct.pack(">HH", 2, len(target)) + target + bytes(len(target) % 2)
    alias = bytes(10) + b"\x04disk" + bytes(23) + bytes(12) + b"\x06secret" + bytes(57)
    alias += bytes(16) + struct.pack(">HH", 1, 1) + bytes(16) + named + struct.pack(">HH", 0xFFFF, 0)
    entry = struct.pack(">I4sI", 12 + len(alias), b"alis", 0) + alias
    new = struct.pack(">I4sII", 16 + len(entry), b"dref", 0, 1) + entry
    grown = bytearray(whole.replace(old, new))
    for box in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        place = grown.index(box) - 4
        size = int.from_bytes(grown[place : place + 4], "big") + len(new) - len(old)
        grown[place : place + 4] = size.to_bytes(4, "big")
    path.write_bytes(grown)


def flac_bomb(path: Path, seconds: int = 600, claimed_samples: int = 0) -> None:
    """Minutes in 14 kilobytes; the header claims that many samples in all (0: it does not know)."""
    source = ("-f", "lavfi", "-t", str(seconds), "-i", "anullsrc=r=48000:cl=mono")
    whole = media.make(path.with_name("whole.flac"), *source, "-c:a", "flac", "-frame_size", "65535")
    data = bytearray(whole.read_bytes())
    fields = int.from_bytes(data[18:26], "big")  # of STREAMINFO: rate, channels, bits, then 36 bits of samples
    data[18:26] = (fields >> 36 << 36 | claimed_samples).to_bytes(8, "big")
    path.write_bytes(data)


def encrypted(path: Path) -> None:
    """Common Encryption, as streaming services use it."""
    scheme = ("-encryption_scheme", "cenc-aes-ctr", "-encryption_key", _KEY, "-encryption_kid", _KEY)
    media.tone(path, "-c:a", "aac", *scheme, "-f", "mp4")


def png_bomb(side: int = 16384) -> bytes:
    """As many pixels each way, a quarter of a gigabyte, in 260 kilobytes."""
    rows = zlib.compress(bytes((side + 1) * side), 1)
    parts = [(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)), (b"IDAT", rows), (b"IEND", b"")]
    chunks = [struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def with_picture(path: Path, picture: bytes, mime: bytes) -> Path:
    """An ID3 tag by hand: this ffmpeg cannot write other covers than JPEG."""
    frame = b"\x00" + mime + b"\x00\x03\x00" + picture
    size = 10 + len(frame)
    apic = b"APIC" + len(frame).to_bytes(4, "big") + b"\x00\x00" + frame
    tag = b"ID3\x03\x00\x00" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + apic
    options = ("-c:a", "libmp3lame", "-id3v2_version", "0")
    sound = media.speech(path.with_suffix(".plain.mp3"), "anull", *options, seconds=1)
    path.write_bytes(tag + sound.read_bytes())
    return path


def slow_wav(rate: int) -> bytes:
    """A WAV of a hundred bytes with so few samples a second that it lasts."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate, 1, 8)
    return struct.pack("<4sI4s", b"RIFF", 136, b"WAVE") + form + struct.pack("<4sI", b"data", 100) + bytes([128]) * 100


def hole(data: bytes, start: float, size: int) -> bytes:
    """The same with ``size`` bytes of nothing at the share ``start`` of it."""
    place = int(len(data) * start)
    return data[:place] + bytes(size) + data[place + size :]
