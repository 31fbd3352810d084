"""The ways that a job may take, told independently of the functions: from state to state, and what its attempt does."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TERMINAL = {"succeeded", "failed"}
# Every change of state or attempt, and by how much the attempt may change with it. A released attempt goes back by one.
STEPS: dict[tuple[str, str], set[int]] = {
    ("queued", "starting"): {1},
    ("queued", "failed"): {0},
    ("starting", "queued"): {-1},
    ("starting", "running"): {0},
    ("starting", "retrying"): {0, -1},
    ("starting", "succeeded"): {0},
    ("starting", "failed"): {0},
    ("running", "retrying"): {0},
    ("running", "succeeded"): {0},
    ("running", "failed"): {0},
    ("retrying", "starting"): {1},
    ("retrying", "failed"): {0},
    # The one way out of an end.
    ("failed", "retrying"): {0},
}


def assert_legal(history: Sequence[tuple[str, int]], reopened: int) -> None:
    """Hold a history of (state, attempt) to the steps; each life but the last ends in exactly one "failed"."""
    assert history[0][0] in {"queued", "starting"}
    for (state, attempt), (following, following_attempt) in pairwise(history):
        assert following_attempt - attempt in STEPS.get((state, following), set()), (state, following)
    ends = [state for state, _ in history if state in TERMINAL]
    is_over = history[-1][0] in TERMINAL
    assert len(ends) == reopened + is_over
    assert set(ends[:reopened]) <= {"failed"}
