"""The exit codes of .ci/plan-check, with a stand-in for ansible-playbook."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STAND_IN = """#!/usr/bin/env bash
echo "$@"
[[ -n $COUNTS ]] && echo "{\\"counts\\": $COUNTS}" > "$PLAN_JSON"
exit "$CODE"
"""


def _run(tmp_path: Path, code: int, counts: str, **environment: str) -> subprocess.CompletedProcess[str]:
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(sys.executable)
    (programs / "ansible-playbook").write_text(STAND_IN)
    (programs / "ansible-playbook").chmod(0o755)
    (tmp_path / ".ci").mkdir()
    script = shutil.copy(ROOT / ".ci" / "plan-check", tmp_path / ".ci")
    values = {key: value for key, value in os.environ.items() if key != "PLAN_JSON"}
    values |= {"CODE": str(code), "COUNTS": counts, "TMPDIR": str(tmp_path)} | environment
    argv = [script, "-i", "inventories/dev"]
    return subprocess.run(argv, env=values, text=True, capture_output=True, timeout=60, check=False)


def _counts(none: int = 0, **changes: int) -> str:
    numbers = {"create": 0, "update": 0, "delete": 0, "none": none} | changes
    return "{" + ", ".join(f'"{action}": {number}' for action, number in numbers.items()) + "}"


@pytest.mark.parametrize(
    ("code", "counts", "expected", "said"),
    [
        (0, _counts(none=3), 0, ""),
        (0, _counts(none=3, create=1), 2, ""),
        (0, _counts(update=1), 2, ""),
        (0, _counts(delete=1), 2, ""),
        (2, _counts(none=3), 1, ""),
        (4, "", 1, ""),
        (0, "", 1, "plan-check: nothing was planned; leave out the options that only list.\n"),
        (0, _counts(), 1, "plan-check: no resource was looked at; check the inventory, --limit and --tags.\n"),
    ],
)
def test_the_exit_code_tells_changes_from_errors(
    tmp_path: Path, code: int, counts: str, expected: int, said: str
) -> None:
    done = _run(tmp_path, code, counts)
    assert (done.returncode, done.stderr) == (expected, said)
    assert done.stdout == "site.yml --check -i inventories/dev\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".ci", ".venv"]


def test_an_old_plan_is_not_taken_for_the_new_one(tmp_path: Path) -> None:
    old = tmp_path / "plan.json"
    old.write_text(f'{{"counts": {_counts(none=3)}}}')
    assert _run(tmp_path, 0, "", PLAN_JSON=str(old)).returncode == 1


def test_the_plan_can_be_kept(tmp_path: Path) -> None:
    kept = tmp_path / "plan.json"
    assert _run(tmp_path, 0, _counts(update=1), PLAN_JSON=str(kept)).returncode == 2
    assert kept.is_file()
