"""The private names of ministack that we build on, checked before anything starts.

ministack promises nothing about them: the version is pinned, and a difference stops the emulator with one sentence
instead of appearing later as a task event that never comes.
"""

import inspect
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

PINNED_VERSION = "1.5.33"

# Module → function → the names of its first parameters that we rely on.
FUNCTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "ministack.services.ecs": {
        "_mark_task_pending": ("task_arn", "task"),
        "_mark_task_running": ("task_arn", "task"),
        "_mark_task_stopped": ("task_arn", "task", "reason", "stop_code", "exit_code"),
        "_register_metadata": ("task_arn", "cluster_arn", "td", "cdef", "launch_type", "env", "host_mode"),
        "_build_run_kwargs": ("cdef", "td", "env", "port_bindings", "ecs_network", "host_mode"),
        "_run_docker_container": ("docker_client", "cdef", "run_kwargs"),
        "_resolve_container_secrets": ("cdef",),
        "_resolve_cluster_name": ("ref",),
        "_resolve_task": ("ref", "cluster_name"),
        "_resolve_td_key": ("ref",),
        "_run_task": ("data",),
        "_stop_task": ("data",),
        "_sanitize": ("obj",),
        "_get_docker": (),
        "_bump_task_version": ("task",),
    },
    "ministack.services.autoscaling": {"_create_asg": ("p",), "_update_asg": ("p",), "_p": ("params", "key")},
    "ministack.services.eventbridge": {"_dispatch_event": ("event",), "_parse_rate_seconds": ("expr",)},
    "ministack.services.sqs": {"_collect_msgs": ("q", "max_n", "vis_timeout")},
    "ministack.services.cloudwatch": {
        "_describe_alarms": ("params", "cbor_data", "is_cbor", "is_json"),
        "_xml": ("status", "root_tag", "inner"),
        "_p": ("params", "key"),
    },
    "ministack.services.iam": {
        "_xml": ("status", "root_tag", "inner"),
        "_error": ("status", "code", "message"),
        "_p": ("params", "key"),
    },
    "ministack.services.ssm": {"resolve_parameter_value": ("name_or_arn", "version", "decrypt")},
    "ministack.services.sts": {"register_session": ("access_key", "session")},
    "ministack.core.responses": {
        "request_scope": ("account_id", "region"),
        "get_region": (),
        "get_account_id": (),
        "json_response": ("data",),
        "error_response_json": ("code", "message", "status"),
        "new_uuid": (),
        "now_iso": (),
    },
    "ministack.core.iam_actions": {
        "extract_iam_action": ("service", "method", "path", "headers", "body", "query_params"),
        "extract_resource_arn": (
            "service",
            "method",
            "path",
            "headers",
            "body",
            "query_params",
            "region",
            "account_id",
        ),
        "request_tag_context": ("service", "iam_action", "body", "params"),
    },
    "ministack.core.concurrency": {"resource_lock": ("scope", "key")},
    "ministack.app": {"main": (), "pin_request_origin": ("source_ip", "secure_transport")},
}

# Module → names that must exist and are not functions.
VALUES: dict[str, tuple[str, ...]] = {
    "ministack.services.ecs": ("_clusters", "_tasks", "_task_defs", "_ACTION_MAP", "_ImagePullError"),
    "ministack.services.autoscaling": ("_asgs", "_ACTION_MAP"),
    "ministack.services.ec2": ("_launch_templates",),
    "ministack.services.iam": ("_IAM_HANDLERS", "_policies"),
    "ministack.services.sts": ("_sessions",),
    "ministack.services.sqs": ("_DEDUP_WINDOW_S",),
    "ministack.services.eventbridge": ("_SCHEDULER_TICK_INTERVAL",),
    "ministack.services.lambda_svc": ("_ESM_BACKOFF_SECONDS",),
}


class ContractError(Exception):
    """The installed ministack is not the one that this wrapper was written for."""


@dataclass(frozen=True)
class Ministack:
    """The modules of ministack that are used here."""

    autoscaling: Any
    cloudwatch: Any
    ec2: Any
    ecs: Any
    eventbridge: Any
    functions: Any
    iam: Any
    iam_actions: Any
    sqs: Any
    ssm: Any
    sts: Any
    responses: Any
    concurrency: Any
    app: Any


def problems() -> list[str]:
    """Say in words how the installed ministack differs from what is relied on; empty when it does not."""
    version = metadata.version("ministack")
    found = [] if version == PINNED_VERSION else [f"its version is {version}, not {PINNED_VERSION}"]
    for module_name, functions in FUNCTIONS.items():
        module = import_module(module_name)
        for name, parameters in functions.items():
            function = getattr(module, name, None)
            if not callable(function):
                found.append(f"{module_name}.{name} is missing")
            elif tuple(inspect.signature(function).parameters)[: len(parameters)] != parameters:
                found.append(f"{module_name}.{name} takes other parameters")
    for module_name, names in VALUES.items():
        found += [f"{module_name}.{name} is missing" for name in names if not hasattr(import_module(module_name), name)]
    return found


def load() -> Ministack:
    """Return ministack's modules, or raise ContractError naming every difference."""
    if differences := problems():
        raise ContractError(
            f"The AWS emulator in .venv-cloud cannot be used: {'; '.join(differences)}. "
            f"Install the locked versions again: rm -r .venv-cloud && make setup."
        )
    return Ministack(
        autoscaling=import_module("ministack.services.autoscaling"),
        cloudwatch=import_module("ministack.services.cloudwatch"),
        ec2=import_module("ministack.services.ec2"),
        ecs=import_module("ministack.services.ecs"),
        eventbridge=import_module("ministack.services.eventbridge"),
        functions=import_module("ministack.services.lambda_svc"),
        iam=import_module("ministack.services.iam"),
        iam_actions=import_module("ministack.core.iam_actions"),
        sqs=import_module("ministack.services.sqs"),
        ssm=import_module("ministack.services.ssm"),
        sts=import_module("ministack.services.sts"),
        responses=import_module("ministack.core.responses"),
        concurrency=import_module("ministack.core.concurrency"),
        app=import_module("ministack.app"),
    )
