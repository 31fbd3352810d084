"""The token bucket on a clock of the test's own, and the settings that it comes from."""

from __future__ import annotations

import itertools
import threading

import pytest
from pacing import TokenBucket
from settings import SettingsError, rate


class Clock:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.now += seconds


def test_calls_are_evenly_spaced() -> None:
    clock = Clock()
    bucket = TokenBucket(8, clock, clock.sleep)
    times = []
    for _ in range(17):
        assert bucket.take(10)
        times.append(clock.now)
    assert times[0] == 100, "the first does not wait"
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [0.125] * 16


def test_a_pause_saves_nothing_up() -> None:
    clock = Clock()
    bucket = TokenBucket(2, clock, clock.sleep)
    assert bucket.take(0)
    clock.now += 3600
    assert bucket.take(0)
    assert not bucket.take(0)


def test_a_turn_that_comes_too_late_is_not_taken() -> None:
    clock = Clock()
    bucket = TokenBucket(1, clock, clock.sleep)
    assert bucket.take(0)
    assert not bucket.take(0.99)
    assert clock.now == 100, "it is said at once"
    assert bucket.take(1)
    assert clock.now == 101


def test_threads_share_the_turns() -> None:
    slept: list[float] = []
    bucket = TokenBucket(4, lambda: 0.0, slept.append)
    threads = [threading.Thread(target=bucket.take, args=(60,)) for _ in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slept) == [number / 4 for number in range(1, 9)]


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "many"])
def test_a_senseless_rate_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match=r"RUN_TASK_RATE is .*above 0"):
        rate({"RUN_TASK_RATE": value}, "RUN_TASK_RATE")
