"""Lookup: one hash over the content of files and folders."""

from __future__ import annotations

DOCUMENTATION = r"""
name: content_hash
short_description: Hash the content of files and folders
description:
  - Returns the first 16 hexadecimal digits of a SHA-256 over relative paths, executable bits and contents.
  - Generated files (C(__pycache__), C(*.pyc)) do not count, so that running the code does not change its hash.
options:
  _terms:
    description: Files and folders, absolute or relative to the project.
    required: true
author: [Tamma Infra]
"""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.errors import AnsibleError
from ansible.plugins.lookup import LookupBase

_ROOT = Path(__file__).resolve().parents[2]
_DIGITS = 16  # 64 bits: a tag that is short enough to read and does not collide


class LookupModule(LookupBase):
    """Hash files and folders."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return one hash over all terms, in the order given."""
        del variables, kwargs
        digest = hashlib.sha256()
        for term in terms:
            base = _ROOT / term
            if not base.exists():
                raise AnsibleError(f"content_hash: {term} does not exist below {_ROOT}; correct the path.")
            for path in _files(base):
                content = path.read_bytes()
                mode = "x" if os.access(path, os.X_OK) else "-"
                digest.update(f"{path.relative_to(_ROOT)}\0{mode}\0{len(content)}\0".encode())
                digest.update(content)
        return [digest.hexdigest()[:_DIGITS]]


def _files(base: Path) -> Iterator[Path]:
    if base.is_file():
        yield base
        return
    for path in sorted(base.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield path
