"""Lookup: the commit that the project's folder is at."""

from __future__ import annotations

DOCUMENTATION = r"""
name: git_commit
short_description: Name the commit of the project's folder
description:
  - Returns the hash of the commit that is checked out, or C(unknown) when the project is no git checkout.
  - Reads git's files, so that no git is needed.
author: [Tamma Infra]
"""

from pathlib import Path
from typing import Any

from ansible.plugins.lookup import LookupBase

_ROOT = Path(__file__).resolve().parents[2]
_HASH_DIGITS = frozenset({40, 64})  # SHA-1, SHA-256
UNKNOWN = "unknown"


class LookupModule(LookupBase):
    """Name the commit."""

    def run(self, terms: list[str], variables: dict[str, Any] | None = None, **kwargs: Any) -> list[str]:
        """Return one hash; terms are not used."""
        del terms, variables, kwargs
        return [commit_of(_ROOT)]


def commit_of(folder: Path) -> str:
    """Return the commit of a checkout, also of a linked worktree."""
    git = folder / ".git"
    try:
        if git.is_file():
            git = folder / git.read_text().removeprefix("gitdir:").strip()
        shared = git / (git / "commondir").read_text().strip() if (git / "commondir").is_file() else git
        head = (git / "HEAD").read_text().strip()
        if head.startswith("ref: "):
            head = _branch(head.removeprefix("ref: "), git, shared)
    except OSError:
        return UNKNOWN
    return head if len(head) in _HASH_DIGITS else UNKNOWN


def _branch(name: str, git: Path, shared: Path) -> str:
    for folder in (git, shared):
        if (folder / name).is_file():
            return (folder / name).read_text().strip()
    packed = (shared / "packed-refs").read_text() if (shared / "packed-refs").is_file() else ""
    return next((line.partition(" ")[0] for line in packed.splitlines() if line.endswith(f" {name}")), "")
