"""What has to hold after a run was killed, and every place where one can be.

`python -m tests.e2e.interruptions` tries them all: runs that are killed after each single write until the stack is
complete, and until it is gone; then a first run that is killed after one write, another after two, and so on.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tamma_local.layout import REPOSITORY

from tests.e2e.interrupter import Interrupter
from tests.e2e.site import Run, Site, site

_SCRIPTS = REPOSITORY / "molecule" / "default"
_MOST_STEPS = 400  # several times what a converge writes: something is made and undone for ever


class Account:
    """What a site's account held at one moment, to compare with."""

    def __init__(self, running: Site, folder: Path) -> None:
        self._site, self._note = running, str(folder / "empty_account.json")
        self._script("account.py", "note", self._note)

    def assert_unchanged(self) -> None:
        """Compare everything that the account holds, whoever made it."""
        self._script("account.py", "compare", self._note)

    def _script(self, name: str, *arguments: str) -> None:
        cloud = self._site.cloud
        variables = {
            "AWS_ENDPOINT_URL": cloud.aws_endpoint_url,
            "AWS_REGION": cloud.region,
            "AWS_ACCESS_KEY_ID": cloud.access_key_id,
            "AWS_SECRET_ACCESS_KEY": cloud.secret_access_key,
        }
        kept = {variable: value for variable, value in os.environ.items() if not variable.startswith("AWS_")}
        done = subprocess.run(
            [sys.executable, str(_SCRIPTS / name), *arguments], env=kept | variables, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout


def ladder(step: Callable[[], Run]) -> list[Run]:
    """Repeat a run that is killed on its way until it ends by itself; return all of them."""
    runs: list[Run] = []
    while not runs or runs[-1].killed:
        assert len(runs) < _MOST_STEPS, f"It never ends; the last ones wrote {[run.writes for run in runs[-5:]]}."
        runs.append(step())
    assert runs[-1].code == 0, runs[-1].output
    return runs


def assert_silent(running: Site) -> None:
    """Converge a stack that is complete."""
    run = running.converge()
    assert run.last_line == "No changes.", run.output
    assert run.writes == []


def up_and_down(running: Site, account: Account, converge_stride: int, teardown_stride: int) -> None:
    """Kill each run after so many writes, first on the way to the whole stack, then on the way back."""
    up = ladder(lambda: running.run(kill_after=converge_stride))
    # A converge writes 103 times, the ladder a little less: a half made bucket has some of its properties by AWS's
    # defaults, so that the next run need not set them.
    assert sum(len(run.writes) for run in up) > 90
    assert all(len(run.writes) >= converge_stride for run in up[:-1])
    assert_silent(running)
    down = ladder(lambda: running.teardown(kill_after=teardown_stride))
    assert sum(len(run.writes) for run in down) > 60
    assert all(len(run.writes) >= teardown_stride for run in down[:-1])
    account.assert_unchanged()
    print(f"A converge in {len(up)} runs and a teardown in {len(down)}, all but the last of them killed.", flush=True)


def recover(running: Site, account: Account, writes: int) -> Run:
    """Kill a first converge after so many writes, and tear down; kill another, converge, be silent, tear down.

    Returns the killed run, or the one that had no more writes to be killed after.
    """
    for completed in (False, True):
        killed = running.run(kill_after=writes)
        assert killed.killed or killed.code == 0, killed.output
        if completed:
            running.converge()
            assert_silent(running)
        running.teardown()
        account.assert_unchanged()
    return killed


def main() -> int:
    """Go up and down in single steps, then try every place from `--from` on; return the exit status."""
    parser = argparse.ArgumentParser(description="Kill a first converge after each of its writes and recover from it.")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first number of writes")
    parser.add_argument("--stride", type=int, default=1, help="try every so many numbers")
    options = parser.parse_args()
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # clients that are killed in the middle of a request
    if options.first == 1:
        with tempfile.TemporaryDirectory() as folder, site(Path(folder), Interrupter) as running:
            up_and_down(running, Account(running, Path(folder)), options.stride, options.stride)
    started, failures, tried = time.monotonic(), 0, 0
    for writes, place, failure in _places(options.first, options.stride):
        tried += 1
        failures += bool(failure)
        print(f"{writes:4} {place:45} {failure or 'recovered'} ({time.monotonic() - started:.0f} s)", flush=True)
    print(f"{tried} places, {failures} failures.")
    return 1 if failures or not tried else 0


def _places(writes: int, stride: int) -> Iterator[tuple[int, str, str]]:
    """Yield the number of writes, the last of them, and what failed; a new cloud follows a failure."""
    while writes < _MOST_STEPS:
        with tempfile.TemporaryDirectory() as folder, site(Path(folder), Interrupter) as running:
            account, failure = Account(running, Path(folder)), ""
            while not failure:
                place = "?"
                try:
                    run = recover(running, account, writes)
                    if not run.killed:
                        return
                    place = run.writes[-1]
                except AssertionError as error:
                    failure = f"FAILED\n{error}\n"
                yield writes, place, failure
                writes += stride


if __name__ == "__main__":
    sys.exit(main())
