# ruff: noqa: SLF001 - ministack has no public names for any of this; contract.py checks the private ones.
"""RunTask and StopTask as ECS answers them, where ministack differs."""

import hashlib
import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from tamma_local.emulator import events
from tamma_local.emulator.contract import Ministack
from tamma_local.emulator.starting import access_key_of

Response = tuple[int, dict[str, str], bytes]
Handler = Callable[[dict[str, Any]], Response]

_log = logging.getLogger("ecs")

# ECS's default for a container that sets no stopTimeout, in seconds.
_DEFAULT_STOP_SECONDS = 30

# ECS gives a reclaimed Spot task this reason and a stop code of its own. There is no call for it, so here StopTask
# with exactly this reason is an interruption: fault tests need one.
_SPOT_REASON = "Your Spot Task was interrupted."


def running(ministack: Ministack, original: Handler) -> Handler:
    """Wrap `_run_task`: refuse an unknown cluster, set the default group, return the same tasks for the same token."""
    one_at_a_time = threading.Lock()

    def wrapped(data: dict[str, Any]) -> Response:
        ecs = ministack.ecs
        cluster = ecs._clusters.get(ecs._resolve_cluster_name(data.get("cluster", "default")))
        if not cluster or cluster.get("status") != "ACTIVE":
            return _error(ministack, "ClusterNotFoundException", "Cluster not found.")
        definition = ecs._task_defs.get(ecs._resolve_td_key(data.get("taskDefinition", "")))
        if definition and not data.get("group"):
            data = {**data, "group": f"family:{definition['family']}"}
        if not data.get("clientToken"):
            return original(data)
        with one_at_a_time:
            return _tasks_of_token(ministack, data, cluster["clusterArn"]) or _with_token(ministack, original, data)

    return wrapped


def _fingerprint(data: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def _tasks_of_token(ministack: Ministack, data: dict[str, Any], cluster_arn: str) -> Response | None:
    """Answer a repeated request with the tasks that the first one started, or None for a new token."""
    known = [
        task for task in list(ministack.ecs._tasks.values())
        if task.get("_client_token") == data["clientToken"] and task.get("clusterArn") == cluster_arn
    ]  # fmt: skip
    if not known:
        return None
    if any(task.get("_client_request") != _fingerprint(data) for task in known):
        text = "The client token was already used with other parameters."
        return _error(ministack, "ConflictException", text)
    answer = {"tasks": [ministack.ecs._sanitize(task) for task in known], "failures": []}
    response: Response = ministack.responses.json_response(answer)
    return response


def _with_token(ministack: Ministack, original: Handler, data: dict[str, Any]) -> Response:
    response = original(data)
    for started in json.loads(response[2]).get("tasks", []):
        task = ministack.ecs._tasks.get(started["taskArn"])
        if task is not None:
            task["_client_token"], task["_client_request"] = data["clientToken"], _fingerprint(data)
    return response


def stopping(ministack: Ministack, original: Handler) -> Handler:
    """Wrap `_stop_task`: SIGTERM, the container's stopTimeout, SIGKILL, and the exit codes that really came of it.

    The task stays alive until ministack's watcher sees its containers end; `stopped` then puts in the reason.
    A task without containers yet is stopped by ministack at once.
    """

    def wrapped(data: dict[str, Any]) -> Response:
        ecs = ministack.ecs
        task = ecs._resolve_task(data.get("task", ""), ecs._resolve_cluster_name(data.get("cluster", "default")))
        if not task or task.get("lastStatus") == "STOPPED" or not task.get("_docker_ids"):
            return original(data)
        with ministack.concurrency.resource_lock("ecs-task", task["taskArn"]):
            first = "_stop_reason" not in task
            if first:
                task["_stop_reason"] = data.get("reason") or "Task stopped by user"
                task["stoppingAt"] = ministack.responses.now_iso()
                ecs._bump_task_version(task)
        if first:
            events.send(ministack, task)
            threading.Thread(target=_stop_containers, args=(ministack, task), daemon=True).start()
        answer: Response = ministack.responses.json_response({"task": ecs._sanitize(task)})
        return answer

    return wrapped


def _stop_seconds(ministack: Ministack, task: dict[str, Any]) -> int:
    """Return the longest stopTimeout of the task's containers."""
    account, region = events.scope_of(task["taskArn"])
    key = task["taskDefinitionArn"].rsplit("/", 1)[-1]
    with ministack.responses.request_scope(account, region):
        definition = ministack.ecs._task_defs.get(key) or {}
    containers = definition.get("containerDefinitions", [])
    return max((int(container.get("stopTimeout") or _DEFAULT_STOP_SECONDS) for container in containers), default=0)


def _stop_containers(ministack: Ministack, task: dict[str, Any]) -> None:
    client = ministack.ecs._get_docker()
    seconds = _stop_seconds(ministack, task)
    for container_id in list(task.get("_docker_ids") or []):
        try:
            client.containers.get(container_id).stop(timeout=seconds)
        except Exception as error:  # noqa: BLE001 - the container may be gone, or the engine: the watcher decides
            _log.warning("ECS: container %s was not stopped: %s", container_id[:12], error)


def seen_stopping(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Wrap `_sanitize`: a task that is being stopped shows it in desiredStatus, as on AWS."""

    def wrapped(obj: Any) -> Any:
        shown = original(obj)
        if isinstance(obj, dict) and "_stop_reason" in obj:
            shown["desiredStatus"] = "STOPPED"
        return shown

    return wrapped


def stopped(ministack: Ministack, original: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap `_mark_task_stopped`: who asked for the stop, why a container was killed, and the end of the credentials."""

    def wrapped(task_arn: str, task: dict[str, Any], reason: str, stop_code: str, exit_code: int | None = None) -> bool:
        if stop_code == "UserInitiated" and not task.get("_docker_ids"):
            exit_code = None  # nothing ran, so ECS reports no exit code
        elif "_stop_reason" in task and stop_code == "EssentialContainerExited":
            reason = task["_stop_reason"]
            stop_code = "SpotInterruption" if reason == _SPOT_REASON else "UserInitiated"
        _note_memory_kills(ministack, task)
        took_place = original(task_arn, task, reason, stop_code, exit_code)
        if took_place:
            ministack.sts._sessions.pop(access_key_of(task_arn), None)
        return took_place

    return wrapped


def _note_memory_kills(ministack: Ministack, task: dict[str, Any]) -> None:
    """Give containers that the engine killed for their memory the reason that ECS gives them."""
    client = ministack.ecs._get_docker()
    for container, container_id in zip(task.get("containers", []), task.get("_docker_ids") or [], strict=False):
        try:
            killed = client.containers.get(container_id).attrs["State"].get("OOMKilled")
        except Exception:  # noqa: BLE001, S112 - an engine that cannot be asked is no reason to keep the task alive
            continue
        if killed:
            container["reason"] = "OutOfMemoryError: Container killed due to memory usage"


def _error(ministack: Ministack, code: str, message: str) -> Response:
    response: Response = ministack.responses.error_response_json(code, message, 400)
    return response
