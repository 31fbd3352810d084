"""How a shim gets between the system and a service: by what the system itself is configured with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tamma_local.relay import Relay

from tests.e2e.pipeline import DISPATCHER
from tests.faults.shims.ecs import FaultyEcs
from tests.faults.shims.plan import Plan
from tests.faults.shims.supabase import FaultySupabase
from tests.faults.world import World

RECONCILER = "tamma-dev-reconciler"
FAMILY = "tamma-dev-audio-clean"
SUPABASE_URL = "/tamma/dev/supabase_url"


@contextmanager
def ecs_spoiled(world: World, plan: Plan) -> Iterator[FaultyEcs]:
    """Put a shim between the dispatcher and ECS; every other service is reached as before."""
    with (
        FaultyEcs(world.cloud.aws_endpoint_url, plan) as shim,
        world.reconfigured(DISPATCHER, AWS_ENDPOINT_URL_ECS=shim.url),
    ):
        yield shim


@contextmanager
def workers_reach_s3_through[S3Shim: Relay](world: World, shim: S3Shim) -> Iterator[S3Shim]:
    """Put a shim between the workers and S3, by a revision of their task definition that names it."""
    with shim, _worker_told(world, AWS_ENDPOINT_URL_S3=shim.url):
        yield shim


@contextmanager
def supabase_spoiled(world: World, plan: Plan) -> Iterator[FaultySupabase]:
    """Put a shim in front of Supabase that spoils what the plan says."""
    with supabase_through(world, FaultySupabase(world.cloud.supabase_url, plan)) as shim:
        yield shim


@contextmanager
def supabase_through[SupabaseShim: Relay](world: World, shim: SupabaseShim) -> Iterator[SupabaseShim]:
    """Put a shim between Supabase and both functions and the workers: all of them read its address from SSM."""
    with shim, ExitStack() as undo:
        ssm = world.aws("ssm")
        before = ssm.get_parameter(Name=SUPABASE_URL)["Parameter"]["Value"]
        undo.callback(ssm.put_parameter, Name=SUPABASE_URL, Value=before, Overwrite=True)
        ssm.put_parameter(Name=SUPABASE_URL, Value=shim.url, Overwrite=True)
        for function in (DISPATCHER, RECONCILER):
            # They read parameters when they start: a version of its own starts anew.
            undo.enter_context(world.reconfigured(function, SUPABASE_READ_ANEW=shim.url))
        yield shim


@contextmanager
def _worker_told(world: World, **variables: str) -> Iterator[None]:
    """Give the workers more environment variables meanwhile."""
    ecs = world.aws("ecs")
    current: dict[str, Any] = ecs.describe_task_definition(taskDefinition=FAMILY)["taskDefinition"]
    accepted = ecs.meta.service_model.operation_model("RegisterTaskDefinition").input_shape.members
    deployed = {name: value for name, value in current.items() if name in accepted}
    request = copy.deepcopy(deployed)
    for container in request["containerDefinitions"]:
        container["environment"] = [
            *(one for one in container.get("environment", []) if one["name"] not in variables),
            *({"name": name, "value": value} for name, value in variables.items()),
        ]
    made = ecs.register_task_definition(**request)["taskDefinition"]["taskDefinitionArn"]
    try:
        yield
    finally:
        # As a revision of its own: the emulator goes on with the newest one even when it is inactive.
        ecs.register_task_definition(**deployed)
        ecs.deregister_task_definition(taskDefinition=made)
