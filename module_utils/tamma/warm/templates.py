"""Compiled Jinja templates, kept from run to run.

Ansible compiles a template each time a variable is used, in a worker that forgets it: some two thousand times in a run
that knows a few hundred texts. As Python keeps .pyc files, this keeps their code.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import sys
from importlib.metadata import version
from pathlib import Path
from types import CodeType
from typing import Any

Key = tuple[str, ...]


class Templates:
    """Code by template text and settings; workers add what they compile to a journal that the next run reads."""

    def __init__(self, folder: Path) -> None:
        """Read what earlier runs with the same versions of Python, Ansible and Jinja compiled."""
        versions = f"{sys.implementation.cache_tag}-{version('ansible-core')}-{version('jinja2')}"
        self._journal = folder / f"templates.{versions}"
        self._code: dict[Key, CodeType] = {}
        with contextlib.suppress(OSError):
            self._read()

    def _read(self) -> None:
        """Read the journal, and cut off an end that was written half."""
        sound = 0
        with contextlib.suppress(EOFError, ValueError, TypeError), self._journal.open("rb") as file:
            while True:
                key, code = marshal.load(file)  # noqa: S302 - our own file, writable by its owner alone, like a .pyc
                self._code[key] = code
                sound = file.tell()
        if sound < self._journal.stat().st_size:
            os.truncate(self._journal, sound)

    def install(self) -> None:
        """Let Ansible's Jinja environment ask here first; without effect where Ansible has changed its internals."""
        try:
            from ansible._internal._templating import _jinja_bits as bits

            environment, compiling = bits.AnsibleEnvironment, bits._TemplateCompileContext  # noqa: SLF001
        except (ImportError, AttributeError):
            return
        compile_text = environment.compile
        settings = ("block_start_string", "variable_start_string", "comment_start_string", "trim_blocks")

        def compile_once(self: Any, source: Any, *args: Any, **options: Any) -> Any:
            if not isinstance(source, str) or args or options:
                return compile_text(self, source, *args, **options)
            context = compiling.current(optional=True)
            escaping = str(bool(context and context.escape_backslashes))
            key = (str(source), escaping, *(str(getattr(self, name)) for name in settings))
            if key not in kept._code:
                kept._add(key, compile_text(self, source))
            return kept._code[key]

        kept = self
        environment.compile = compile_once

    def _add(self, key: Key, code: CodeType) -> None:
        self._code[key] = code
        with contextlib.suppress(OSError):
            descriptor = os.open(self._journal, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, marshal.dumps((key, code)))  # one write: other workers append to the same file
            finally:
                os.close(descriptor)
