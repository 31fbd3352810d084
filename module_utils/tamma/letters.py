"""The messages of a dead-letter queue: read, shown again to others, sent where they came from.

A queue can be read only by receiving, which hides a message from everybody else for a while (a lock, if one likes), and
in a FIFO queue keeps the rest of its message group back for as long.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.job_message import JobMessage, MalformedMessageError, parse
from botocore.exceptions import ClientError

AT_ONCE = 10  # the most messages of one call, a limit of SQS
WAIT = 1
"""Seconds to wait for a message: AWS asks only some of its servers without, and an empty answer then means nothing."""
HIDDEN = 30
"""Seconds for which a received message is hidden at most: it is shown again at once, unless we are killed."""
_LOOK = 0.05  # seconds that looking at one letter may take: two calls for ten of them, of a quarter of a second each
_LONGEST_HIDDEN = 43_200  # seconds, a limit of SQS
_MISSING = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")


@dataclass(frozen=True)
class Letter:
    """A dead letter; `message` is None when no job can come of it, and `problem` then says why."""

    message_id: str
    receipt: str
    body: str
    group: str
    deduplication_id: str
    reason: str
    sent_at: float
    """Seconds since 1970."""
    receives: int
    message: JobMessage | None
    problem: str = ""

    @property
    def label(self) -> str:
        """What a person calls it: the job, or the message where there is none."""
        return self.message.job_id if self.message else self.message_id


def queue_url(sqs: Any, name: str) -> str:
    """Return a queue's URL; RefusalError when there is no such queue."""
    try:
        return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
    except ClientError as error:
        if is_code(error, *_MISSING):
            raise RefusalError(f"there is no queue {name}; deploy first (`make converge`)") from error
        raise


class DeadLetterQueue:
    """One dead-letter queue of jobs."""

    def __init__(self, sqs: Any, name: str) -> None:
        """Look the queue up; RefusalError when it is not there."""
        self._sqs = sqs
        self._url = queue_url(sqs, name)

    def counts(self) -> tuple[int, int]:
        """Return about how many messages can be received, and how many somebody else is looking at."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=names)["Attributes"]
        visible, hidden = (int(answer.get(name, 0)) for name in names)
        return visible, hidden

    def rounds(self, handle: Callable[[list[Letter]], Iterator[Letter]], pace: float = 0.0) -> None:
        """Give every letter to `handle` once, a few at a time; it yields those that it has deleted.

        `pace` is how many seconds it needs for one at most. A letter that stays is held until all the others were seen,
        and then shown again to everybody. It keeps the rest of its message group back as long as it is held: when some
        of what was received has been deleted, there is another round for what has moved up.
        """
        seen: set[str] = set()
        at_once = AT_ONCE if pace < 1 else 1  # what waits for its turn here would be hidden for no use
        hidden = min(HIDDEN + round(at_once * pace + sum(self.counts()) * _LOOK), _LONGEST_HIDDEN)
        again = True
        while again:
            again, repeated = False, 0
            held: dict[str, Letter] = {}
            try:
                # Where reading takes longer than that, what is held comes again; once round it is enough.
                while repeated <= len(held) and (letters := self._receive(at_once, hidden)):
                    held |= {letter.message_id: letter for letter in letters}
                    fresh = [letter for letter in letters if letter.message_id not in seen]
                    seen |= {letter.message_id for letter in fresh}
                    repeated = 0 if fresh else repeated + len(letters)
                    for letter in handle(fresh):
                        del held[letter.message_id]
                        again = True
                again = again and bool(held)
            finally:
                self._show_again(list(held.values()))

    def delete(self, letter: Letter) -> None:
        """Delete a letter."""
        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=letter.receipt)

    def _receive(self, at_once: int, hidden: int) -> list[Letter]:
        answer = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=at_once,
            VisibilityTimeout=hidden,
            WaitTimeSeconds=WAIT,
            MessageAttributeNames=["reason"],
            AttributeNames=["All"],
        )
        return [read(message) for message in answer.get("Messages", [])]

    def _show_again(self, letters: list[Letter]) -> None:
        for start in range(0, len(letters), AT_ONCE):
            entries = [
                {"Id": str(number), "ReceiptHandle": letter.receipt, "VisibilityTimeout": 0}
                for number, letter in enumerate(letters[start : start + AT_ONCE])
            ]
            self._sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)


def read(message: dict[str, Any]) -> Letter:
    """Read a message as ReceiveMessage returns it, by the very rules of the dispatcher."""
    attributes = message.get("Attributes", {})
    parsed, problem = None, ""
    try:
        parsed = parse(message["Body"])
    except MalformedMessageError as error:
        problem = str(error)
    return Letter(
        message_id=message["MessageId"],
        receipt=message["ReceiptHandle"],
        body=message["Body"],
        group=attributes.get("MessageGroupId") or message["MessageId"],
        deduplication_id=attributes.get("MessageDeduplicationId") or message["MessageId"],
        reason=message.get("MessageAttributes", {}).get("reason", {}).get("StringValue", ""),
        sent_at=int(attributes.get("SentTimestamp", 0)) / 1000,
        receives=int(attributes.get("ApproximateReceiveCount", 1)),
        message=parsed,
        problem=problem,
    )


class Pace:
    """Lets so many things happen in a second, evenly."""

    def __init__(self, rate: float) -> None:
        """Begin now: the first may happen at once."""
        self.seconds = 1 / rate
        self._next = time.monotonic()

    def wait(self) -> None:
        """Sleep until it is the next one's turn."""
        now = time.monotonic()
        time.sleep(max(0.0, self._next - now))
        self._next = max(self._next, now) + self.seconds
