"""The processed recording between two passes: 16-bit blocks of 100 ms, each with its own scale.

Quantisation noise stays 96 dB below the peak of its own block, at half the size of floats; records have one size, so
that any stretch can be read by itself.
"""

import os
from pathlib import Path
from typing import Self

import numpy as np

from tamma_worker.meter import FRAME
from tamma_worker.stft import Samples


class Store:
    """A file of records of 100 ms; what was never written reads as silence and takes no disk space."""

    def __init__(self, path: Path, channels: int) -> None:
        self._channels = channels
        self._kind = np.dtype([("scale", np.float32), ("samples", np.int16, (FRAME, channels))])
        self._file = path.open("w+b", buffering=0)
        path.unlink()  # gone with the process, however that ends
        self.records = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, record: int, samples: Samples) -> None:
        """Put samples (frames, channels) at record number ``record``; the last record is filled up with silence."""
        count = -(-len(samples) // FRAME)
        padded = np.pad(samples, ((0, count * FRAME - len(samples)), (0, 0))) if len(samples) % FRAME else samples
        blocks = padded.reshape(count, FRAME, self._channels)
        flat = padded.reshape(count, -1)
        scale = np.maximum(np.maximum(flat.max(1), -flat.min(1)), np.float32(1e-9)) / np.float32(32767)
        records = np.empty(count, self._kind)
        records["scale"] = scale
        records["samples"] = np.rint(blocks * (1 / scale)[:, None, None])
        place = record * self._kind.itemsize
        left = memoryview(records.tobytes())
        while left:
            written = os.pwrite(self._file.fileno(), left, place)
            left, place = left[written:], place + written
        self.records = max(self.records, record + count)

    def read(self, record: int, count: int) -> Samples:
        """Give ``count`` records from number ``record``, silence before the first and after the last."""
        before = min(count, max(0, -record))
        size, place = self._kind.itemsize, (record + before) * self._kind.itemsize
        data = os.pread(self._file.fileno(), (count - before) * size, place)  # no shared position: threads read at once
        data = data[: len(data) // self._kind.itemsize * self._kind.itemsize]
        records = np.frombuffer(data, self._kind)
        out = np.zeros((count * FRAME, self._channels), np.float32)
        decoded = records["samples"] * records["scale"][:, None, None]
        out[before * FRAME : (before + len(records)) * FRAME] = decoded.reshape(-1, self._channels)
        return out
