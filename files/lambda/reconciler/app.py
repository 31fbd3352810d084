"""The handler of tamma-dev-reconciler: stopped tasks, delayed retries and the sweep, all from the task-events queue."""

from __future__ import annotations

import functools
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from botocore.exceptions import BotoCoreError, ClientError
from counting import publish
from edge import client, read_secrets
from job_message import JOB_ID
from job_store import JobStore, StoreUnavailableError
from patience import receives, waits_by_receipt
from queues import Queues
from reconciling import Reconciler
from results import Results
from settings import Settings, text
from stopped_task import TaskFacts, read_task
from sweeping import Sweeper

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from aws_lambda_powertools.utilities.typing import LambdaContext

# Milliseconds that one step of a sweep may need at worst.
NEEDED_TIME = 15_000

logger = Logger()


class UnknownMessageError(Exception):
    """A message that is no task event, requeue or sweep."""


@dataclass(frozen=True)
class Services:
    """What a sandbox looks up once and then keeps."""

    reconciler: Reconciler
    sweeper: Sweeper
    queues: Queues
    settings: Settings


@functools.cache
def services() -> Services:
    """Look up secrets. Raises SettingsError or MissingParameterError in words; not kept then."""
    settings = Settings.read(os.environ)
    secrets = functools.partial(read_secrets, client("ssm"), settings)
    store = JobStore(*secrets(), settings.time_scale, renew_key=lambda: secrets()[1])
    queues = Queues(client("sqs"), settings)
    results = Results(client("s3"), text(os.environ, "DERIVED_BUCKET"))
    reconciler = Reconciler(store, queues, results, logger, settings.time_scale)
    sweeper = Sweeper(store, reconciler, client("ecs"), settings.cluster, logger, settings.time_scale)
    return Services(reconciler, sweeper, queues, settings)


@logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Reconcile a batch; returns Lambda's partial batch response."""
    return reconcile_batch(services(), event, context)


def reconcile_batch(parts: Services, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Take each record by itself, and let the returned ones wait longer each time."""
    processor = BatchProcessor(EventType.SQS, raise_on_entire_batch_failure=False)
    response = process_partial_response(
        event=event,
        record_handler=functools.partial(_reconcile_record, parts, context),
        processor=processor,
    )
    records = cast("list[SQSRecord]", processor.fail_messages)
    problem = parts.queues.put_off(
        parts.settings.task_events_queue, waits_by_receipt(records, parts.settings.time_scale)
    )
    if problem:
        logger.warning("Returned messages wait for the queue's visibility timeout instead: %s", problem)
    counts = parts.reconciler.counts
    counts["Returned"] += len(records)
    publish(+counts)  # without what stayed at nothing
    counts.clear()
    return dict(response)


def _reconcile_record(parts: Services, context: LambdaContext, record: SQSRecord) -> None:
    """Reconcile one record; what is raised returns it to the queue."""
    logger.append_keys(job_id=None, message_id=record.message_id)
    try:
        _take(parts, context, _read(record.body))
    except UnknownMessageError as error:
        # Nothing is lost with it: every job is found by the sweep as well.
        logger.error("Ignored: %s", error)  # noqa: TRY400 a traceback would say no more
    except (StoreUnavailableError, BotoCoreError, ClientError) as error:
        logger.warning("Returned to the queue after delivery %d: %s", receives(record), error)
        raise
    except Exception:
        logger.exception("Returned to the queue because of an error in the reconciler itself.")
        raise


def _read(body: str) -> dict[str, Any]:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        raise UnknownMessageError("the message is not JSON.") from None
    if not isinstance(message, dict):
        raise UnknownMessageError("the message is not a JSON object.")
    return message


def _take(parts: Services, context: LambdaContext, message: dict[str, Any]) -> None:
    kind = message.get("tamma")
    if kind == "sweep":
        _sweep(parts.sweeper, context)
    elif kind == "requeue":
        job_id, attempt = message.get("job_id"), message.get("attempt")
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id) or type(attempt) is not int:
            raise UnknownMessageError("the requeue message names no job and attempt.")
        logger.append_keys(job_id=job_id)
        parts.reconciler.requeue(job_id, attempt)
    elif message.get("detail-type") == "ECS Task State Change":
        _task_event(parts.reconciler, message.get("detail"))
    else:
        raise UnknownMessageError("the message is no task event, requeue or sweep.")


def _sweep(sweeper: Sweeper, context: LambdaContext) -> None:
    """Sweep; a failed sweep is not repeated, because the schedule sends the next one within a minute."""
    try:
        sweeper.sweep(lambda: context.get_remaining_time_in_millis() > NEEDED_TIME)
    except (StoreUnavailableError, BotoCoreError, ClientError) as error:
        logger.error("The sweep was given up until the next one: %s", error)  # noqa: TRY400 a traceback says no more


def _task_event(reconciler: Reconciler, detail: object) -> None:
    if not isinstance(detail, dict) or not detail.get("taskArn"):
        raise UnknownMessageError("the task event names no task.")
    task: TaskFacts = read_task(detail)
    logger.append_keys(job_id=task.job_id)
    if task.stopped:
        reconciler.task_stopped(task)
