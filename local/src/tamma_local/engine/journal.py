"""What a container wrote, line by line, as a file that can be followed while it grows."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

STDOUT, STDERR = 1, 2

# Docker cuts lines of this length; a reader that takes one frame as one event then sees bounded events.
MAX_LINE_BYTES = 16 * 1024

# stream, nanoseconds since 1970, length of the text that follows.
_RECORD = struct.Struct(">BQI")


@dataclass(frozen=True)
class Line:
    """One line with its line end, or a part of a long one."""

    stream: int
    nanoseconds: int
    text: bytes

    def frame(self, *, timestamps: bool) -> bytes:
        """Return the line in Docker's multiplexed framing: stream, three zero bytes, length, text."""
        stamp = f"{rfc3339(self.nanoseconds)} ".encode() if timestamps else b""
        return struct.pack(">BxxxI", self.stream, len(stamp) + len(self.text)) + stamp + self.text


def rfc3339(nanoseconds: int) -> str:
    """Return a time as Docker writes it, in UTC with nanoseconds."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


class Journal:
    """The log of one container. Lines go to disk at once, so that its size does not matter."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] = path.open("ab", buffering=0)
        self._grown = asyncio.Event()
        self._open_streams = 0
        self.closed = False

    async def record(self, stream: int, reader: asyncio.StreamReader) -> None:
        """Write every line that a stream gives until it ends."""
        pending = b""
        while chunk := await reader.read(MAX_LINE_BYTES):
            *lines, pending = (pending + chunk).split(b"\n")
            for line in lines:
                self._append(stream, line + b"\n")
            if len(pending) >= MAX_LINE_BYTES:
                self._append(stream, pending)
                pending = b""
        if pending:
            self._append(stream, pending)

    def _append(self, stream: int, text: bytes) -> None:
        for start in range(0, len(text), MAX_LINE_BYTES):
            part = text[start : start + MAX_LINE_BYTES]
            self._file.write(_RECORD.pack(stream, time.time_ns(), len(part)) + part)
        self._grown.set()
        self._grown = asyncio.Event()

    def close(self) -> None:
        """Say that nothing will follow."""
        self.closed = True
        self._file.close()
        self._grown.set()

    async def lines(self, *, follow: bool) -> AsyncIterator[Line]:
        """Yield the lines so far and, when following, those to come until the container has ended."""
        with self._path.open("rb") as file:
            while True:
                grown, closed = self._grown, self.closed
                while header := file.read(_RECORD.size):
                    stream, nanoseconds, length = _RECORD.unpack(header)
                    yield Line(stream, nanoseconds, file.read(length))
                if closed or not follow:
                    return
                await grown.wait()
