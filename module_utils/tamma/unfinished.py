"""Jobs that are not over: tasks that run, messages that wait, rows that no worker has ended."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.holdings import Connect
from botocore.exceptions import ClientError

_COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")
_TIMEOUT = 15  # seconds; a project of Supabase that sleeps takes some to answer
_SHOWN = 3  # ids of jobs that are told


@dataclass(frozen=True)
class Places:
    """The names of where jobs are."""

    cluster: str
    jobs_queue: str
    dead_letter_queue: str
    url_parameter: str
    key_parameter: str


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
    names = [places.url_parameter, places.key_parameter]
    answer = ssm.get_parameters(Names=names, WithDecryption=True)["Parameters"]
    values = {item["Name"]: str(item["Value"]) for item in answer}
    if set(values) != set(names):
        return []  # the stack is half gone: nobody of ours can know any more
    try:
        jobs, total = _ask(values[names[0]], values[names[1]], refused_since)
    except (OSError, ValueError) as error:
        raise RefusalError(
            f"the database does not say whether jobs are unfinished ({' '.join(str(error).split())}); start it again, "
            "or give the jobs up with -e teardown_abandon_jobs=true"
        ) from error
    if not jobs:
        return []
    more = ", …" if total > len(jobs) else ""
    return [f"{_number(total, 'unfinished job')} in the database ({', '.join(jobs)}{more})"]


def _ask(url: str, key: str, refused_since: str) -> tuple[list[str], int]:
    """Return the first jobs that are not over, oldest first, and how many there are."""
    wanted = "select=job_id&status=not.in.(succeeded,failed)&order=created_at"
    if refused_since:
        wanted += f"&or=(status.neq.queued,created_at.lt.{quote(refused_since)})"
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"{url} is no address of a web server")
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        f"{url.rstrip('/')}/rest/v1/jobs?{wanted}&limit={_SHOWN}",
        headers={"apikey": key, "Authorization": f"Bearer {key}", "Prefer": "count=exact"},
    )
    with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310 - as above
        rows = json.load(answer)
        total = str(answer.headers.get("Content-Range", "")).rpartition("/")[2]
    return [str(row["job_id"]) for row in rows], int(total) if total.isdigit() else len(rows)


def _number(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
