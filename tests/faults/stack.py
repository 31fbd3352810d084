"""A cloud of its own for the faults: started with compressed timers, converged by the same playbooks, taken away."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tamma_local.cloud import Cloud, running_cloud
from tamma_local.layout import REPOSITORY, Layout

from tests.faults.options import Options

_PATIENCE = 900  # seconds for one command: a first converge is 70 s of work for one core


class StackError(RuntimeError):
    """The cloud could not be brought up; the message holds the end of what the command said."""


class Stack:
    """The running cloud and the playbooks on it."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder = folder
        self._options = options
        self._environment = os.environ | {
            "TAMMA_LOCAL_DIR": str(folder / "cloud"),
            "TAMMA_TASK_ENGINE": "process",
            "TAMMA_TIME_SCALE": str(options.scale),
            "PYTHONPATH": f"{REPOSITORY / 'local/src'}:{REPOSITORY / 'files/worker/src'}",
            "ANSIBLE_CONFIG": str(REPOSITORY / "ansible.cfg"),
        }

    @property
    def layout(self) -> Layout:
        """Where the cloud's state is."""
        return Layout(self.folder / "cloud")

    def cloud(self) -> Cloud:
        """Return the running cloud."""
        cloud = running_cloud(self.layout)
        if cloud is None:
            raise StackError(f"The embedded cloud in {self.folder} does not run any more; its logs are there.")
        return cloud

    def local(self, command: str) -> None:
        """Run `python -m tamma_local`."""
        self._run([sys.executable, "-m", "tamma_local", command], REPOSITORY)

    def playbook(self, name: str, *arguments: str, root: Path = REPOSITORY) -> None:
        """Run a playbook of the repository, or of another tree of it (a later release) that `root` names."""
        program = str(Path(sys.executable).parent / "ansible-playbook")
        scale = f"dispatch_time_scale={self._options.scale}"
        self._run([program, name, "-i", "inventories/local", "-e", scale, *arguments], root)

    def presign_key(self) -> dict[str, str]:
        """Return what a front end is told."""
        values: dict[str, str] = json.loads(self.layout.presign_key_file.read_text())
        return values

    def _run(self, argv: list[str], root: Path) -> None:
        done = subprocess.run(
            argv, cwd=root, env=self._environment | {"ANSIBLE_CONFIG": str(root / "ansible.cfg")}, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=_PATIENCE,
        )  # fmt: skip
        if done.returncode:
            tail = "\n".join(done.stdout.splitlines()[-25:])
            raise StackError(f"{' '.join(argv[-6:])} ended with {done.returncode}:\n{tail}")


@contextmanager
def running(options: Options) -> Iterator[Stack]:
    """Bring a cloud up and converge it; take it away afterwards, unless it shall be kept to be looked at."""
    folder = Path(tempfile.mkdtemp(prefix="tamma-faults-"))
    stack = Stack(folder, options)
    try:
        (folder / "cloud").mkdir()
        stack.local("up")
        stack.playbook("site.yml")
        stack.playbook("playbooks/build_image.yml")
        stack.playbook("playbooks/create_presign_key.yml")
        yield stack
    finally:
        if options.keep:
            print(f"Kept: TAMMA_LOCAL_DIR={stack.layout.state} python -m tamma_local status, then … reset")
        else:
            stack.local("down")
            shutil.rmtree(folder, ignore_errors=True)
