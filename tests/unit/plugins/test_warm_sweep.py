"""What killed runs leave among the records of what runs asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from plugins.callback.warm import sweep


def test_only_journals_of_processes_that_ended_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = {f"reads.{os.getppid()}", "reads.1", "reads.2da4c110291f596f", "reads.1234567890123456", "templates.cpython"}
    for name in {*kept, f"reads.{ended.pid}", "reads.4194305000"}:
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == kept


def test_a_run_does_not_go_on_with_the_journal_of_another_that_had_its_pid(tmp_path: Path) -> None:
    (tmp_path / f"reads.{os.getpid()}").touch()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []
