"""A run that is killed in the middle is completed by the next one, and a teardown from there leaves nothing.

Killed after every single write: `make interrupted`. Here the same in strides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.interrupter import Interrupter
from tests.e2e.interruptions import Account, recover, up_and_down
from tests.e2e.site import Site, site

# A converge writes 103 times, a teardown 78; these fit into CI.
_CONVERGE_STRIDE, _TEARDOWN_STRIDE = 9, 13


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("interrupted")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Site]:
    with site(folder, Interrupter) as running:
        yield running


@pytest.fixture(scope="module")
def account(running: Site, folder: Path) -> Account:
    return Account(running, folder)


def test_killed_again_and_again_it_gets_there_and_back(running: Site, account: Account) -> None:
    up_and_down(running, account, _CONVERGE_STRIDE, _TEARDOWN_STRIDE)


@pytest.mark.parametrize("writes", [29, 58, 93])
def test_killed_once_it_is_completed_or_torn_down(running: Site, account: Account, writes: int) -> None:
    assert recover(running, account, writes).killed
