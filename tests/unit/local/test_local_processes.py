"""Processes that must end, and those that must not be touched."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tamma_local.private_files import write_json
from tamma_local.processes import Guardian, end_leftovers, last_lines, lives, open_log, started_at


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
    yield process
    process.kill()
    process.wait()


def test_guardian_ends_what_is_listed_when_its_owner_vanishes(tmp_path: Path, sleeper: subprocess.Popen[bytes]) -> None:
    kept = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)
    guard = Guardian(tmp_path / "processes.json")
    guard.add(sleeper.pid)
    guard.add(kept.pid)
    guard.discard(kept.pid)
    assert guard._process.stdin
    # What the kernel does when the supervisor is killed.
    guard._process.stdin.close()
    assert sleeper.wait(timeout=10) == -signal.SIGTERM
    assert kept.poll() is None
    kept.kill()
    kept.wait()
    assert guard._process.wait(timeout=10) == 0


def test_guardian_with_nothing_listed_ends_at_once(tmp_path: Path) -> None:
    guard = Guardian(tmp_path / "processes.json")
    began = time.monotonic()
    guard.close()
    assert time.monotonic() - began < 5
    assert not (tmp_path / "processes.json").exists()


def test_leftovers_are_ended_only_when_they_are_the_very_processes(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    listed = tmp_path / "processes.json"
    write_json(listed, {str(sleeper.pid): "another start time", "999999999": ""})
    assert end_leftovers(listed) == 0
    assert sleeper.poll() is None
    write_json(listed, {str(sleeper.pid): started_at(sleeper.pid)})
    # Collected meanwhile, so that the group is seen to end.
    child = os.fork()
    if child == 0:
        end_leftovers(listed)
        os._exit(0)
    assert sleeper.wait(timeout=10) == -signal.SIGTERM
    os.waitpid(child, 0)
    assert not listed.exists()


def test_start_time_names_a_process() -> None:
    assert started_at(os.getpid())
    assert started_at(os.getpid()) == started_at(os.getpid())
    assert started_at(999_999_999) == ""


def test_process_that_waits_to_be_collected_does_not_live() -> None:
    process = subprocess.Popen(["/bin/true"])
    started = started_at(process.pid)
    assert not lives(process.pid, "another start time")
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert started_at(process.pid) == started
    assert not lives(process.pid, started)
    process.wait()
    assert lives(os.getpid(), started_at(os.getpid()))


def test_log_that_grew_is_set_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tamma_local.processes._LOG_BYTES", 10)
    log = tmp_path / "aws.log"
    for text in (b"0123456789 old\n", b"new\n"):
        with open_log(log) as file:
            file.write(text)
    assert last_lines(log, 5) == ["new"]
    assert last_lines(tmp_path / "aws.log.1", 5) == ["0123456789 old"]
    assert last_lines(tmp_path / "none", 5) == []
