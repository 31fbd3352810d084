"""Ends the cloud's processes when the supervisor could not: it is told their groups and sees the supervisor's end.

Run as a program with the standard library alone. It reads `+<group>` and `-<group>` lines from its standard input; when
the input ends, the supervisor is gone, however that happened, and every group that is still listed is ended.
"""

import contextlib
import os
import signal
import sys
import time

# The emulator saves its state on SIGTERM and PostgreSQL its pages; this bounds how long they get, in seconds.
_GRACE_SECONDS = 8.0
_POLL_SECONDS = 0.05


def main() -> None:
    """Listen until the input ends, then end what is left."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, None] = {}
    for line in sys.stdin:
        group = int(line[1:])
        if line.startswith("+"):
            groups[group] = None
        else:
            groups.pop(group, None)
    end(list(groups))


def end(groups: list[int]) -> None:
    """SIGTERM, then SIGINT (PostgreSQL's word for "do not wait for clients"), then SIGKILL after the grace."""
    _send(groups, signal.SIGTERM)
    _send(groups, signal.SIGINT)
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline and any(_alive(group) for group in groups):
        time.sleep(_POLL_SECONDS)
    _send(groups, signal.SIGKILL)


def _send(groups: list[int], number: int) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, number)


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    main()
