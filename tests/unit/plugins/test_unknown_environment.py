"""An environment that does not exist is one sentence, with make and without."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("target", ["plan", "converge", "teardown", "status", "preflight", "rollback"])
def test_make_names_the_environments_that_there_are(target: str) -> None:
    command = ["make", target, "ENV=stagging"]
    # As from a shell: a make around the tests would hand down its own options.
    shell = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    done = subprocess.run(command, cwd=ROOT, env=shell, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("There is no environment stagging: choose ENV=dev or ENV=local or ENV=prod")
    assert len(done.stderr.splitlines()) == 2  # the other is make's own


def test_ansible_does_not_go_on_with_an_empty_inventory() -> None:
    command = [str(Path(sys.executable).with_name("ansible-playbook")), "site.yml", "-i", "inventories/stagging"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr.startswith("[ERROR]: Completely failed to parse inventory source")
    assert "Traceback" not in done.stderr
