"""What RunTask is asked, and the environment it is made from."""

from __future__ import annotations

import json
from typing import Any

import pytest
from job_message import JobMessage
from planning import (
    FARGATE_MEMORY,
    History,
    Network,
    Size,
    client_token,
    larger_size,
    read_assign_public_ip,
    read_pipelines,
    run_task_request,
    started_by,
    worker_environment,
)
from settings import Settings, SettingsError

from tests.unit.functions.aws import FakeAws
from tests.unit.functions.conftest import ENVIRONMENT

FRESH = History()
NETWORK = Network(["subnet-1"], ["sg-1"], "DISABLED")
MESSAGE = JobMessage("job.1", "uploads/ü.wav", "audio-clean", "podcast", 2)


def request(message: JobMessage = MESSAGE, history: History = FRESH, size: Size | None = None) -> dict[str, Any]:
    pipeline = read_pipelines(ENVIRONMENT)["audio-clean"]
    return run_task_request(
        message, pipeline, history, cluster="tamma-dev-cluster", network=NETWORK,
        worker_environment=worker_environment(Settings.read(ENVIRONMENT)), size=size,
    )  # fmt: skip


def test_request_is_valid_and_names_the_attempt() -> None:
    ecs = FakeAws("ecs", RunTask={"tasks": []})
    ecs.client.run_task(**request())  # botocore checks names and types
    asked = request()
    environment = {item["name"]: item["value"] for item in asked["overrides"]["containerOverrides"][0]["environment"]}
    assert environment == {
        "JOB_ID": "job.1",
        "S3_KEY": "uploads/ü.wav",
        "ATTEMPT": "2",
        "PIPELINE": "audio-clean",
        "LEASE_SECONDS": "120",
        "PRESET": "podcast",
    }
    assert asked["clientToken"] == client_token("job.1", 2)
    assert asked["startedBy"] == "job-1"
    assert asked["tags"] == [{"key": "job_id", "value": "job.1"}, {"key": "attempt", "value": "2"}]


def test_preset_is_left_to_the_worker_when_the_message_names_none() -> None:
    asked = request(JobMessage("job", "k", "audio-clean"))
    names = [item["name"] for item in asked["overrides"]["containerOverrides"][0]["environment"]]
    assert "PRESET" not in names
    assert "PRESET_OVERRIDES" not in names


def test_what_the_message_changes_of_the_preset_goes_to_the_worker_as_json() -> None:
    asked = request(JobMessage("job", "k", "audio-clean", overrides='{"hum":false}'))
    environment = asked["overrides"]["containerOverrides"][0]["environment"]
    assert {"name": "PRESET_OVERRIDES", "value": '{"hum":false}'} in environment


@pytest.mark.parametrize(
    ("interruptions", "providers"),
    [(0, ["FARGATE_SPOT", "FARGATE"]), (1, ["FARGATE_SPOT", "FARGATE"]), (2, ["FARGATE"]), (30, ["FARGATE"])],
)
def test_two_interruptions_end_spot(interruptions: int, providers: list[str]) -> None:
    asked = request(history=History(interruptions=interruptions))
    assert [item["capacityProvider"] for item in asked["capacityProviderStrategy"]] == providers


def test_client_token_is_one_per_attempt() -> None:
    tokens = {client_token(job, attempt) for job in ("a", "b", "a:1") for attempt in (1, 2, 11)}
    assert len(tokens) == 9
    assert all(len(token) == 32 for token in tokens)
    assert client_token("a", 1) == client_token("a", 1)


def test_started_by_has_only_what_ecs_allows() -> None:
    assert started_by("a.b_c-" + "x" * 100) == "a-b_c-" + "x" * 30


@pytest.mark.parametrize(
    ("current", "larger"),
    [
        (Size(256, 512), Size(256, 1024)),
        (Size(256, 2048), Size(512, 4096)),
        (Size(1024, 2048), Size(1024, 4096)),
        (Size(1024, 8192), Size(2048, 16384)),
        (Size(2048, 9 * 1024), Size(4096, 18 * 1024)),
        (Size(16384, 122880), None),
    ],
)
def test_larger_size(current: Size, larger: Size | None) -> None:
    assert larger_size(current) == larger


def test_every_size_of_fargate_grows_to_a_size_of_fargate() -> None:
    for cpu, sizes in FARGATE_MEMORY.items():
        for memory in sizes:
            larger = larger_size(Size(cpu, memory))
            if larger is None:
                assert 2 * memory > 122880
            else:
                assert larger.memory >= 2 * memory
                assert larger.memory in FARGATE_MEMORY[larger.cpu]


def test_size_is_overridden_for_the_whole_task() -> None:
    overrides = request(size=Size(2048, 8192))["overrides"]
    assert (overrides["cpu"], overrides["memory"]) == ("2048", "8192")
    assert "cpu" not in request()["overrides"]


@pytest.mark.parametrize("name", ["CLUSTER", "JOBS_QUEUE", "LEASE_SECONDS", "SUPABASE_URL_PARAMETER"])
def test_a_missing_variable_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name} is not set"):
        Settings.read(ENVIRONMENT | {name: " "})


@pytest.mark.parametrize("value", ["0", "-1", "ten", "1.5", "²"])
def test_seconds_are_whole_and_positive(value: str) -> None:
    with pytest.raises(SettingsError, match=r"LEASE_SECONDS is .* whole number of seconds"):
        Settings.read(ENVIRONMENT | {"LEASE_SECONDS": value})


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON dict"),
        ("{}", "at least one entry"),
        (json.dumps({"audio-clean": {"container": "worker"}}), "'audio-clean' is incomplete"),
        (json.dumps({"audio-clean": 1}), "'audio-clean' is incomplete"),
    ],
)
def test_wrong_pipelines_are_described(value: str, part: str) -> None:
    with pytest.raises(SettingsError, match=part):
        read_pipelines({"PIPELINES": value})


def test_assign_public_ip_is_one_of_two() -> None:
    with pytest.raises(SettingsError, match="must be ENABLED or DISABLED"):
        read_assign_public_ip({"ASSIGN_PUBLIC_IP": "true"})


def test_time_is_compressed_by_one_factor_everywhere() -> None:
    settings = Settings.read({**ENVIRONMENT, "TAMMA_TIME_SCALE": "0.05"})
    assert settings.time_scale.seconds(120) == 6
    assert settings.time_scale.seconds(1) == 1  # less than a second is not known to queues
    assert settings.time_scale.seconds(0) == 0
    assert worker_environment(settings) == {"LEASE_SECONDS": "120", "TAMMA_TIME_SCALE": "0.05"}


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "nan", "soon"])
def test_a_senseless_factor_of_time_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="TAMMA_TIME_SCALE"):
        Settings.read({**ENVIRONMENT, "TAMMA_TIME_SCALE": value})
