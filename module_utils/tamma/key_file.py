"""The file that holds an access key: for its owner's eyes only, and written as a whole or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError

Content = dict[str, Any]


def read(path: Path) -> Content:
    """Return what the file holds, nothing when there is none; RefusalError when it is damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise RefusalError(f"{path} cannot be read ({type(error).__name__}); move it away and re-run") from None
    if not isinstance(content, dict):
        raise RefusalError(f"{path} holds no key; move it away and re-run")
    return content


def write(path: Path, content: Content) -> None:
    """Replace the file at once, with mode 0600 from its first byte on; RefusalError when its folder forbids it."""
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # its mode is 0600
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(content, file, indent=4, sort_keys=True)
                file.write("\n")
                file.flush()
                os.fsync(descriptor)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise RefusalError(f"{path} cannot be written ({error.strerror}); correct that and re-run") from None
