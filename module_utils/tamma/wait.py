"""Waiting by polling, for what botocore has no waiter."""

from __future__ import annotations

import time
from collections.abc import Callable

from ansible.module_utils.tamma.errors import RefusalError, code_of
from botocore.exceptions import ClientError

_FIRST_PAUSE = 0.1  # seconds: an emulator is done at once
_LONGEST_PAUSE = 5.0  # seconds: AWS documents waiters of 5-15 s for the same states


def poll(condition: Callable[[], bool], *, what: str, timeout: float = 300) -> None:
    """Return as soon as the condition holds, asking ever less often; RefusalError after `timeout` seconds."""
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while not condition():
        if time.monotonic() + pause > deadline:
            raise RefusalError(f"{what} was not finished after {timeout:.0f} s; look at it in the console and re-run")
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


def retry_on[Result](call: Callable[[], Result], *codes: str, containing: str = "", timeout: float = 60) -> Result:
    """Repeat a call that AWS refuses only because IAM has not spread yet (up to a minute, per its documentation)."""
    deadline, pause = time.monotonic() + timeout, _FIRST_PAUSE
    while True:
        try:
            return call()
        except ClientError as error:
            if code_of(error) not in codes or containing not in str(error) or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
