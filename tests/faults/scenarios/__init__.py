"""Every scenario by its name, in the order of the contract's table."""

from __future__ import annotations

from tests.faults.scenario import Scenario
from tests.faults.scenarios.capacity import NoCapacity, Throttled
from tests.faults.scenarios.none import NoFault

SCENARIOS: dict[str, type[Scenario]] = {
    kind.name: kind
    for kind in (
        NoFault,
        Throttled,
        NoCapacity,
    )
}  # fmt: skip
