"""The deployed pipeline as tests meet it: what a front end does with it, and what each of its parts then holds."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from supabase import create_client
from tamma_demo.front_end import FrontEnd
from tamma_local.cloud import Cloud

from tests.e2e.local_stack import Client, until

Row = dict[str, Any]

CLUSTER = "tamma-dev-cluster"
RAW, DERIVED = "tamma-dev-raw", "tamma-dev-derived"
JOBS_QUEUE, DEAD_LETTER_QUEUE = "tamma-dev-jobs.fifo", "tamma-dev-jobs-dlq.fifo"
DISPATCHER = "trigger-audio-clean"
OVER = frozenset({"succeeded", "failed"})

# Seconds. A job of some seconds of sound takes two or three; a dozen of them share two cores that may be busy.
PATIENCE = 120


@dataclass(frozen=True)
class DeadLetter:
    """A message that was set aside."""

    body: str
    reason: str
    group: str


@dataclass(frozen=True)
class Demo:
    """How the demo went that converged the stack: its exit code, what it printed, and where it put results."""

    exit_code: int
    printed: str
    output: Path


@dataclass
class Pipeline:
    """One converged stack; the front end has the presign identity's key, everything else looks on as root."""

    cloud: Cloud
    aws: Client
    settings: dict[str, Any]
    demo: Demo
    _dead: list[DeadLetter] = field(default_factory=list)

    def __post_init__(self) -> None:
        cloud = self.cloud
        self.front_end = FrontEnd(self.settings, cloud.supabase_url, cloud.supabase_service_key, cloud.aws_endpoint_url)
        self.table = create_client(cloud.supabase_url, cloud.supabase_service_key)
        self.ecs, self.s3, self.sqs, self.logs = (self.aws(name) for name in ("ecs", "s3", "sqs", "logs"))
        self.presigner = {
            "aws_access_key_id": self.settings["access_key_id"],
            "aws_secret_access_key": self.settings["secret_access_key"],
        }

    def send(self, recording: Path, name: str) -> str:
        """Upload a recording and send its job, as the front end does; return the new job's id."""
        job_id = new_id(name)
        self.front_end.submit(job_id, self.front_end.upload(recording, job_id, lambda _count: None))
        return job_id

    def send_bodies(self, bodies: list[str]) -> list[str]:
        """Send messages as they are, in one call and each in a group of its own; return their message ids."""
        entries = [
            {"Id": str(n), "MessageBody": body, "MessageGroupId": uuid.uuid4().hex,
             "MessageDeduplicationId": uuid.uuid4().hex}
            for n, body in enumerate(bodies)
        ]  # fmt: skip
        sqs = self.aws("sqs", **self.presigner)
        answer = sqs.send_message_batch(QueueUrl=self.settings["jobs_queue_url"], Entries=entries)
        assert not answer.get("Failed"), answer
        return [str(sent["MessageId"]) for sent in sorted(answer["Successful"], key=lambda sent: int(sent["Id"]))]

    @contextmanager
    def dispatcher_paused(self) -> Iterator[None]:
        """Let no message be taken meanwhile, so that what is sent arrives as one batch."""
        functions = self.aws("lambda")
        mapping = functions.list_event_source_mappings(FunctionName=DISPATCHER)["EventSourceMappings"][0]["UUID"]

        def enable(wanted: bool) -> None:
            functions.update_event_source_mapping(UUID=mapping, Enabled=wanted)
            state = "Enabled" if wanted else "Disabled"
            until(state, lambda: functions.get_event_source_mapping(UUID=mapping)["State"] == state)

        enable(False)
        try:
            yield
        finally:
            enable(True)

    @contextmanager
    def reconfigured(self, function: str, variables: dict[str, str]) -> Iterator[None]:
        """Release a function with more environment variables meanwhile: what is called is a published version."""
        functions = self.aws("lambda")
        before = functions.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
        deployed = functions.get_function_configuration(FunctionName=function)["Environment"]["Variables"]

        def configure(wanted: dict[str, str]) -> None:
            functions.update_function_configuration(FunctionName=function, Environment={"Variables": wanted})
            functions.get_waiter("function_updated_v2").wait(FunctionName=function)

        configure(deployed | variables)
        published = functions.publish_version(FunctionName=function)["Version"]
        functions.update_alias(FunctionName=function, Name="live", FunctionVersion=published)
        try:
            yield
        finally:
            functions.update_alias(FunctionName=function, Name="live", FunctionVersion=before)
            functions.delete_function(FunctionName=function, Qualifier=published)
            configure(deployed)

    def row(self, job_id: str) -> Row:
        """Return the job's row; empty when there is none."""
        rows: list[Any] = self.table.table("jobs").select("*").eq("job_id", job_id).execute().data
        return dict(rows[0]) if rows else {}

    def reached(self, job_id: str, found: Callable[[Row], bool], what: str) -> Row:
        """Return the row as soon as it is as wanted; a job that is over does not change any more."""

        def as_wanted() -> Row | None:
            row = self.row(job_id)
            if found(row):
                return row
            assert row.get("status") not in OVER, f"{job_id}: {what} never came: {row}"
            return None

        return dict(until(f"{job_id}: {what}", as_wanted, PATIENCE))

    def finished(self, job_id: str) -> Row:
        """Return the row in its terminal state, once the job's last task has stopped as well."""
        row = self.reached(job_id, lambda row: row.get("status") in OVER, "a terminal state")
        until(f"{job_id}: its tasks stop", lambda: all(t["lastStatus"] == "STOPPED" for t in self.tasks(job_id)))
        return row

    def succeeded(self, job_id: str) -> Row:
        """Return the row of a job that has to succeed."""
        row = self.finished(job_id)
        assert row["status"] == "succeeded", f"{row['error_code']}: {row['error_message']}\n{self.task_log(job_id)}"
        return row

    def history(self, job_id: str) -> list[Row]:
        """Return every change of the job's state or attempt, in order."""
        rows: list[Any] = self.table.table("jobs_events").select("*").eq("job_id", job_id).order("id").execute().data
        return [dict(row) for row in rows]

    def states(self, job_id: str) -> list[tuple[str, int]]:
        """Return the job's states with their attempts, in order."""
        return [(event["to_status"], event["attempt"]) for event in self.history(job_id)]

    def tasks(self, job_id: str) -> list[Row]:
        """Return the ECS tasks that were started for a job, in the order of their attempts."""
        arns = [
            arn
            for status in ("RUNNING", "STOPPED")
            for page in self.ecs.get_paginator("list_tasks").paginate(
                cluster=CLUSTER, desiredStatus=status, startedBy=job_id[:36]
            )
            for arn in page["taskArns"]
        ]
        described = self.ecs.describe_tasks(cluster=CLUSTER, tasks=arns)["tasks"] if arns else []
        return sorted((task for task in described if job_of(task) == job_id), key=attempt_of)

    def task_log(self, job_id: str) -> str:
        """Return what the job's tasks have logged, for the message of a failed assertion."""
        lines = []
        for task in self.tasks(job_id):
            answer = self.logs.filter_log_events(
                logGroupName="/ecs/tamma-dev-audio-clean", filterPattern="",
                logStreamNames=[f"worker/worker/{task['taskArn'].rsplit('/', 1)[-1]}"],
            )  # fmt: skip
            lines += [event["message"] for event in answer["events"]]
        return "\n".join(lines)

    def published(self, job_id: str) -> dict[str, Any]:
        """Return the job's manifest."""
        body = self.s3.get_object(Bucket=DERIVED, Key=f"derived/{job_id}/manifest.json")["Body"].read()
        manifest: dict[str, Any] = json.loads(body)
        return manifest

    def keys(self, job_id: str) -> set[str]:
        """Return everything that is stored under the job's prefix."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=DERIVED, Prefix=f"derived/{job_id}/")
        return {item["Key"] for page in pages for item in page.get("Contents", [])}

    def unfinished_uploads(self, job_id: str) -> list[str]:
        """Return the keys of multipart uploads of the job that were neither completed nor aborted."""
        answer = self.s3.list_multipart_uploads(Bucket=DERIVED, Prefix=f"derived/{job_id}/")
        return [upload["Key"] for upload in answer.get("Uploads", [])]

    def dead_letters(self) -> list[DeadLetter]:
        """Return every message that was set aside since the start of the session."""
        url = self.sqs.get_queue_url(QueueName=DEAD_LETTER_QUEUE)["QueueUrl"]
        while messages := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages"):
            for message in messages:
                attributes = message.get("MessageAttributes", {})
                reason = attributes.get("reason", {}).get("StringValue", "")
                self._dead.append(DeadLetter(message["Body"], reason, message["Attributes"]["MessageGroupId"]))
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return self._dead

    def queue_is_empty(self) -> bool:
        """Say whether no message is in the jobs queue, not even a hidden one."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        url = self.settings["jobs_queue_url"]
        attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return not any(int(attributes[name]) for name in names)

    def dispatcher_log(self, word: str) -> list[dict[str, Any]]:
        """Return the dispatcher's log entries that contain a word (a job's or message's id), in order."""
        return [entry for entry in self._entries(f"/aws/lambda/{DISPATCHER}") if word in json.dumps(entry)]

    def _entries(self, group: str) -> Iterator[dict[str, Any]]:
        for page in self.logs.get_paginator("filter_log_events").paginate(logGroupName=group):
            for event in page["events"]:
                for line in event["message"].splitlines():
                    if line.startswith("{"):
                        yield json.loads(line)


def new_id(name: str) -> str:
    """Return a job id that nobody has used, with a name in it that a person understands."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def job_of(task: Row) -> str:
    """Return the job that a task was started for."""
    return str(_override(task, "JOB_ID"))


def attempt_of(task: Row) -> int:
    """Return the attempt that a task was started for."""
    return int(_override(task, "ATTEMPT") or 0)


def moment(text: str) -> datetime:
    """Read a time of a row."""
    return datetime.fromisoformat(text)


def _override(task: Row, name: str) -> str | None:
    variables = task["overrides"]["containerOverrides"][0]["environment"]
    return next((item["value"] for item in variables if item["name"] == name), None)
