"""Fixtures of the resource contract: the emulators, and one account per case."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.contract import emulators
from tests.contract.emulators import Emulator


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Emulator]]:
    """Return a function from an emulator's name to the running emulator, started when first asked for."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # moto's server logs every request
    with ExitStack() as stack:
        running: dict[str, Emulator] = {}

        def get(name: str) -> Emulator:
            if name not in running:
                folder = tmp_path_factory.mktemp(name)
                context = emulators.ministack(folder) if name == "ministack" else emulators.moto()
                running[name] = stack.enter_context(context)
            return running[name]

        yield get
