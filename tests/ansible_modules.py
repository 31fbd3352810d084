"""Runs a module of library/ in this process, the way Ansible would, and records the AWS calls it makes."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

import ansible.module_utils

ROOT = Path(__file__).resolve().parent.parent
LIBRARY = ROOT / "library"

# Ansible puts module_utils/ of a project beside its own at run time; in a test Python has to be told.
if str(ROOT / "module_utils") not in ansible.module_utils.__path__:
    ansible.module_utils.__path__.append(str(ROOT / "module_utils"))

from ansible.module_utils.tamma.calls import reads  # noqa: E402
from ansible.module_utils.testing import patch_module_args  # noqa: E402
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule  # noqa: E402


@dataclass(frozen=True)
class Outcome:
    """What a module said; `calls` are the AWS operations it made, for example `sqs:CreateQueue`."""

    result: Mapping[str, Any]
    calls: tuple[str, ...] = ()

    @property
    def failed(self) -> bool:
        return bool(self.result.get("failed"))

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))

    @property
    def changed(self) -> bool:
        return bool(self.result.get("changed"))

    @property
    def before(self) -> dict[str, Any]:
        return dict(self.result.get("diff", {}).get("before", {}))

    @property
    def after(self) -> dict[str, Any]:
        return dict(self.result.get("diff", {}).get("after", {}))

    @property
    def resource(self) -> dict[str, Any]:
        return dict(self.result.get("resource", {}))

    @property
    def differs(self) -> set[str]:
        """The properties whose values before and after are not the same in the diff."""
        return {name for name in {*self.before, *self.after} if self.before.get(name) != self.after.get(name)}

    @property
    def writes(self) -> list[str]:
        """The calls that may have changed something."""
        return [call for call in self.calls if not reads(call.partition(":")[2])]


class KilledError(BaseException):
    """The end of a process, as far as a module can see it: no handler of exceptions catches it."""


@dataclass
class Recorder:
    """Collects the operations of the boto3 clients it is attached to, and can end a module after any of them."""

    calls: list[str] = field(default_factory=list)
    _writes_left: int = 0

    def attach(self, client: Any) -> None:
        """Record every call of this client from now on."""
        # The earliest event of a call: from before-call on, botocore's Stubber answers in the place of later handlers.
        client.meta.events.register("provide-client-params", self._note)
        client.meta.events.register("after-call", self._kill)

    @contextlib.contextmanager
    def killing(self, after_writes: int) -> Iterator[None]:
        """Raise KilledError in a client as soon as so many calls that may change something have been answered."""
        self._writes_left = after_writes
        try:
            yield
        finally:
            self._writes_left = 0

    def _note(self, model: Any, **_: Any) -> None:
        self.calls.append(f"{model.service_model.service_name}:{model.name}")

    def _kill(self, model: Any, **_: Any) -> None:
        if self._writes_left and not reads(model.name):
            self._writes_left -= 1
            if not self._writes_left:
                raise KilledError


@cache
def load(name: str) -> ModuleType:
    """Import library/<name>.py."""
    spec = importlib.util.spec_from_file_location(f"tamma_library_{name}", LIBRARY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def resource_class(name: str) -> Any:
    """Return the Resource class of a module, or None for one that manages no resource."""
    from ansible.module_utils.tamma.resource import Resource

    own = [
        item
        for item in vars(load(name)).values()
        if isinstance(item, type) and issubclass(item, Resource) and item is not Resource
    ]
    return own[-1] if own else None


@contextlib.contextmanager
def _client_from(connect: Callable[[str], Any] | None) -> Iterator[None]:
    if connect is None:
        yield
        return
    with mock.patch.object(AnsibleAWSModule, "client", lambda _self, service, **_options: connect(service)):
        yield


def run_module(
    name: str,
    options: Mapping[str, Any],
    *,
    check: bool = False,
    connect: Callable[[str], Any] | None = None,
    recorder: Recorder | None = None,
) -> Outcome:
    """Run a module and return what it printed; `connect` gives it boto3 clients instead of its own."""
    recorder = recorder or Recorder()
    start = len(recorder.calls)
    arguments = {**options, "_ansible_check_mode": check, "_ansible_diff": True}
    output = io.StringIO()
    with (
        patch_module_args(arguments),
        _client_from(connect),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        load(name).main()
    return Outcome(json.loads(output.getvalue()), tuple(recorder.calls[start:]))
