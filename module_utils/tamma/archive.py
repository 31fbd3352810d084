"""Zip archives that depend on nothing but their content: same input, same bytes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first moment that a zip can name
_MODE = 0o100644 << 16  # a regular file that everybody may read: Lambda runs as another user
_UNIX = 3  # "made by" of the header, so that the result is the same on every system


def write(entries: Iterable[tuple[str, Path]]) -> bytes:
    """Return a zip of (name in the archive, file) pairs: sorted, without times, owners or modes of this machine."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, path in sorted(entries):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = _UNIX
            info.external_attr = _MODE
            archive.writestr(info, path.read_bytes())
    return buffer.getvalue()
