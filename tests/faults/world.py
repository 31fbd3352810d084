"""What scenarios act upon and look at: the deployed pipeline, its database, its worker processes."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.rows import dict_row

from tests.conftest import aws_client
from tests.e2e.pipeline import DEAD_LETTER_QUEUE, DISPATCHER, JOBS_QUEUE, OVER, DeadLetter, Demo, Pipeline, Row
from tests.faults.jobs import Job
from tests.faults.options import Options
from tests.faults.stack import Stack
from tests.faults.workers import Workers

_TASK_EVENTS_QUEUE = "tamma-dev-task-events"
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
_MOMENT = 0.5  # seconds: the watcher and ECS notice the end of a process at different times
_LONG = 600  # seconds (compressed by the cloud) for which dead letters are hidden while they are all read


class World:
    """One converged cloud; entered once for a run of all scenarios."""

    def __init__(self, stack: Stack, options: Options) -> None:
        self.stack, self.options, self.cloud = stack, options, stack.cloud()
        self.aws: Callable[..., Any] = partial(aws_client, self.cloud)
        self.pipeline = Pipeline(self.cloud, self.aws, stack.presign_key(), Demo(0, "", Path()))
        # Its own client: the thread that looks at the workers must not share connections with the rest.
        self.workers = Workers(self.cloud, self.aws("ecs"))
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        self._folder = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="recordings-")))
        self._database = self._exit.enter_context(
            psycopg.connect(self.cloud.database_url, autocommit=True, row_factory=dict_row)
        )
        self._exit.enter_context(self.workers)
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def query(self, text: str, *values: object) -> list[Row]:
        """Ask PostgreSQL itself, as its owner; `text` is a literal of this repository."""
        return self._database.execute(text, values).fetchall()

    def submit(self, job: Job) -> None:
        """Upload the job's recording, insert its row and send its message, as the front end does."""
        self.upload(job)
        self.pipeline.front_end.submit(job.job_id, job.s3_key)

    def upload(self, job: Job) -> None:
        """Upload the job's recording and note its key in the job."""
        recording = job.recording(self._folder)
        job.s3_key = self.pipeline.front_end.upload(recording, job.job_id, lambda _count: None)
        recording.unlink()

    def over(self, prefix: str) -> set[str]:
        """Return the ids of the jobs with this prefix that have reached a terminal state."""
        found = self.query(
            "select job_id from public.jobs where starts_with(job_id, %s) and status = any(%s)", prefix, sorted(OVER)
        )
        return {row["job_id"] for row in found}

    def changes(self, prefix: str) -> int:
        """Return how many changes of state the jobs with this prefix have seen."""
        text = "select count(*) as n from public.jobs_events where starts_with(job_id, %s)"
        return int(self.query(text, prefix)[0]["n"])

    def dead_letters(self) -> list[DeadLetter]:
        """Return every message that is set aside now, and leave all of them there."""
        url = self.pipeline.sqs.get_queue_url(QueueName=DEAD_LETTER_QUEUE)["QueueUrl"]
        found, handles = [], []
        while messages := self.pipeline.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=_LONG, AttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages"):  # fmt: skip
            for message in messages:
                reason = message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", "")
                found.append(DeadLetter(message["Body"], reason, message["Attributes"]["MessageGroupId"]))
                handles.append(message["ReceiptHandle"])
        for handle in handles:
            self.pipeline.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        return found

    def is_quiet(self, prefix: str) -> bool:
        """Say whether nothing runs or waits any more that could move a job with this prefix: twice, a moment apart."""
        for _ in range(2):
            if any(worker.job_id.startswith(prefix) for worker in list(self.workers.alive.values())):
                return False
            if self.waiting(JOBS_QUEUE) or self.waiting(_TASK_EVENTS_QUEUE):
                return False
            time.sleep(_MOMENT)
        return True

    def waiting(self, queue: str) -> int:
        """Return how many messages are in a queue, hidden and delayed ones included."""
        url = self.pipeline.sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        attributes = self.pipeline.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=_COUNTS)["Attributes"]
        return sum(int(attributes[name]) for name in _COUNTS)

    @contextmanager
    def batches_of(self, most: int) -> Iterator[None]:
        """Hand the dispatcher at most so many messages at once meanwhile."""
        functions = self.aws("lambda")
        mapping = functions.list_event_source_mappings(FunctionName=DISPATCHER)["EventSourceMappings"][0]
        functions.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=most)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], BatchSize=mapping["BatchSize"])

    @contextmanager
    def reconfigured(self, function: str, **variables: str) -> Iterator[None]:
        """Release a function with more environment variables meanwhile."""
        with self.pipeline.reconfigured(function, variables):
            yield

    def until(self, what: str, found: Callable[[], Any], seconds: float) -> bool:
        """Wait for something; say whether it came."""
        deadline = time.monotonic() + seconds
        while not found():
            if time.monotonic() > deadline:
                print(f"  {what}: not within {seconds:.0f} s", flush=True)
                return False
            time.sleep(0.2)
        return True
