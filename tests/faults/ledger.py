"""What really became of the jobs: rows of PostgreSQL, objects in S3, tasks of ECS, messages in queues."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from itertools import batched
from typing import Any

from tests.e2e.pipeline import CLUSTER, DERIVED, OVER, DeadLetter, Row, attempt_of, job_of
from tests.faults.jobs import Job
from tests.faults.scenario import Scenario
from tests.faults.world import World


@dataclass(frozen=True)
class Facts:
    """Everything that is stored about the jobs of one scenario, by job id where that makes sense."""

    jobs: list[Job]
    rows: dict[str, Row]
    events: dict[str, list[Row]]
    tasks: dict[str, list[Row]]
    objects: dict[str, dict[str, int]]  # key → bytes
    contents: dict[str, bytes]  # key → content, of manifests and of what they name
    unfinished_uploads: list[str]
    dead_letters: list[DeadLetter]
    queues_emptied: bool

    def manifest(self, job_id: str) -> dict[str, Any] | None:
        """Return what readers of the job's result see; None: nothing was published."""
        body = self.contents.get(f"derived/{job_id}/manifest.json")
        return None if body is None else dict(json.loads(body))

    def terminal(self, job_id: str) -> list[Row]:
        """Return the job's transitions into a terminal state."""
        return [event for event in self.events.get(job_id, []) if event["to_status"] in OVER]


def collect(world: World, jobs: list[Job], prefix: str, *, queues_emptied: bool) -> Facts:
    """Read everything about the jobs whose ids begin with the prefix, once the run has settled."""
    rows = world.query("select * from public.jobs where starts_with(job_id, %s)", prefix)
    events = defaultdict(list)
    for event in world.query("select * from public.jobs_events where starts_with(job_id, %s) order by id", prefix):
        events[event["job_id"]].append(event)
    objects = _objects(world, prefix)
    uploads = world.pipeline.s3.list_multipart_uploads(Bucket=DERIVED, Prefix=f"derived/{prefix}").get("Uploads", [])
    return Facts(
        jobs=jobs,
        rows={row["job_id"]: row for row in rows},
        events=dict(events),
        tasks=_tasks(world, prefix),
        objects=objects,
        contents=_contents(world, objects),
        unfinished_uploads=[upload["Key"] for upload in uploads],
        dead_letters=[letter for letter in world.dead_letters() if prefix in letter.body],
        queues_emptied=queues_emptied,
    )


