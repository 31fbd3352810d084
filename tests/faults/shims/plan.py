"""Which calls are spoiled, how, and when: decided from the seed and the call itself, never by the order of arrival."""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase


class Kind(Enum):
    """What happens to a call."""

    REFUSED = "refused"  # the service says no; nothing was carried out
    CUT = "cut"  # the connection breaks before anything was read
    TORN = "torn"  # … in the middle of the request's body; nothing was carried out
    LOST = "lost"  # carried out, and the connection breaks before the answer
    HALF = "half"  # carried out, and the connection breaks in the middle of the answer's body
    SLOW = "slow"  # carried out after a pause


@dataclass(frozen=True)
class Fault:
    """One way to fail. `status` and `code` are a refusal's, in the service's own words; `seconds` are a pause's."""

    kind: Kind
    status: int = 0
    code: str = ""
    seconds: float = 0.0

    def __str__(self) -> str:
        return " ".join(str(part) for part in (self.kind.value, self.status, self.code, self.seconds) if part)


CUT, TORN, LOST, HALF = (Fault(kind) for kind in (Kind.CUT, Kind.TORN, Kind.LOST, Kind.HALF))


def refused(status: int, code: str = "") -> Fault:
    """Return the fault of a service that says no."""
    return Fault(Kind.REFUSED, status, code)


def slow(seconds: float) -> Fault:
    """Return the fault of a service that takes its time."""
    return Fault(Kind.SLOW, seconds=seconds)


@dataclass(frozen=True)
class Call:
    """One call: the operation, whose it is (a job's attempt, an object), and the how-manieth time it is made."""

    operation: str
    owner: str
    number: int = 1


@dataclass(frozen=True)
class Rule:
    """Spoils a share of the calls whose operation fits a pattern, from `start` to `end` seconds after the beginning."""

    fault: Fault
    share: float = 1.0
    calls: str = "*"
    start: float = 0.0
    end: float = math.inf

    def is_about(self, call: Call, seconds: float) -> bool:
        """Say whether this call is one that may be spoiled now."""
        return self.start <= seconds < self.end and fnmatchcase(call.operation, self.calls)


class Plan:
    """Rules with a seed, and what came of them. It spoils nothing before `begin`."""

    def __init__(self, seed: int, rules: Sequence[Rule]) -> None:
        self.met: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self._seed, self._rules = seed, tuple(rules)
        self._times: Counter[tuple[str, str]] = Counter()
        self._began: float | None = None

    def begin(self) -> None:
        """Start the clock of the rules, anew when it runs already."""
        self._began = time.monotonic()

    def ends_in(self) -> float:
        """Return the seconds until the last rule that ends has ended; 0 when that is past."""
        ends = [rule.end for rule in self._rules if rule.end < math.inf]
        return max(0.0, max(ends, default=0.0) - self._elapsed())

    def decide(self, operation: str, owner: str) -> Fault | None:
        """Return what happens to the next call of this owner: the first rule that hits it, or None."""
        self._times[operation, owner] += 1
        call = Call(operation, owner, self._times[operation, owner])
        seconds = self._elapsed()
        for place, rule in enumerate(self._rules):
            if rule.is_about(call, seconds) and self._draw(place, call) < rule.share:
                self.met[f"{operation}: {rule.fault}"] += 1
                return rule.fault
        self.passed[operation] += 1
        return None

    def _elapsed(self) -> float:
        return -1.0 if self._began is None else time.monotonic() - self._began

    def _draw(self, place: int, call: Call) -> float:
        """Return a number from 0 to 1 that is the same for the same call in every run with the same seed."""
        identity = f"{self._seed}|{place}|{call.operation}|{call.owner}|{call.number}"
        return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8]) / 2**64
