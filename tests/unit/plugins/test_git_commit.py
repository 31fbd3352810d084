"""The commit of a checkout, read from git's files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from plugins.lookup.git_commit import UNKNOWN, commit_of


def _git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    command = ["/usr/bin/env", "git", *names, *arguments]
    ran = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    return ran.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    _git(folder, "init", "-q")
    _git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


def test_a_branch_a_detached_head_and_packed_refs(checkout: Path) -> None:
    commit = _git(checkout, "rev-parse", "HEAD")
    assert commit_of(checkout) == commit
    _git(checkout, "pack-refs", "--all")
    assert commit_of(checkout) == commit
    _git(checkout, "checkout", "-q", "--detach")
    assert commit_of(checkout) == commit


def test_a_linked_worktree(checkout: Path) -> None:
    _git(checkout, "worktree", "add", "-q", "-b", "other", "../other")
    assert commit_of(checkout.parent / "other") == _git(checkout, "rev-parse", "HEAD")


def test_no_checkout_is_no_error(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == UNKNOWN
