"""The end of a stack's work: no new job comes in, and those that are there end as always."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.tamma import unfinished
from ansible.module_utils.tamma.errors import RefusalError, is_code
from ansible.module_utils.tamma.holdings import Connect
from ansible.module_utils.tamma.unfinished import Places
from ansible.module_utils.tamma.wait import poll
from botocore.exceptions import ClientError

_SID = "NoNewJobsDuringTeardown"
_CALM = 2  # looks in a row that find nothing: SQS counts approximately


def drain(connect: Connect, places: Places, sender: str, minutes: float, *, abandon: bool) -> bool:
    """Wait until no job is under way; return whether there was one.

    Meanwhile the jobs queue takes messages from `sender` alone, the ARN of the role that sends jobs again: a front end
    is told so (AccessDenied) and can tell its user. When the time is up, or a job ended in the dead-letter queue, the
    queue is opened again and RefusalError says what is not over; with `abandon` that is given up.
    """
    since = datetime.now(UTC).isoformat(timespec="seconds")
    if not unfinished.under_way(connect, places) and not unfinished.dead_letters(connect, places):
        return False
    with _closed(connect("sqs"), places.jobs_queue, sender):
        rest = _wait(connect, places, since, minutes) or unfinished.dead_letters(connect, places)
        if rest and not abandon:
            raise RefusalError(
                f"after {minutes:g} minutes this is not over: {', '.join(rest)}; new jobs are taken again and "
                "nothing was deleted: give it more time, or the jobs up with -e teardown_abandon_jobs=true"
            )
    return True


def _wait(connect: Connect, places: Places, since: str, minutes: float) -> list[str]:
    """Return what is not over when the time is up."""
    rest: list[str] = []
    calm = 0

    def over() -> bool:
        nonlocal calm, rest
        rest = unfinished.under_way(connect, places, since)
        calm = 0 if rest else calm + 1
        return calm == _CALM

    try:
        poll(over, what="the end of the jobs", timeout=minutes * 60)
    except RefusalError:
        if not rest and not calm:
            raise
    return rest


@contextmanager
def _closed(sqs: Any, queue: str, sender: str) -> Iterator[None]:
    """Keep a queue closed, also afterwards when all went well: it is deleted next."""
    try:
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    except ClientError as error:
        if not is_code(error, *unfinished.NO_QUEUE):
            raise
        yield
        return
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "QueueArn"])["Attributes"]
    before = _without(json.loads(found.get("Policy") or "{}"))
    deny = {
        "Sid": _SID, "Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage", "Resource": found["QueueArn"],
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": sender}},
    }  # fmt: skip
    closed = {"Version": "2012-10-17", **before, "Statement": [*before.get("Statement", []), deny]}
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(closed)})
    try:
        yield
    except BaseException:  # also when the operator interrupts it
        text = json.dumps(before) if before.get("Statement") else ""
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": text})
        raise


def _without(policy: dict[str, Any]) -> dict[str, Any]:
    """Return a policy without the statement that a run which was killed has left."""
    statements = [one for one in policy.get("Statement", []) if one.get("Sid") != _SID]
    return {**policy, "Statement": statements}
