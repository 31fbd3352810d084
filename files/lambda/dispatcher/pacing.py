"""The rate of RunTask: a token bucket for each sandbox, which together stay below what AWS allows."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class TokenBucket:
    """Lets calls through one by one, evenly spaced; for any number of threads.

    It holds one token, so that in any second no more than ``rate`` + 1 calls pass. More would be a burst, and RunTask's
    quota has none to spare: 20 calls a second, burst and sustained, for each account and region.
    Source: Amazon ECS Developer Guide, "AWS Fargate throttling quotas" (launching tasks: 100 burst, 20 sustained).
    """

    def __init__(
        self,
        rate: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``rate`` is in calls per second; ``clock`` and ``sleep`` are in seconds."""
        self._interval = 1 / rate
        self._clock = clock
        self._sleep = sleep
        self._next_turn = clock()
        self._lock = threading.Lock()

    def take(self, patience_seconds: float) -> bool:
        """Wait for a turn; False, at once and without a turn, when it would take longer than ``patience_seconds``."""
        with self._lock:
            now = self._clock()
            turn = max(self._next_turn, now)
            if turn - now > patience_seconds:
                return False
            self._next_turn = turn + self._interval
        if turn > now:
            self._sleep(turn - now)
        return True
