"""The three queues: jobs, its dead letters, and task events."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from job_message import JobMessage
    from settings import Settings

MAX_DELAY_SECONDS = 900  # the limit of SQS
# A queue may refuse what is above 256 KiB; a body that long is no job's message, and its beginning tells what it is.
MAX_DEAD_LETTER_BYTES = 200_000
MAX_REASON_CHARACTERS = 1000
# SQS refuses a whole message for one character outside of its set, and a sentence may quote what somebody sent.
# Source: Amazon SQS Developer Guide, "Amazon SQS message quotas", Message content.
REFUSED_CHARACTERS = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
BATCH = 10  # the limit of ChangeMessageVisibilityBatch


class Queues:
    """Sends to the queues by name; their URLs are looked up at first use."""

    def __init__(self, client: Any, settings: Settings) -> None:
        """``client`` is boto3's for SQS."""
        self._client = client
        self._settings = settings
        self._url = functools.cache(self._find_url)

    def _find_url(self, name: str) -> str:
        return str(self._client.get_queue_url(QueueName=name)["QueueUrl"])

    def send_job(self, message: JobMessage, group: str) -> None:
        """Offer an attempt; a second offer of the same attempt within five minutes disappears."""
        self._client.send_message(
            QueueUrl=self._url(self._settings.jobs_queue),
            MessageBody=message.body(),
            MessageGroupId=group,
            MessageDeduplicationId=message.deduplication_id,
        )

    def send_dead_letter(self, body: str, group: str, deduplication_id: str, reason: str) -> None:
        """Set a message aside, with the sentence that says why in its attribute ``reason``."""
        body, reason = _acceptable(body), _acceptable(reason)
        kept = body.encode()[:MAX_DEAD_LETTER_BYTES].decode(errors="ignore")
        cut = "" if kept == body else f" The body was cut to its first {MAX_DEAD_LETTER_BYTES} bytes."
        self._client.send_message(
            QueueUrl=self._url(self._settings.dead_letter_queue),
            MessageBody=kept,
            MessageGroupId=group,
            MessageDeduplicationId=deduplication_id,
            MessageAttributes={
                "reason": {"DataType": "String", "StringValue": reason[:MAX_REASON_CHARACTERS] + cut},
            },
        )

    def send_requeue(self, job_id: str, attempt: int, delay_seconds: int) -> None:
        """Ask the reconciler to look at a job again, in at most 15 minutes."""
        self._client.send_message(
            QueueUrl=self._url(self._settings.task_events_queue),
            MessageBody=json.dumps({"tamma": "requeue", "job_id": job_id, "attempt": attempt}),
            DelaySeconds=min(max(delay_seconds, 0), MAX_DELAY_SECONDS),
        )

    def put_off(self, queue: str, waits: dict[str, int]) -> str | None:
        """Hide failed messages for the given seconds; returns what went wrong, which is no reason to fail.

        Messages that cannot be put off come back after the queue's visibility timeout instead.
        """
        items = list(waits.items())
        try:
            for start in range(0, len(items), BATCH):
                self._client.change_message_visibility_batch(
                    QueueUrl=self._url(queue),
                    Entries=[
                        {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": wait}
                        for number, (handle, wait) in enumerate(items[start : start + BATCH])
                    ],
                )
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return None


def _acceptable(text: str) -> str:
    return REFUSED_CHARACTERS.sub("\ufffd", text)
