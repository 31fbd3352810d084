"""What the pipeline is doing: queues, tasks and jobs, read from AWS and Supabase, and told as a page of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError
from ansible.module_utils.tamma.jobs_table import IN_FLIGHT
from ansible.module_utils.tamma.letters import queue_url
from ansible.module_utils.tamma.tables import table

Facts = dict[str, Any]

_DEPTHS = {
    "waiting": "ApproximateNumberOfMessages",
    "in_flight": "ApproximateNumberOfMessagesNotVisible",
    "delayed": "ApproximateNumberOfMessagesDelayed",
}
_DESCRIBED = 100  # tasks of one DescribeTasks call, its limit
_METRIC_AGE = timedelta(minutes=10)  # SQS gives a number a minute to CloudWatch, some minutes late
_ENDED = ("STOPPED", "DEPROVISIONING", "DELETED")
_COMMIT = 12
_DIGEST = len("sha256:") + 12
_TO_THE_MINUTE = len("2026-01-01T00:00")
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def queues(sqs: Any, cloudwatch: Any, names: list[str]) -> list[Facts]:
    """Return the depth of each queue; `oldest_seconds` is None where CloudWatch knows nothing, as on the emulator."""
    urls = {name: queue_url(sqs, name) for name in names}
    ages = _ages(cloudwatch, names)
    found = []
    for name, url in urls.items():
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_DEPTHS.values()))["Attributes"]
        depths = {ours: int(answer.get(theirs, 0)) for ours, theirs in _DEPTHS.items()}
        found.append({"name": name, **depths, "oldest_seconds": ages.get(name)})
    return found


def _ages(cloudwatch: Any, names: list[str]) -> dict[str, int]:
    """Return the seconds that the oldest message of each queue has waited, as of the last minute that is known."""
    now = datetime.now(UTC)
    metric = {"Namespace": "AWS/SQS", "MetricName": "ApproximateAgeOfOldestMessage"}
    questions = [
        {
            "Id": f"q{number}",
            "MetricStat": {
                "Metric": {**metric, "Dimensions": [{"Name": "QueueName", "Value": name}]},
                "Period": _MINUTE,
                "Stat": "Maximum",
            },
        }
        for number, name in enumerate(names)
    ]
    answer = cloudwatch.get_metric_data(MetricDataQueries=questions, StartTime=now - _METRIC_AGE, EndTime=now)
    values = {result["Id"]: result.get("Values") for result in answer["MetricDataResults"]}
    return {name: int(values[f"q{n}"][0]) for n, name in enumerate(names) if values.get(f"q{n}")}


def tasks(ecs: Any, cluster: str) -> list[Facts]:
    """Return how many tasks of the cluster there are by family, capacity provider and last status."""
    found = ecs.describe_clusters(clusters=[cluster])["clusters"]
    if not any(it["status"] == "ACTIVE" for it in found):
        raise RefusalError(f"there is no cluster {cluster}; deploy first (`make converge`)")
    arns = [arn for page in ecs.get_paginator("list_tasks").paginate(cluster=cluster) for arn in page["taskArns"]]
    counted: Counter[tuple[str, str, str]] = Counter()
    for start in range(0, len(arns), _DESCRIBED):
        for task in ecs.describe_tasks(cluster=cluster, tasks=arns[start : start + _DESCRIBED])["tasks"]:
            if task["lastStatus"] not in _ENDED:
                family = task["taskDefinitionArn"].rpartition("/")[2].partition(":")[0]
                provider = task.get("capacityProviderName") or task.get("launchType") or "-"
                counted[family, provider, task["lastStatus"]] += 1
    names = ("family", "capacity_provider", "last_status")
    return [{**dict(zip(names, key, strict=True)), "tasks": number} for key, number in sorted(counted.items())]


def lines(title: str, facts: Mapping[str, Any], now: datetime) -> Iterator[str]:
    """Yield the page; a part that could not be read is a sentence in its place, and one alone tells that none could."""
    if all(isinstance(part, str) for part in facts.values()):
        yield f"{title}: {facts['queues']}"
        return
    yield f"{title} at {now:%Y-%m-%d %H:%M:%S} UTC"
    parts: dict[str, Callable[[Any], Iterable[str]]] = {
        "queues": _queue_lines,
        "tasks": _task_lines,
        "jobs": lambda it: _job_lines(it, now),
        "releases": _release_lines,
    }
    for name, part in parts.items():
        if name not in facts:
            continue
        yield ""
        if isinstance(facts[name], str):
            yield f"{name.capitalize()}: {facts[name]}"
        else:
            yield from part(facts[name])


def _queue_lines(found: list[Facts]) -> list[str]:
    rows = [
        [it["name"], str(it["waiting"]), str(it["in_flight"]), str(it["delayed"]), age(it["oldest_seconds"])]
        for it in found
    ]
    return ["Queues", *table(["QUEUE", "WAITING", "IN FLIGHT", "DELAYED", "OLDEST"], rows)]


def _task_lines(found: list[Facts]) -> list[str]:
    rows = [[it["family"], it["capacity_provider"], it["last_status"], str(it["tasks"])] for it in found]
    return ["Tasks", *(table(["FAMILY", "CAPACITY", "STATUS", "TASKS"], rows) or ["  none runs"])]


def _job_lines(overview: Facts, now: datetime) -> Iterator[str]:
    yield "Jobs in flight"
    yield "  " + ", ".join(f"{overview[status]} {status}" for status in IN_FLIGHT)
    if oldest := overview["oldest_waiting"]:
        yield f"  waiting longest: {oldest['job_id']} ({oldest['status']}) for {_since(oldest['since'], now)}"
    if longest := overview["longest_running"]:
        progress = f"{round(100 * longest['progress'])} %"
        yield f"  running longest: {longest['job_id']} for {_since(longest['since'], now)}, {progress} done"
    if overview["expired_leases"]:
        yield f"  {overview['expired_leases']} without a sign of life: the next sweep looks at them"
    if overview["pending_dead_letters"]:
        yield f"  {overview['pending_dead_letters']} failed, their dead letters are still to be sent"
    yield ""
    yield f"Failures of the last {overview['hours']} h"
    failures = sorted(overview["failures"].items(), key=lambda item: (-item[1], item[0]))
    yield from table(["REASON", "JOBS"], [[code, str(number)] for code, number in failures]) or ["  none"]


def _release_lines(found: list[Facts]) -> list[str]:
    rows = [
        [
            it["release"],
            "live" if it["live"] else "",
            "/".join(it["versions"].values()),
            (it["image_digest"] or "no image")[:_DIGEST],
            it["commit"][:_COMMIT],
            it["since"][:_TO_THE_MINUTE].replace("T", " "),
        ]
        for it in found
    ]
    head = ["RELEASE", "", "VERSIONS", "IMAGE", "COMMIT", "PUBLISHED (UTC)"]
    return ["Releases", *(table(head, rows) or ["  none was published"])]


def _since(moment: str, now: datetime) -> str:
    return age((now - datetime.fromisoformat(moment)).total_seconds())


def age(seconds: float | None) -> str:
    """Write a time in its two largest units, for example `2 h 5 min`; `-` when it is not known."""
    if seconds is None:
        return "-"
    whole = max(0, round(seconds))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"
