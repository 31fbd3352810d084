"""The names of dev are exactly those that were agreed; other environments get names of their own."""

from __future__ import annotations

import pytest

from tests.unit.roles.roles_tree import ACCOUNT, INVENTORIES, Environment, environment

_ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
_DEV = {
    "naming_vpc": "tamma-dev-vpc",
    "naming_public_subnets": [f"tamma-dev-public-{zone}" for zone in _ZONES],
    "naming_private_subnets": [f"tamma-dev-private-{zone}" for zone in _ZONES],
    "naming_worker_security_group": "tamma-dev-worker-sg",
    "naming_raw_bucket": "tamma-dev-raw",
    "naming_derived_bucket": "tamma-dev-derived",
    "naming_jobs_queue": "tamma-dev-jobs.fifo",
    "naming_dead_letter_queue": "tamma-dev-jobs-dlq.fifo",
    "naming_task_events_queue": "tamma-dev-task-events",
    "naming_task_events_dead_letter_queue": "tamma-dev-task-events-dlq",
    "naming_worker_repository": "tamma-dev-audio-clean",
    "naming_worker_task_family": "tamma-dev-audio-clean",
    "naming_supabase_url_parameter": "/tamma/dev/supabase_url",
    "naming_supabase_service_key_parameter": "/tamma/dev/supabase_service_key",
    "naming_cluster": "tamma-dev-cluster",
    "naming_gpu_capacity_provider": "tamma-dev-gpu-cp",
    "naming_gpu_group": "tamma-dev-gpu-asg",
    "naming_gpu_launch_template": "tamma-dev-gpu",
    "naming_task_log_group": "/ecs/tamma-dev-audio-clean",
    "naming_dispatcher_log_group": "/aws/lambda/trigger-audio-clean",
    "naming_reconciler_log_group": "/aws/lambda/tamma-dev-reconciler",
    "naming_execution_role": "tamma-dev-ecs-task-execution-role",
    "naming_task_role": "tamma-dev-audio-clean-task-role",
    "naming_dispatcher_role": "tamma-dev-dispatcher-role",
    "naming_reconciler_role": "tamma-dev-reconciler-role",
    "naming_gpu_instance_role": "tamma-dev-gpu-instance-role",
    "naming_dispatcher_function": "trigger-audio-clean",
    "naming_reconciler_function": "tamma-dev-reconciler",
    "naming_dispatcher_service": "tamma-dev-dispatcher",
    "naming_reconciler_service": "tamma-dev-reconciler",
    "naming_functions_layer": "tamma-dev-python",
    "naming_presign_user": "tamma-presign",
    "naming_task_stopped_rule": "tamma-dev-task-stopped",
    "naming_sweep_rule": "tamma-dev-sweep",
    "naming_alarm_topic": "tamma-dev-alarms",
}


@pytest.mark.parametrize("name", _DEV)
def test_names_of_dev(name: str) -> None:
    assert environment("dev").named(name) == _DEV[name]


@pytest.mark.parametrize("environment_name", ["prod", "staging"])
def test_other_environments_share_no_name_with_dev(environment_name: str) -> None:
    other = environment(environment_name)
    for name, in_dev in _DEV.items():
        value = other.named(name)
        assert value != in_dev, f"{name} is {value} in both: in one account they would fight over it."
        assert environment_name in str(value)


def test_the_entry_points_of_prod_are_prefixed() -> None:
    prod = environment("prod")
    assert prod.named("naming_dispatcher_function") == "tamma-prod-trigger-audio-clean"
    assert prod.named("naming_presign_user") == "tamma-prod-presign"
    assert prod.named("naming_dispatcher_log_group") == "/aws/lambda/tamma-prod-trigger-audio-clean"


def test_the_entry_points_can_be_named_either_way() -> None:
    assert environment("prod", naming_unprefixed_entry_points=True).named("naming_presign_user") == "tamma-presign"
    dev = environment("dev", naming_unprefixed_entry_points=False)
    assert dev.named("naming_dispatcher_function") == "tamma-dev-trigger-audio-clean"


def test_the_suffix_reaches_bucket_names_and_arns_alone() -> None:
    plain, suffixed = environment("dev"), environment("dev", naming_bucket_suffix="-4711")
    changed = {
        name for name in plain.variables if name.startswith("naming_") and plain.named(name) != suffixed.named(name)
    }
    assert changed == {
        *("naming_bucket_suffix", "naming_raw_bucket", "naming_derived_bucket"),
        *("naming_raw_bucket_arn", "naming_derived_bucket_arn"),
    }
    assert suffixed.named("naming_raw_bucket") == "tamma-dev-raw-4711"


def test_extra_tags_are_added_and_do_not_replace() -> None:
    tags = environment("dev", naming_extra_tags={"CostCenter": "42"}).named("naming_tags")
    assert tags == {"Project": "tamma", "Environment": "dev", "ManagedBy": "ansible", "CostCenter": "42"}


def test_arns_name_the_account_and_the_region() -> None:
    other = environment("dev", naming_region="eu-west-1")
    assert other.named("naming_jobs_queue_arn") == f"arn:aws:sqs:eu-west-1:{ACCOUNT}:tamma-dev-jobs.fifo"
    assert other.named("naming_raw_bucket_arn") == "arn:aws:s3:::tamma-dev-raw"
    assert other.named("naming_policy_arns") == f"arn:aws:iam::{ACCOUNT}:policy"


@pytest.mark.parametrize("environment_name", ["dev", "prod", "a-very-long-name"])
def test_names_fit_the_limits_of_aws(environment_name: str) -> None:
    where = environment(environment_name)
    # IAM roles and functions: 64; buckets: 63; queues: 80; capacity providers 255.
    limits = {"_role": 64, "_function": 64, "_bucket": 63, "_queue": 80, "_user": 64, "_profile": 128}
    for name in _DEV:
        for ending, limit in limits.items():
            if name.endswith(ending):
                assert len(where.named(name)) <= limit, f"{name} is longer than {limit} characters."


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_the_queue_hides_messages_six_times_as_long_as_a_function_runs(inventory: str) -> None:
    """AWS asks for it, so that a batch that was retried inside the function is not delivered twice."""
    where = Environment(inventory)
    timeout = where.named("dispatch_timeout")
    assert where.named("job_queue_visibility_timeout") >= 6 * timeout
    assert timeout <= 900, "A function runs at most 900 seconds."


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_receiving_outlasts_six_hours_without_capacity(inventory: str) -> None:
    """A message that finds no capacity comes back within twelve minutes, and must not reach the dead-letter queue."""
    where = Environment(inventory)
    assert where.named("job_queue_max_receive_count") * 12 * 60 >= 6 * 3600
    assert where.named("job_queue_retention_seconds") > 6 * 3600


@pytest.mark.parametrize("inventory", INVENTORIES)
def test_dead_letters_outlive_the_queue_they_come_from(inventory: str) -> None:
    """On AWS a dead letter keeps the age it had: the queue for them must keep it longer."""
    where = Environment(inventory)
    assert where.named("job_queue_dead_letter_retention_seconds") > where.named("job_queue_retention_seconds")
