# ruff: noqa: SLF001 - ministack has no public names for any of this; contract.py checks the private ones.
"""TAMMA_TIME_SCALE on the emulator's own timers (SQS, EventBridge, Lambda), for tests that compress time.

The functions and the worker bring the times that they name themselves (a lease, a delay, a message hidden by
ChangeMessageVisibility) down by the same factor, so these are left alone here.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tamma_local.emulator.contract import ContractError, Ministack


def read(environment: Mapping[str, str]) -> float:
    """Return the factor, 1 when none is set. Raises ContractError unless it is above 0 and at most 1."""
    value = environment.get("TAMMA_TIME_SCALE") or "1"
    try:
        factor = float(value)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= 1:
        raise ContractError(f"TAMMA_TIME_SCALE is {value!r}, and must be a number above 0 and at most 1.")
    return factor


def install(ministack: Ministack, factor: float) -> None:
    """Shorten deduplication window, visibility timeouts of queues, rate schedules and the pause after an error."""
    sqs, eventbridge, functions = ministack.sqs, ministack.eventbridge, ministack.functions
    sqs._DEDUP_WINDOW_S *= factor
    sqs._collect_msgs = _hiding(sqs._collect_msgs, factor)
    eventbridge._SCHEDULER_TICK_INTERVAL *= factor
    eventbridge._parse_rate_seconds = _rate(eventbridge._parse_rate_seconds, factor)
    functions._ESM_BACKOFF_SECONDS *= factor


def _hiding(original: Callable[..., list[Any]], factor: float) -> Callable[..., list[Any]]:
    """Wrap `_collect_msgs`: a received message is hidden for a part of the timeout."""

    def wrapped(queue: dict[str, Any], most: int, timeout: float) -> list[Any]:
        return original(queue, most, timeout * factor)

    return wrapped


def _rate(original: Callable[[str], int | None], factor: float) -> Callable[[str], float | None]:
    """Wrap `_parse_rate_seconds`: a schedule of one minute fires more often."""

    def wrapped(expression: str) -> float | None:
        seconds = original(expression)
        return None if seconds is None else seconds * factor

    return wrapped
