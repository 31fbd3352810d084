"""A deployment and its rollback, while jobs are on their way."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tamma_local.layout import REPOSITORY

from tests.e2e.pipeline import DISPATCHER
from tests.faults.jobs import Job
from tests.faults.ledger import Facts
from tests.faults.scenario import Scenario

# What a release of another state of the repository consists of; the rest is for people and tests.
_TREE = ("files", "inventories", "library", "local", "module_utils", "playbooks", "plugins", "roles")
_FILES = ("site.yml", "ansible.cfg", "requirements.yml")
_CHANGED = (
    "files/worker/src/tamma_worker/__init__.py",
    "files/lambda/dispatcher/app.py",
    "files/lambda/reconciler/app.py",
)


class Deployment(Scenario):
    """Two hundred jobs: some before, some while a new worker and functions are deployed, some while they go back."""

    name = "deployment"
    fault = "deployment and rollback while jobs run"
    bound = "no task is stopped by it"
    most_jobs = 200

    @contextmanager
    def injected(self) -> Iterator[None]:
        self._stage, self._problems, self._versions = 0, list[Exception](), [self._version()]
        thread = threading.Thread(target=self._deploy, name="deployment")
        thread.start()
        try:
            yield
        finally:
            thread.join()
        if self._problems:
            raise self._problems[0]

    def may_be_sent(self, job: Job) -> bool:
        return job.number < len(self.jobs) * (self._stage + 1) / 3

    def _deploy(self) -> None:
        stack = self.world.stack
        release = stack.folder / "release"
        try:
            _copy(release)
            # The image first: a task definition never names an image that is not there.
            stack.playbook("playbooks/build_image.yml", root=release)
            self._stage = 1
            stack.playbook("site.yml", root=release)
            self._versions.append(self._version())
            self._stage = 2
            stack.playbook("playbooks/rollback.yml")
            self._versions.append(self._version())
        except (OSError, RuntimeError, subprocess.SubprocessError) as error:
            self._problems.append(error)
        finally:
            self._stage = 2

    def _version(self) -> str:
        return str(self.world.aws("lambda").get_alias(FunctionName=DISPATCHER, Name="live")["FunctionVersion"])

    def judge(self, facts: Facts) -> list[str]:
        tasks = [task for tasks in facts.tasks.values() for task in tasks]
        revisions = sorted({task["taskDefinitionArn"].rpartition(":")[2] for task in tasks}, key=int)
        self.remarks.append(
            f"dispatcher versions {' -> '.join(self._versions)}, task definition revisions {', '.join(revisions)}"
        )
        found = [
            f"{task['taskArn']} ended by {task.get('stopCode')}: {task.get('stoppedReason')}"
            for task in tasks
            if task.get("stopCode") != "EssentialContainerExited" or task["containers"][0].get("exitCode") != 0
        ]
        before, new, after = self._versions
        if new == before or after != before:
            found.append(f"the dispatcher's versions were {before}, {new}, {after}: no deployment with its rollback")
        if len(revisions) < 2:
            found.append("all tasks were of one revision: no job met the deployment")
        return found


def _copy(release: Path) -> None:
    """Make another state of the repository whose worker and functions differ, so that all of them are released anew."""
    release.mkdir()
    for name in _TREE:
        ignored = shutil.ignore_patterns("node_modules", "__pycache__")
        shutil.copytree(REPOSITORY / name, release / name, symlinks=True, ignore=ignored)
    for name in _FILES:
        shutil.copy2(REPOSITORY / name, release / name)
    for name in (".venv", ".venv-cloud", ".venv-worker", ".cache"):
        if (REPOSITORY / name).exists():
            (release / name).symlink_to(os.path.relpath(REPOSITORY / name, release))
    for name in _CHANGED:
        path = release / name
        path.write_text(f"{path.read_text()}\n# A later release.\n")
