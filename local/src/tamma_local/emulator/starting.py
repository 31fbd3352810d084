# ruff: noqa: SLF001 - ministack has no public names for any of this; contract.py checks the private ones.
"""How a task's container is started: its credentials, its secrets, its image and its network."""

import hashlib
import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from tamma_local.emulator.containers import LABEL
from tamma_local.emulator.contract import Ministack
from tamma_local.emulator.events import scope_of

_ECR_IMAGE = re.compile(r"^\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?/(?P<name>.+)$")

# A task's credentials are in its environment and cannot be renewed there; ECS limits no task's life either.
_SESSION_SECONDS = 7 * 24 * 3600


def access_key_of(task_arn: str) -> str:
    """Return the access key id under which the session of a task is registered."""
    return f"ASIA{hashlib.sha256(task_arn.encode()).hexdigest()[:16].upper()}"


def task_credentials(ministack: Ministack, task_arn: str, role_arn: str) -> dict[str, str]:
    """Register a session of the task's role, as ECS does when a task starts, and return it as environment variables."""
    account, _region = scope_of(task_arn)
    role = role_arn.rsplit("/", 1)[-1]
    session_name = task_arn.rsplit("/", 1)[-1]
    credentials = {
        "AWS_ACCESS_KEY_ID": access_key_of(task_arn),
        "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        "AWS_SESSION_TOKEN": secrets.token_urlsafe(64),
    }
    ministack.sts.register_session(
        credentials["AWS_ACCESS_KEY_ID"],
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{session_name}",
            "UserId": f"{role}:{session_name}",
            "SecretAccessKey": credentials["AWS_SECRET_ACCESS_KEY"],
            "SessionToken": credentials["AWS_SESSION_TOKEN"],
            "Expiration": time.time() + _SESSION_SECONDS,
        },
    )
    return credentials


def environment(ministack: Ministack, original: Callable[..., str]) -> Callable[..., str]:
    """Wrap `_register_metadata`, which completes a container's environment in place.

    The credentials endpoint that ministack names is refused by botocore unless it is a loopback address and is not
    served anyway, so the session itself takes its place. A task without a role gets none, as on AWS.
    """

    def wrapped(task_arn: str, cluster_arn: str, td: dict[str, Any], cdef: dict[str, Any],  # noqa: PLR0917 - theirs
                launch_type: str,
                env: dict[str, str], _host_mode: bool, *rest: Any) -> str:  # fmt: skip
        token = original(task_arn, cluster_arn, td, cdef, launch_type, env, True, *rest)
        env.pop("AWS_CONTAINER_CREDENTIALS_FULL_URI", None)
        env.pop("AWS_CONTAINER_AUTHORIZATION_TOKEN", None)
        _account, region = scope_of(task_arn)
        env |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region, "AWS_EXECUTION_ENV": f"AWS_ECS_{launch_type}"}
        if td.get("taskRoleArn"):
            env |= task_credentials(ministack, task_arn, td["taskRoleArn"])
        return token

    return wrapped


def decrypted_secrets(ministack: Ministack, original: Callable[..., dict[str, str]]) -> Callable[..., dict[str, str]]:
    """Wrap `_resolve_container_secrets`, which injects a SecureString as ministack stores it, marked as encrypted."""

    def wrapped(cdef: dict[str, Any]) -> dict[str, str]:
        resolved = original(cdef)
        for secret in cdef.get("secrets", []):
            name, source = secret.get("name"), secret.get("valueFrom", "")
            if resolved.get(name, "").startswith("ENCRYPTED:") and "secretsmanager" not in source:
                resolved[name] = ministack.ssm.resolve_parameter_value(source, decrypt=True)
        return resolved

    return wrapped


def run_arguments(
    original: Callable[..., dict[str, Any]], *, processes: bool, state: str
) -> Callable[..., dict[str, Any]]:
    """Wrap `_build_run_kwargs`: the host's network, and what the container definition says that ministack ignores.

    With the host's network the loopback endpoints in a task's environment mean the same inside and outside.
    The state folder as a label says whose the container is. The process engine has this machine's processor, so a
    declared platform is dropped there.
    """

    def wrapped(cdef: dict[str, Any], td: dict[str, Any], env: dict[str, str], port_bindings: Any, ecs_network: Any,
                _host_mode: bool, *rest: Any) -> dict[str, Any]:  # fmt: skip
        arguments = original(cdef, td, env, port_bindings, ecs_network, True, *rest)
        arguments.pop("ports", None)
        arguments["labels"] = {**(arguments.get("labels") or {}), LABEL: state}
        for key, option in (("entryPoint", "entrypoint"), ("workingDirectory", "working_dir"), ("user", "user")):
            if cdef.get(key):
                arguments[option] = cdef[key]
        if processes:
            arguments.pop("platform", None)
        return arguments

    return wrapped


def registry_image(image: str, port: str) -> str | None:
    """Return where the emulator's own registry serves an image of ECR, or None for an image from elsewhere."""
    match = _ECR_IMAGE.match(image)
    return f"127.0.0.1:{port}/{match['name']}" if match else None


def pulled_container(ministack: Ministack, original: Callable[..., Any], port: str) -> Callable[..., Any]:
    """Wrap `_run_docker_container`: pull an image of ECR from the emulator's registry first, on every start as Fargate.

    A pull that fails ends the task with CannotPullContainerError as on AWS.
    """

    def wrapped(docker_client: Any, cdef: dict[str, Any], *arguments: Any, **options: Any) -> Any:
        local = registry_image(cdef["image"], port)
        if local is None:
            return original(docker_client, cdef, *arguments, **options)
        try:
            docker_client.images.pull(local)
        except Exception as error:
            reason = str(getattr(error, "explanation", None) or error)
            raise ministack.ecs._ImagePullError(reason.replace(local, cdef["image"])) from error
        return original(docker_client, {**cdef, "image": local}, *arguments, **options)

    return wrapped
