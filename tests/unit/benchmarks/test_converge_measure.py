"""The cost of a command includes what its children used, also of those that it left behind."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from benchmarks.converge.measure import Cost, measure

BURN = "import time; end = time.process_time() + 0.5\nwhile time.process_time() < end: pass"


def cost(code: str, folder: Path) -> Cost:
    return measure([sys.executable, "-c", code], cwd=folder, env=os.environ, log=folder / "log")


def test_exit_code_output_and_time_are_the_commands(tmp_path: Path) -> None:
    found = cost("import time; print('said'); time.sleep(0.3); raise SystemExit(3)", tmp_path)
    assert found.exit_code == 3
    assert 0.3 <= found.wall < 30
    assert (tmp_path / "log").read_text() == "said\n"


def test_cpu_of_a_child_counts(tmp_path: Path) -> None:
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {BURN!r}])"
    assert cost(code, tmp_path).cpu >= 0.5


def test_what_is_left_behind_counts_and_is_ended(tmp_path: Path) -> None:
    daemon = f"{BURN}\nopen('pid', 'w').write(str(__import__('os').getpid()))\ntime.sleep(600)"
    code = (
        "import pathlib, subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {daemon!r}], start_new_session=True)\n"
        "while not pathlib.Path('pid').exists() or not pathlib.Path('pid').read_text(): time.sleep(0.05)"
    )
    began = time.monotonic()
    assert cost(code, tmp_path).cpu >= 0.5
    assert time.monotonic() - began < 300
    assert not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists()


def test_memory_of_the_whole_tree_counts(tmp_path: Path) -> None:
    hold = "import time; held = b'x' * (64 << 20); time.sleep(1)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hold!r}])"
    found = cost(code, tmp_path).peak_memory
    # None: a system without /proc.
    assert found is None or found >= 64
