"""Runs an Ansible module inside this process, as AnsiballZ would in one of its own."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import json
import os
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ansible.module_utils import basic
from ansible.module_utils.common.json import Direction, get_module_encoder

PROFILE = "legacy"  # how module arguments and results are serialised; what Ansible itself uses for Python modules


@cache
def load(path: Path) -> ModuleType:
    """Import a module from its file; one of a collection by its name, so that its own imports find it."""
    parts = path.parts
    if "ansible_collections" in parts:
        return importlib.import_module(".".join([*parts[parts.index("ansible_collections") : -1], path.stem]))
    spec = importlib.util.spec_from_file_location(f"tamma_library_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(path: Path, arguments: Mapping[str, Any]) -> str:
    """Run a module with these arguments and return what it printed: its result as JSON."""
    module = load(path)
    encoder = get_module_encoder(PROFILE, Direction.CONTROLLER_TO_MODULE)
    basic._ANSIBLE_ARGS = json.dumps({"ANSIBLE_MODULE_ARGS": arguments}, cls=encoder).encode()  # noqa: SLF001 - where
    basic._ANSIBLE_PROFILE = PROFILE  # noqa: SLF001 - a module looks for its arguments
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        module.main()
    return output.getvalue()


@contextlib.contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have these environment variables for a while."""
    before = dict(os.environ)
    os.environ.update({name: str(value) for name, value in variables.items()})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
