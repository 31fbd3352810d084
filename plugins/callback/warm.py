"""Callback: loads what AWS modules need before workers are forked, and asks AWS ahead what the last run asked."""

from __future__ import annotations

DOCUMENTATION = r"""
name: warm
type: aggregate
short_description: Prepare AWS modules to run inside Ansible's workers
description:
  - Loads boto3, its clients and the modules once, in the parent; the workers that Ansible forks inherit them.
  - Asks AWS at the start, all at the same time, what the last run of the same playbook asked one after the other. The
    first change that any task makes ends the use of these answers.
  - E(TAMMA_WARM=0) switches it off, and so does C(-vvv). Modules then run as processes of their own.
author: [Tamma Infra]
"""

import contextlib
import gc
import hashlib
import os
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.context import CLIARGS
from ansible.errors import AnsibleError
from ansible.plugins import loader
from ansible.plugins.callback import CallbackBase
from ansible.template import Templar
from ansible.utils.display import Display
from botocore.exceptions import BotoCoreError

_ROOT = Path(__file__).resolve().parents[2]
_CACHE = _ROOT / ".cache" / "warm"
_DEBUGGING = 3  # -vvv
_OURS = {path.stem for path in (_ROOT / "library").glob("*.py")}
_GUARD = "aws_account"  # before it has agreed, nothing else is asked
_UPSTREAM = "amazon.aws."
_JOURNAL = re.compile(r"reads\.(\d{1,10})")  # of a run, by its pid; a record's name is longer
_UPSTREAM_TASK = re.compile(r"^\s+amazon\.aws\.(\w+):", re.MULTILINE)

# Ansible shows a project's module_utils to modules alone; here modules run in Ansible's own process.
if str(_ROOT / "module_utils") not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(str(_ROOT / "module_utils"))


class CallbackModule(CallbackBase):
    """Prepares once for each environment that tasks bring along."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "warm"

    def __init__(self) -> None:
        """Stay out of the way when modules run as processes of their own."""
        super().__init__()
        self.disabled = os.environ.get("TAMMA_WARM") == "0" or Display().verbosity >= _DEBUGGING
        self._record = _CACHE / "none"
        self._play: Any = None
        self._environment: dict[str, str] | None = None
        self._looked_ahead = False

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """Load plugins, modules, boto3 and compiled templates, and choose where this run notes what it asks."""
        from ansible.module_utils.tamma.warm import running, templates
        from ansible.module_utils.tamma.warm.state import STATE

        _CACHE.mkdir(parents=True, exist_ok=True)
        sweep(_CACHE)
        templates.Templates(_CACHE).install()
        _load_plugins()
        for path in _module_files():
            running.load(path)
        self._record = _CACHE / f"reads.{_name_of_run(playbook._file_name)}"  # noqa: SLF001 - has no public name
        STATE.journal = self._record.with_suffix(f".{os.getpid()}")

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Look at the environment again: a play may have another one."""
        self._play = play
        self._environment = None

    def v2_runner_on_start(self, host: Any, task: Any) -> None:
        """Make the clients before a play's first AWS task is forked; look ahead before the run's first resource."""
        ours = task.action in _OURS
        if (self._looked_ahead and self._environment is not None) or not (ours or task.action.startswith(_UPSTREAM)):
            return
        from ansible.module_utils.tamma.warm.state import STATE

        # What is wrong with profile, region or endpoint (a ValueError) is the module's to say: it has the words for it.
        with contextlib.suppress(BotoCoreError, AnsibleError, ValueError):
            if self._environment is None:
                self._environment = self._template_environment(host, task)
                STATE.prepare(self._environment)
            if task.action != _GUARD and not self._looked_ahead:
                self._looked_ahead = True
                STATE.look_ahead(self._environment, self._record)
                gc.freeze()  # what is loaded stays: workers need not touch, and so copy, its pages to collect garbage

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Keep what this run asked for the next one, unless it failed."""
        from ansible.module_utils.tamma.warm.state import STATE

        journal, STATE.journal = STATE.journal, None
        with contextlib.suppress(OSError):
            if journal and (stats.failures or stats.dark):
                journal.unlink()
            elif journal:
                journal.replace(self._record)

    def _template_environment(self, host: Any, task: Any) -> dict[str, str]:
        variables = self._play.get_variable_manager().get_vars(play=self._play, host=host, task=task)
        templar = Templar(loader=self._play.get_loader(), variables=variables)
        merged: dict[str, str] = {}
        for part in task.environment or []:
            merged.update(templar.template(part) or {})
        return merged


def sweep(folder: Path) -> None:
    """Remove the journals of runs that were killed, and one of an earlier process with the pid of this one."""
    for path in folder.glob("reads.*"):
        named = _JOURNAL.fullmatch(path.name)
        if named and (int(named[1]) == os.getpid() or not _runs(int(named[1]))):
            path.unlink(missing_ok=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:  # somebody else's process
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return True


def _load_plugins() -> None:
    """Load the plugins that nearly every task needs; each worker would otherwise search and load them again."""
    for kind in (loader.filter_loader, loader.test_loader):
        list(kind.all())
    for path in _ROOT.glob("plugins/lookup/*.py"):
        loader.lookup_loader.get(path.stem, class_only=True)
    for name in ("normal", "assert", "include_tasks", "include_role", "validate_argument_spec"):
        loader.action_loader.get(f"ansible.legacy.{name}", class_only=True)
    loader.connection_loader.get("local", class_only=True)
    loader.shell_loader.get("sh", class_only=True)


def _module_files() -> Iterator[Path]:
    yield from sorted((_ROOT / "library").glob("*.py"))
    upstream = Path(str(files("ansible_collections.amazon.aws"))) / "plugins" / "modules"
    texts = [path.read_text(encoding="utf-8") for path in _ROOT.glob("roles/*/tasks/*.yml")]
    for name in sorted({name for text in texts for name in _UPSTREAM_TASK.findall(text)}):
        yield upstream / f"{name}.py"


def _name_of_run(playbook: str) -> str:
    """Name a run by what decides what it asks: the playbook, the inventory and the tags."""
    arguments = CLIARGS
    parts = [playbook, *(str(arguments.get(name)) for name in ("inventory", "tags", "skip_tags", "subset"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
