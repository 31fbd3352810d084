"""Waiting for a condition."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from tamma_local.errors import LocalCloudError

# Start-up takes fractions of a second: a longer interval would be felt.
_INTERVAL_SECONDS = 0.05


async def until(what: str, condition: Callable[[], Awaitable[bool]], check: Callable[[], None], seconds: float) -> None:
    """Poll a condition; `check` raises when waiting has become pointless, LocalCloudError after the seconds given."""
    deadline = time.monotonic() + seconds
    while not await condition():
        check()
        if time.monotonic() > deadline:
            raise LocalCloudError(f"{what} was not ready after {seconds:.0f} s: see `python -m tamma_local logs`.")
        await asyncio.sleep(_INTERVAL_SECONDS)
