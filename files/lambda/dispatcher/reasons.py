"""Why a message was returned to the queue; each reason is counted as the metric ``Returned<value>``."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """One word for the metrics; the sentence in the log says the rest."""

    CAPACITY = "Capacity"  # RunTask answered with failures[]
    THROTTLED = "Throttled"  # ECS said "not now"
    PACED = "Paced"  # our own rate left no time for it in this batch
    REFUSED = "Refused"  # waiting will not help: a missing right, an invalid parameter
    UNREACHABLE = "Unreachable"  # ECS gave no answer, or an error of its own
    STORE = "Store"  # Supabase gave no answer, or none that makes sense
    TIME = "Time"  # the batch took too long
    BEHIND = "Behind"  # an earlier message of the same group was returned
    FAULT = "Fault"  # an error of the dispatcher itself
