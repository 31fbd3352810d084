"""The message groups of one batch: all at the same time, each in its own order."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from patience import group_of

if TYPE_CHECKING:
    from collections.abc import Callable

# A batch of a FIFO queue has at most ten messages, so ten groups; the pools of botocore and httpx have as many places.
MOST_GROUPS = 10


class Groups:
    """Threads that live as long as the sandbox; as a message mostly waits for answers, they share a processor well."""

    def __init__(self) -> None:
        """Start no thread yet: each is started when it is first needed."""
        self._threads = ThreadPoolExecutor(MOST_GROUPS, thread_name_prefix="group")

    def take(self, records: list[dict[str, Any]], handler: Callable[[SQSRecord], None]) -> list[SQSRecord]:
        """Give each record to the handler; return those that it raised for, and those behind them in their group."""
        groups: dict[str, list[dict[str, Any]]] = {}
        for record in records:
            groups.setdefault(group_of(SQSRecord(record)), []).append(record)
        # A context of its own for each group: that is where the logger keeps the keys of a thread.
        taken = [self._threads.submit(copy_context().run, _take_group, group, handler) for group in groups.values()]
        return [record for group in taken for record in group.result()]


def _take_group(records: list[dict[str, Any]], handler: Callable[[SQSRecord], None]) -> list[SQSRecord]:
    processor = SqsFifoPartialProcessor()
    # An error of the whole invocation would hide the records for the queue's full visibility timeout.
    processor.raise_on_entire_batch_failure = False
    process_partial_response(event={"Records": records}, record_handler=handler, processor=processor)
    return cast("list[SQSRecord]", processor.fail_messages)
