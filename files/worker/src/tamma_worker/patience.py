"""Trying again, with exponential backoff and full jitter, for a bounded time."""

import random
import time
from collections.abc import Callable, Iterator

_FIRST = 0.25  # seconds before the second try: short for a blip
LONGEST = 8.0  # seconds between tries: never so long that a recovery goes unseen


def attempts(seconds: float, pause: Callable[[float], object], longest: float = LONGEST) -> Iterator[int]:
    """Yield 1, 2, 3, …; waits up to ``longest`` between them with ``pause`` and ends once ``seconds`` have passed."""
    deadline = time.monotonic() + seconds
    number, delay = 1, _FIRST
    while True:
        yield number
        left = deadline - time.monotonic()
        if left <= 0:
            return
        pause(min(left, delay * random.uniform(0.5, 1.0)))  # noqa: S311 (jitter, not cryptography)
        number, delay = number + 1, min(longest, delay * 2)
