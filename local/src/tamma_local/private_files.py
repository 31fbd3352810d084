"""Files that only their owner reads, replaced in one step so that nobody sees half of one."""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tamma_local.errors import LocalCloudError


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 in one step."""
    # mkstemp makes the file with mode 0600.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(name).replace(path)


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write a mapping as JSON of mode 0600 in one step."""
    write_private(path, json.dumps(values, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the mapping in a file, or None when there is no such file; LocalCloudError when it is damaged."""
    try:
        values = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LocalCloudError(
            f"{path} is damaged ({error}): start afresh with `python -m tamma_local reset`."
        ) from error
    if not isinstance(values, dict):
        raise LocalCloudError(f"{path} is damaged: start afresh with `python -m tamma_local reset`.")
    return values
