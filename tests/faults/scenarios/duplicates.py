"""Messages that arrive more than once, in the queue and beside it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from tests.e2e.pipeline import DISPATCHER
from tests.faults.jobs import Job
from tests.faults.ledger import Facts
from tests.faults.scenario import Scenario

_RESENT_AFTER = 6 * 60  # seconds before the factor: the deduplication window is five minutes


class Duplicates(Scenario):
    """Each message comes two or three times, partly at once, and once more when SQS has forgotten its id."""

    name = "duplicates"
    fault = "every message 2-3 times; producer resends after 6 min"
    bound = "exactly 1.00 task per job"
    solo = False

    @contextmanager
    def injected(self) -> Iterator[None]:
        self.resent, self._timers = 0, list[threading.Timer]()
        with ThreadPoolExecutor(4) as self._callers:
            yield
            for timer in self._timers:
                timer.join()

    def submit(self, job: Job) -> None:
        self.world.submit(job)
        for copy in range(job.random("copies").randint(1, 2)):
            if job.random(f"way {copy}").random() < 0.5:
                self._callers.submit(self._invoke, job, copy)
            else:
                self._send(job, f"{job.job_id}.copy{copy}")
        timer = threading.Timer(self.options.seconds(_RESENT_AFTER), partial(self._resend, job))
        self._timers.append(timer)
        timer.start()

    def _resend(self, job: Job) -> None:
        self._send(job, job.job_id)
        self.resent += 1

    def _send(self, job: Job, deduplication_id: str) -> None:
        self.world.pipeline.sqs.send_message(
            QueueUrl=self.world.pipeline.settings["jobs_queue_url"], MessageBody=_body(job),
            MessageGroupId=job.job_id, MessageDeduplicationId=deduplication_id,
        )  # fmt: skip

    def _invoke(self, job: Job, copy: int) -> None:
        """Hand the function the same record while the queue may be doing so as well."""
        record = {
            "messageId": f"{job.job_id}-{copy}", "receiptHandle": "none", "body": _body(job),
            "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": job.job_id}, "messageAttributes": {},
            "md5OfBody": "", "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:jobs.fifo",
            "awsRegion": "us-east-1",
        }  # fmt: skip
        functions = self.world.aws("lambda")
        functions.invoke(FunctionName=DISPATCHER, Qualifier="live", Payload=json.dumps({"Records": [record]}))

    def judge(self, facts: Facts) -> list[str]:
        self.remarks.append(f"{self.resent} messages sent again after the deduplication window")
        return [f"{job.job_id} had {n} tasks" for job in self.jobs if (n := len(facts.tasks.get(job.job_id, []))) != 1]


def _body(job: Job) -> str:
    return json.dumps({"job_id": job.job_id, "s3_key": job.s3_key})
