from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from job_store import JobStore

from tests.unit.functions.rest import RestOverDatabase
from tests.unit.supabase.conftest import database, database_server  # noqa: F401 the fixtures of the schema's tests

if TYPE_CHECKING:
    from tests.unit.supabase.database import Database

FUNCTIONS = Path(__file__).parents[3] / "files/lambda"
ENVIRONMENT = {
    "CLUSTER": "tamma-dev-cluster",
    "PIPELINES": '{"audio-clean": {"task_definition": "tamma-dev-audio-clean", "container": "worker",'
    ' "strategy": [{"capacityProvider": "FARGATE_SPOT", "weight": 3}, {"capacityProvider": "FARGATE", "weight": 1}],'
    ' "on_demand_strategy": [{"capacityProvider": "FARGATE", "weight": 1}]}}',
    "SUBNET_NAMES": '["tamma-dev-private-a", "tamma-dev-private-b"]',
    "SECURITY_GROUP_NAME": "tamma-dev-worker-sg",
    "ASSIGN_PUBLIC_IP": "DISABLED",
    "JOBS_QUEUE": "tamma-dev-jobs.fifo",
    "DEAD_LETTER_QUEUE": "tamma-dev-jobs-dlq.fifo",
    "DERIVED_BUCKET": "tamma-dev-derived",
    "TASK_EVENTS_QUEUE": "tamma-dev-task-events",
    "SUPABASE_URL_PARAMETER": "/tamma/dev/supabase_url",
    "SUPABASE_SERVICE_KEY_PARAMETER": "/tamma/dev/supabase_service_key",
    "LEASE_SECONDS": "120",
    "START_LEASE_SECONDS": "600",
}


def load_app(function: str) -> ModuleType:
    """Load a handler under a name of its own: both functions call theirs ``app``."""
    name = f"{function}_app"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FUNCTIONS / function / "app.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


class Context(SimpleNamespace):
    """Lambda's context, as far as handlers use it."""

    function_name = "function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:us-east-1:000000000000:function:function"
    aws_request_id = "request"
    remaining = 60_000

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining


@pytest.fixture
def context() -> Context:
    return Context()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    return dict(ENVIRONMENT)


@pytest.fixture
def rest(database: Database) -> RestOverDatabase:  # noqa: F811 the fixture, not the import
    return RestOverDatabase(database)


@pytest.fixture
def store(rest: RestOverDatabase) -> JobStore:
    return JobStore("http://127.0.0.1:9/", "service-key", transport=rest)


@pytest.fixture
def logger() -> Any:
    return logging.getLogger("test")
