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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests of one case on one emulator after one another: making an account costs more than a test."""
    order: dict[object, int] = {}
    keys = {}
    for item in items:
        call = getattr(item, "callspec", None)
        param = call.params.get("stand") if call else None
        keys[item] = order.setdefault((param[1], param[0].id) if param else None, len(order))
    items.sort(key=lambda item: keys[item])
