"""The pipeline as operators' modules meet it: its queues and cluster on an emulator, its jobs in a real database."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from tests.ansible_modules import Outcome, run_module
from tests.contract.emulators import Emulator
from tests.unit.functions.rest import RestOverDatabase
from tests.unit.supabase.database import Database

from ansible.module_utils.tamma import letters  # isort: skip - tests.ansible_modules shows it to Python

DEAD_LETTERS, JOBS = "t-jobs-dlq.fifo", "t-jobs.fifo"
CLUSTER = "t-cluster"
KEY = "service-key"
SECRETS = {"supabase_url_parameter": "/t/supabase_url", "supabase_service_key_parameter": "/t/supabase_service_key"}
REASON = "The processing stopped unexpectedly. The job failed after attempt 5 (crashed)."


class Operated:
    """An account with the pipeline's parts, and what an operator's module does to it."""

    def __init__(self, aws: Emulator, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.aws, self.database, self.rest = aws, database, RestOverDatabase(database)
        monkeypatch.setattr(
            httpx.HTTPTransport, "handle_request", lambda _self, request: self.rest.handle_request(request)
        )
        monkeypatch.setattr(letters, "WAIT", 0)  # the emulator is one server
        aws.reset()
        self.sqs, self.ecs = aws.client("sqs"), aws.client("ecs")
        fifo = {"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId"}
        self.dead_letters, self.jobs = (
            self.sqs.create_queue(QueueName=name, Attributes=fifo)["QueueUrl"] for name in (DEAD_LETTERS, JOBS)
        )
        self.ecs.create_cluster(clusterName=CLUSTER)
        for name, value in zip(SECRETS.values(), ("http://127.0.0.1:9", KEY), strict=True):
            aws.client("ssm").put_parameter(Name=name, Value=value, Type="String")

    def run(self, module: str, options: Mapping[str, Any], *, check: bool = False) -> Outcome:
        """Run a module; the service key must not be in what it says, and check mode changes nothing."""
        outcome = run_module(
            module, {**SECRETS, **options}, check=check, connect=self.aws.recorded_client, recorder=self.aws.recorder
        )
        assert KEY not in json.dumps(outcome.result)
        return outcome

    def redrive(self, *, check: bool = False, **options: Any) -> Outcome:
        """Run dead_letters, fast enough for a test."""
        queues = {"name": DEAD_LETTERS, "jobs_queue": JOBS, "rate": 100}
        return self.run("dead_letters", {**queues, **options}, check=check)

    def operate(self, state: str, job_id: str, *, check: bool = False, **options: Any) -> Outcome:
        """Run job."""
        parts = {"jobs_queue": JOBS, "cluster": CLUSTER}
        return self.run("job", {**parts, "job_id": job_id, "state": state, **options}, check=check)

    def claim(self, job_id: str, attempt: int) -> None:
        """Take an attempt as the dispatcher does."""
        named: dict[str, Any] = {"p_s3_key": f"uploads/{job_id}.wav", "p_pipeline": "audio-clean", "p_preset": None}
        assert self.database.call("claim_job", p_job_id=job_id, p_attempt=attempt, p_lease_seconds=600, **named)

    def use_up(self, job_id: str, user_id: str | None = None) -> None:
        """Let a job fail five times, and set its message aside as the reconciler does."""
        self.database.admin.execute(
            "insert into public.jobs (job_id, s3_key, user_id) values (%s, %s, %s)",
            [job_id, f"uploads/{job_id}.wav", user_id],
        )
        for attempt in range(1, 6):
            self.claim(job_id, attempt)
            self.database.call(
                "retry_job", p_job_id=job_id, p_attempt=attempt, p_reason="failure", p_error_code="crashed",
                p_error_message="The processing stopped unexpectedly.", p_delay_seconds=300,
            )  # fmt: skip
        self.database.call("dead_letter_sent", p_job_id=job_id, p_attempt=5)
        self.set_aside(body(job_id, 6), user_id or job_id, f"{job_id}.6")

    def set_aside(self, text: str, group: str | None = None, deduplication_id: str | None = None) -> None:
        """Put a message into the dead-letter queue."""
        self.sqs.send_message(
            QueueUrl=self.dead_letters, MessageBody=text, MessageGroupId=group or uuid.uuid4().hex,
            MessageDeduplicationId=deduplication_id or uuid.uuid4().hex,
            MessageAttributes={"reason": {"DataType": "String", "StringValue": REASON}},
        )  # fmt: skip

    def depth(self, url: str) -> tuple[int, int]:
        """Return how many messages of a queue can be received, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        visible, hidden = (int(answer[name]) for name in names)
        return visible, hidden

    def sent(self) -> list[dict[str, Any]]:
        """Take everything out of the jobs queue, and return the bodies."""
        bodies = []
        while messages := self.sqs.receive_message(QueueUrl=self.jobs, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                bodies.append(json.loads(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.jobs, ReceiptHandle=message["ReceiptHandle"])
        return bodies


def body(job_id: str, attempt: int) -> str:
    """Return the message that offers an attempt."""
    return json.dumps({"job_id": job_id, "s3_key": f"uploads/{job_id}.wav", "attempt": attempt})
