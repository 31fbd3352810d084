"""A run that is killed in the middle is completed by the next one, and a teardown from there leaves nothing.

Killed after every single write: `make interrupted`. Here the same in strides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.interrupter import Interrupter
from tests.e2e.interruptions import Account, assert_silent, ladder, recover
from tests.e2e.site import Site, site

# A converge writes about a hundred times, a teardown about eighty. Steps that share no factor with each other, so that
# the two ladders do not stop at the same resources.
_CONVERGE_STRIDE, _TEARDOWN_STRIDE = 5, 7


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
    up = ladder(lambda: running.run(kill_after=_CONVERGE_STRIDE))
    assert sum(len(run.writes) for run in up) > 90
    assert {len(run.writes) for run in up[:-1]} == {_CONVERGE_STRIDE}
    assert_silent(running)
    down = ladder(lambda: running.teardown(kill_after=_TEARDOWN_STRIDE))
    assert sum(len(run.writes) for run in down) > 60
    account.assert_nothing_left()


@pytest.mark.parametrize("writes", [3, 29, 53, 88])
def test_killed_once_it_is_completed_or_torn_down(running: Site, account: Account, writes: int) -> None:
    assert recover(running, account, writes).killed
