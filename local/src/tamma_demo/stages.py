"""The stages before the job: each is one command that a person could type."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tamma_demo.front_end import DemoError

ROOT = Path(__file__).resolve().parents[3]
_TAIL = 25  # lines of a failed command's output that a person needs to see


@dataclass(frozen=True)
class Stage:
    """One command, what it is for, and where its output goes."""

    title: str
    argv: Sequence[str]
    log: str


def _playbook(title: str, name: str) -> Stage:
    argv = [str(Path(sys.executable).parent / "ansible-playbook"), name, "-i", "inventories/local"]
    return Stage(title, argv, f"{Path(name).stem}.log")


STAGES = (
    Stage("Start the embedded cloud", [sys.executable, "-m", "tamma_local", "up"], "up.log"),
    _playbook("Converge the stack", "site.yml"),
    _playbook("Build the worker image", "playbooks/build_image.yml"),
    _playbook("Create the presign key", "playbooks/create_presign_key.yml"),
)


def run(stage: Stage, logs: Path) -> None:
    """Run the stage from the project's root, its output in a log file; DemoError with the end of it when it fails."""
    path = logs / stage.log
    with path.open("w", encoding="utf-8") as log:
        code = subprocess.run(
            stage.argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, check=False,
            env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")},
        ).returncode  # fmt: skip
    if code:
        tail = "\n".join(path.read_text(encoding="utf-8").splitlines()[-_TAIL:])
        raise DemoError(f"{stage.title}: failed with exit code {code}. The whole output is in {path}. Its end:\n{tail}")
