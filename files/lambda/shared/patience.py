"""How long a message waits before it is delivered again."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from settings import UNSCALED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from settings import TimeScale

# Seconds. The longest wait is short because it is also how late a job is seen after an outage: contract, 60 s.
FIRST_WAIT = 2
LONGEST_WAIT = 45


def wait_seconds(receive_count: int, message_id: str) -> int:
    """Return 2, 4, 8 … 45 s for the 1st, 2nd, 3rd … delivery, spread by up to a quarter so that messages part ways."""
    grown = min(LONGEST_WAIT, FIRST_WAIT << min(max(receive_count, 1) - 1, 10))
    spread = zlib.crc32(f"{message_id}:{receive_count}".encode()) % 1000 / 1000
    return max(1, round(grown * (1 - spread / 4)))


def receives(record: SQSRecord) -> int:
    """Return how often a message was delivered, this time included."""
    return int(record.attributes.approximate_receive_count or 1)


def group_of(record: SQSRecord) -> str:
    """Return the message group; a message without one (standard queue) is a group of its own."""
    return str(record.attributes.get("MessageGroupId") or record.message_id)


def waits_by_receipt(failed: Iterable[SQSRecord], scale: TimeScale = UNSCALED) -> dict[str, int]:
    """Map the receipt handles of failed records, in their order, to seconds.

    Mates of one group wait as long as the first of them: one that is hidden longer would keep the whole group back.
    """
    waits: dict[str, int] = {}
    of_group: dict[str, int] = {}
    for record in failed:
        wait = of_group.setdefault(group_of(record), wait_seconds(receives(record), record.message_id))
        waits[record.receipt_handle] = scale.seconds(wait)
    return waits
