"""Jobs that are not over: tasks that run, messages that wait, rows that no worker has ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.holdings import Connect
from ansible.module_utils.tamma.jobs_table import PARAMETERS, JobsTable
from botocore.exceptions import ClientError

_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_SHOWN = 3  # ids of jobs that are told


@dataclass(frozen=True)
class Places:
    """The names of where jobs are."""

    cluster: str
    jobs_queue: str
    dead_letter_queue: str
    supabase_url_parameter: str
    supabase_service_key_parameter: str

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Places:
        """Take the places from the options of a module (SPEC)."""
        return cls(**{field.name: params[field.name] for field in fields(cls)})


SPEC: dict[str, Any] = {
    **{name: {"type": "str", "required": True} for name in ("cluster", "jobs_queue", "dead_letter_queue")},
    **PARAMETERS,
    "abandon_jobs": {"type": "bool", "default": False},
}
"""Argument specification of the options that say where jobs are, and whether they are given up."""


def under_way(connect: Connect, places: Places, refused_since: str = "") -> list[str]:
    """Return in words what is not over; nothing when no job would be lost with the stack.

    Jobs that were new after `refused_since` (ISO 8601) do not count: their messages were refused.
    """
    tasks = len(running_tasks(connect("ecs"), places.cluster))
    waiting = messages(connect("sqs"), places.jobs_queue)
    found = [f"{_number(tasks, 'task')} of {places.cluster}"] if tasks else []
    found += [f"{_number(waiting, 'message')} in {places.jobs_queue}"] if waiting else []
    return [*found, *_rows(connect("ssm"), places, refused_since)]


def dead_letters(connect: Connect, places: Places) -> list[str]:
    """Return in words the messages that were set aside for a person to look at."""
    count = messages(connect("sqs"), places.dead_letter_queue)
    return [f"{_number(count, 'message')} in {places.dead_letter_queue}"] if count else []


def running_tasks(ecs: Any, cluster: str) -> list[str]:
    """Return the ARNs of the tasks of a cluster that run or shall run; none without a cluster."""
    found = ecs.describe_clusters(clusters=[cluster])["clusters"]
    if not any(one["status"] == "ACTIVE" for one in found):
        return []
    pages = ecs.get_paginator("list_tasks").paginate(cluster=cluster, desiredStatus="RUNNING")
    return [str(arn) for page in pages for arn in page["taskArns"]]


def interfaces_of(ecs: Any, cluster: str, tasks: list[str]) -> set[str]:
    """Return the ids of the network interfaces of these tasks."""
    found: set[str] = set()
    for start in range(0, len(tasks), 100):  # the API's limit
        for task in ecs.describe_tasks(cluster=cluster, tasks=tasks[start : start + 100])["tasks"]:
            details = [item for link in task.get("attachments", []) for item in link.get("details", [])]
            found |= {item["value"] for item in details if item.get("name") == "networkInterfaceId"}
    return found


def messages(sqs: Any, queue: str) -> int:
    """Return how many messages a queue holds, those in somebody's hands and delayed ones too."""
    try:
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        counts: Mapping[str, str] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
    except ClientError as error:
        if is_code(error, *NO_QUEUE):
            return 0
        raise
    return sum(int(counts.get(name, 0)) for name in _COUNTS)


def _rows(ssm: Any, places: Places, refused_since: str) -> list[str]:
    table = JobsTable.if_deployed(ssm, asdict(places))
    if table is None:
        return []
    try:
        jobs, total = table.unfinished(_SHOWN, refused_since)
    except RefusalError as error:
        raise RefusalError(
            f"the database does not say whether jobs are unfinished ({error}), "
            "or give the jobs up with -e teardown_abandon_jobs=true"
        ) from error
    if not jobs:
        return []
    more = ", …" if total > len(jobs) else ""
    return [f"{_number(total, 'unfinished job')} in the database ({', '.join(jobs)}{more})"]


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
