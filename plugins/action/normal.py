"""Action: run a module as Ansible does; one of ours or of amazon.aws inside the worker that Ansible already forked."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import ansible.module_utils
from ansible.constants import _ACTION_SETUP, DEFAULT_LOCAL_TMP
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display
from ansible.utils.vars import merge_hash
from ansible_collections.amazon.aws.plugins.module_utils.exceptions import AnsibleAWSError
from botocore.exceptions import BotoCoreError, ClientError

_ROOT = Path(__file__).resolve().parents[2]
_OURS = _ROOT / "library"
_UPSTREAM = "amazon.aws."
_DEBUGGING = 3  # -vvv: Ansible's own way keeps files and prints commands

# Ansible shows a project's module_utils to modules alone; here modules run in Ansible's own process.
if str(_ROOT / "module_utils") not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(str(_ROOT / "module_utils"))

Result = dict[str, Any]


class ActionModule(ActionBase):
    """The action of every module that has none of its own; Ansible looks for this name among a project's plugins.

    It hides Ansible's own action of this name from imports, so `run` repeats what that one does.
    """

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> Result:
        """Run the task's module; a module of amazon.aws is also made to say what it changes, and what to do next."""
        result = super().run(tmp, task_vars)
        wrap_async = self._task.async_val
        if self._task.action.startswith(_UPSTREAM) and not wrap_async:
            result = merge_hash(result, self._run_upstream(task_vars or {}))
        else:
            result = merge_hash(result, self._execute_module(task_vars=task_vars, wrap_async=wrap_async))
        if self._task.action in _ACTION_SETUP:  # facts are shown with -v only
            result["_ansible_verbose_override"] = True
        if not wrap_async:
            self._remove_tmp_path(self._connection._shell.tmpdir)  # noqa: SLF001 - as Ansible's own action does
        return dict(result)

    def _run_upstream(self, task_vars: dict[str, Any]) -> Result:
        """Plan, then act: the module runs in check mode first, and what it would change is read before it runs."""
        from ansible.module_utils.tamma import errors, upstream

        kind = upstream.KINDS.get(self._task.action)
        what = f"{kind.words} {self._task.args.get(kind.name)}" if kind else self._task.action
        try:
            result = self._plan_and_act(kind, task_vars)
        except (AnsibleAWSError, BotoCoreError, ClientError) as error:  # these modules let some errors pass
            result = {"failed": True, "msg": str(error)}
        if result.get("failed"):
            # A module that stopped with an exception has no message; the exception's words are in its summary.
            stopped = getattr(getattr(result.pop("exception", None), "event", None), "msg", "")
            result["msg"] = errors.sentence_of(what, str(result.get("msg") or stopped))
        return result

    def _plan_and_act(self, kind: Any, task_vars: dict[str, Any]) -> Result:
        checking, self._task.check_mode = self._task.check_mode, self._task.check_mode or kind is not None
        try:
            result = self._execute_module(task_vars=task_vars)
        finally:
            self._task.check_mode = checking
        if kind and not result.get("failed"):
            explained: Result = self._explain(kind) if result.get("changed") else {"action": "none"}
            if result.get("changed") and not checking:
                acted = self._execute_module(task_vars=task_vars)
                if "EntityAlreadyExists" in str(acted.get("msg", "")):  # a creation whose answer was lost: look again
                    acted = {**self._execute_module(task_vars=task_vars), "changed": True}
                result = _sum_calls(result, acted)
                found = result.get(kind.returned) or {}
                explained |= {"resource": {name: found[name] for name in kind.computed if name in found}}
            result = _sum_calls(result, explained)
        return result

    def _explain(self, kind: Any) -> Result:
        """Return what the module is about to change, as a module of ours does."""
        from ansible.module_utils.tamma import plan, upstream
        from ansible.module_utils.tamma.warm import running
        from ansible.module_utils.tamma.warm.state import STATE

        with running.environment(self._variables()), STATE.module_run(reading_only=True) as calls:
            found = upstream.plan(kind, self._task.args, STATE.clients.get)
        diff = plan.difference(kind.words, str(self._task.args[kind.name]), found)
        # What the table does not know has changed all the same: the module says so.
        action = found.action if found.changed else "update"
        return {"action": action, "diff": diff, "api_calls": dict(calls)}

    def _execute_module(
        self,
        module_name: str | None = None,
        module_args: dict[str, Any] | None = None,
        tmp: str | None = None,
        task_vars: dict[str, Any] | None = None,
        **more: Any,
    ) -> Result:
        name = module_name or self._task.action
        path = self._warm_module(name, task_vars or {}, wrap_async=bool(more.get("wrap_async")))
        if path is None:
            return dict(super()._execute_module(module_name, module_args, tmp, task_vars, **more))
        arguments = dict(self._task.args if module_args is None else module_args)
        self._update_module_args(name, arguments, task_vars or {})
        return self._run_warm(path, arguments)

    def _warm_module(self, name: str, task_vars: dict[str, Any], *, wrap_async: bool) -> Path | None:
        """Return the file of a module that can run in this process: an AWS module, on this machine and interpreter."""
        elsewhere = self._connection.transport != "local" or self._connection.become or self._task.delegate_to
        interpreter = self._templar.template(task_vars.get("ansible_python_interpreter", sys.executable))
        debugging = Display().verbosity >= _DEBUGGING or os.environ.get("TAMMA_WARM") == "0"
        if elsewhere or debugging or wrap_async or interpreter != sys.executable:
            return None
        found = self._shared_loader_obj.module_loader.find_plugin_with_context(
            name, collection_list=self._task.collections
        )
        path = Path(found.plugin_resolved_path or "")
        return path if path.parent == _OURS or str(found.resolved_fqcn).startswith(_UPSTREAM) else None

    def _run_warm(self, path: Path, arguments: dict[str, Any]) -> Result:
        from ansible.module_utils.tamma.warm import running
        from ansible.module_utils.tamma.warm.state import STATE

        checking = bool(arguments["_ansible_check_mode"])
        arguments["_ansible_tmpdir"] = DEFAULT_LOCAL_TMP  # Ansible removes it at the end of the run
        with running.environment(self._variables()), STATE.module_run(reading_only=checking) as calls:
            output = running.run(path, arguments)
        answer = {"stdout": output, "stdout_lines": output.splitlines(), "stderr": "", "stderr_lines": [], "rc": 0}
        result = self._parse_returned_data(answer, running.PROFILE)
        result.remove_internal_keys()
        return {**result.as_result_dict(for_round_trip=True), "api_calls": dict(calls)}

    def _variables(self) -> dict[str, str]:
        variables: dict[str, str] = {}
        self._compute_environment_string(variables)
        return variables


def _sum_calls(first: Result, second: Result) -> Result:
    """Return the second result over the first, with the API calls of both."""
    calls = Counter(first.get("api_calls") or {}) + Counter(second.get("api_calls") or {})
    return {**first, **second, **({"api_calls": dict(calls)} if "api_calls" in {**first, **second} else {})}