def _objects(world: World, prefix: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = defaultdict(dict)
    pages = world.pipeline.s3.get_paginator("list_objects_v2").paginate(Bucket=DERIVED, Prefix=f"derived/{prefix}")
    for item in (item for page in pages for item in page.get("Contents", [])):
        found[item["Key"].split("/")[1]][item["Key"]] = item["Size"]
    return dict(found)


def _contents(world: World, objects: dict[str, dict[str, int]]) -> dict[str, bytes]:
    """Fetch manifests and, where it is there, everything that they name: small files, all of them."""
    s3, found = world.pipeline.s3, {}
    for job_id, keys in objects.items():
        manifest_key = f"derived/{job_id}/manifest.json"
        if manifest_key not in keys:
            continue
        found[manifest_key] = s3.get_object(Bucket=DERIVED, Key=manifest_key)["Body"].read()
        for output in json.loads(found[manifest_key])["outputs"].values():
            if output["key"] in keys:
                found[output["key"]] = s3.get_object(Bucket=DERIVED, Key=output["key"])["Body"].read()
    return found


def _tasks(world: World, prefix: str) -> dict[str, list[Row]]:
    arns = [
        arn
        for status in ("RUNNING", "STOPPED")
        for page in world.pipeline.ecs.get_paginator("list_tasks").paginate(cluster=CLUSTER, desiredStatus=status)
        for arn in page["taskArns"]
    ]
    found: dict[str, list[Row]] = defaultdict(list)
    for some in batched(dict.fromkeys(arns), 100):
        for task in world.pipeline.ecs.describe_tasks(cluster=CLUSTER, tasks=list(some))["tasks"]:
            job_id = job_of(task)
            if job_id.startswith(prefix):
                found[job_id].append(task)
    return {job_id: sorted(tasks, key=attempt_of) for job_id, tasks in found.items()}


def lost(facts: Facts) -> list[str]:
    """Return the jobs without a terminal state."""
    return [it.job_id for it in facts.jobs if facts.rows.get(it.job_id, {}).get("status") not in OVER]


def duplicates(facts: Facts) -> list[str]:
    """Return what took effect twice: a second terminal transition, or a result of a job that failed."""
    found = []
    for job in facts.jobs:
        terminal = [(event["to_status"], event["attempt"]) for event in facts.terminal(job.job_id)]
        # An operator may reopen what has failed; each life has one end.
        if len(terminal) > 1 + facts.rows.get(job.job_id, {}).get("reopened", 0):
            found.append(f"{job.job_id} ended {len(terminal)} times: {terminal}")
        if facts.rows.get(job.job_id, {}).get("status") == "failed" and facts.manifest(job.job_id):
            found.append(f"{job.job_id} failed and has a published result")
    return found


def broken(scenario: Scenario, facts: Facts) -> list[str]:
    """Return every promise beyond `lost` and `duplicates` that does not hold, one sentence each."""
    found = [sentence for job in facts.jobs for sentence in _job_problems(facts, job)]
    found += _leftovers(scenario, facts)
    if facts.dead_letters and not scenario.may_be_set_aside:
        found.append(f"{len(facts.dead_letters)} messages in the dead-letter queue: {facts.dead_letters[0]}")
    if not facts.queues_emptied:
        found.append("workers still run or the queues still hold messages")
    most, per_job = scenario.most_tasks_per_job, tasks_per_job(facts)
    if most is not None and per_job > most:
        found.append(f"{per_job:.3f} tasks per job, more than {most:.2f}")
    slowest, limit = slowest_requeue(scenario, facts), scenario.requeue_limit(scenario.options)
    if slowest is not None and limit is not None and slowest[0] > limit:
        found.append(f"{slowest[1]} went on {slowest[0]:.1f} s after its death, later than {limit:.1f} s")
    return found + scenario.judge(facts)


def _job_problems(facts: Facts, job: Job) -> list[str]:
    row, manifest = facts.rows.get(job.job_id), facts.manifest(job.job_id)
    if row is None or row["status"] not in OVER:
        return []  # lost, and counted there
    if row["status"] != job.expected:
        return [f"{job.job_id} {row['status']} ({row['error_code']}: {row['error_message']}), not {job.expected}"]
    if row["status"] == "failed":
        return []
    if manifest is None:
        return [f"{job.job_id} succeeded without a manifest"]
    found = [] if row["outputs"] == manifest else [f"{job.job_id}: the row's outputs are not the manifest"]
    for output in manifest["outputs"].values():
        content = facts.contents.get(output["key"])
        named = (output["bytes"], output["sha256"])
        if content is None or (len(content), hashlib.sha256(content).hexdigest()) != named:
            found.append(f"{output['key']} is not what the manifest says")
        if not output["key"].startswith(f"derived/{job.job_id}/{manifest['attempt']}/"):
            found.append(f"{output['key']} is not of the attempt that published")
    return found


def _leftovers(scenario: Scenario, facts: Facts) -> list[str]:
    """Return what nobody reads and nobody will remove.

    What a SIGKILL cut off in the middle of an upload is removed by the bucket's lifecycle rule; complete objects are
    not, so that the attempt that publishes has to remove those of attempts before it.
    """
    found = [] if scenario.sigkills else [f"an unfinished upload: {key}" for key in facts.unfinished_uploads]
    for job_id, keys in facts.objects.items():
        manifest = facts.manifest(job_id)
        named = {output["key"] for output in manifest["outputs"].values()} if manifest else set()
        extra = set(keys) - named - {f"derived/{job_id}/manifest.json"}
        if extra:
            found.append(f"{job_id}: {len(extra)} objects that no manifest names, such as {min(extra)}")
    return found


def tasks_per_job(facts: Facts) -> float:
    """Return how many ECS tasks there were for each job, on average."""
    return sum(len(tasks) for tasks in facts.tasks.values()) / len(facts.jobs)


def slowest_requeue(scenario: Scenario, facts: Facts) -> tuple[float, str] | None:
    """Return the longest time (seconds as measured) from a death to the claim of the next attempt, and whose it was.

    A job that was over by then counts with the time of its end: what it had published was committed for it.
    """
    slowest = None
    for death in scenario.deaths:
        after = [
            event["at"].timestamp()
            for event in facts.events.get(death.job_id, [])
            if (event["to_status"] == "starting" and event["attempt"] > death.attempt) or event["to_status"] in OVER
        ]
        if after and min(after) >= death.at and (slowest is None or min(after) - death.at > slowest[0]):
            slowest = (min(after) - death.at, death.job_id)
    return slowest
