"""Every scenario by its name, in the order of the contract's table."""

from __future__ import annotations

from tests.faults.scenario import Scenario
from tests.faults.scenarios.bad_input import BadInput
from tests.faults.scenarios.capacity import NoCapacity, Throttled
from tests.faults.scenarios.database import SupabaseDown
from tests.faults.scenarios.deployment import Deployment
from tests.faults.scenarios.duplicates import Duplicates
from tests.faults.scenarios.events_dropped import EventsDropped
from tests.faults.scenarios.everything import Everything
from tests.faults.scenarios.kill_points import KillPoints
from tests.faults.scenarios.kills import Kills
from tests.faults.scenarios.lambda_dies import LambdaDies
from tests.faults.scenarios.none import NoFault
from tests.faults.scenarios.redrive import Redrive
from tests.faults.scenarios.spot import Spot
from tests.faults.scenarios.storage import S3Errors

SCENARIOS: dict[str, type[Scenario]] = {
    kind.name: kind
    for kind in (
        NoFault,
        Kills,
        KillPoints,
        Spot,
        LambdaDies,
        Throttled,
        NoCapacity,
        Duplicates,
        SupabaseDown,
        S3Errors,
        BadInput,
        Redrive,
        EventsDropped,
        Deployment,
        Everything,
    )
}  # fmt: skip
